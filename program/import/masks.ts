import type { ForeignModel, ForeignNode, ForeignTensor } from './foreign-model.ts'
import { shown, unsupportedOnnx } from './refusal.ts'

/**
 * What −∞ in a mask becomes, since a run's weights are finite. Beside any score of a sound model it is as good: added to
 * one it gives itself, and its exponential is zero to the bit. Only where all of a row is masked do they differ: −∞ makes
 * it NaN, this makes it even.
 */
export const maskedScore = Math.fround(-1e30)

/** The tensor with `maskedScore` for −∞. */
export const finiteMask = (tensor: ForeignTensor): ForeignTensor => ({
  ...tensor,
  read: () => {
    const mask = tensor.read()
    const values = mask.values.map((value) => (value === Number.NEGATIVE_INFINITY ? maskedScore : value))
    return { ...mask, values }
  },
})

/** Operators that give values of their first input on as they are. */
const moving = new Set(['Identity', 'Cast', 'CastLike', 'Reshape', 'Flatten', 'Unsqueeze', 'Squeeze'])
for (const opType of ['Slice', 'Split', 'Gather', 'Expand', 'Tile', 'Transpose', 'Concat']) moving.add(opType)

/**
 * A mask that holds −∞ may only be added to what a Softmax is taken of, as PyTorch's attention does: nothing else gives
 * finite numbers, or gives the same ones with a finite mask.
 * @throws MurmurError ONNX_UNSUPPORTED, naming what reads it otherwise.
 */
export function checkMask(
  value: string,
  live: readonly ForeignNode[],
  { initializers }: Pick<ForeignModel, 'initializers'>,
): void {
  const masked = new Set([value])
  const makers = new Map(live.flatMap((node) => node.outputs.map((output) => [output, node] as const)))
  for (const node of live) {
    if (!node.inputs.some((name) => masked.has(name)) || node.opType === 'Softmax') continue
    const isSum =
      node.opType === 'Add' ||
      (node.opType === 'Mul' && node.inputs.some((name) => isOne(name, makers, initializers)))
    if (!isSum && !moving.has(node.opType)) throw otherUse(value, `node ${shown(node.name)} (${node.opType})`)
    for (const name of node.outputs) masked.add(name)
  }
  const used = new Set(live.flatMap(({ inputs }) => inputs))
  if ([...masked].some((name) => name !== '' && !used.has(name))) throw otherUse(value, 'the output')
}

/** `torch.baddbmm` multiplies what it adds by its `beta`. */
function isOne(
  name: string,
  makers: ReadonlyMap<string, ForeignNode>,
  initializers: ForeignModel['initializers'],
): boolean {
  const stored = initializers.get(name)
  if (stored !== undefined) return isSingleOne(stored)
  const maker = makers.get(name)
  const made = maker?.opType === 'Cast' ? makers.get(maker.inputs[0]!) : maker
  const constant = made?.opType === 'Constant' ? made.attributes.get('value') : undefined
  return constant?.kind === 'tensor' && isSingleOne(constant.value)
}

const isSingleOne = (tensor: ForeignTensor): boolean =>
  tensor.shape.every((size) => size === 1) && tensor.read().values[0] === 1

const otherUse = (value: string, reader: string) =>
  unsupportedOnnx(
    `initializer ${shown(value)} holds -Infinity and reaches ${reader}: only masks that are added before a Softmax may`,
    'export it with large negative numbers instead',
  )
