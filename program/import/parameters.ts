import type { Initializer, Parameter, ParameterTable } from '../parameter-table.ts'
import { layOut } from '../parameter-table.ts'
import type { ForeignModel, ForeignNode, ForeignTensor } from './foreign-model.ts'
import { checkMask, finiteMask } from './masks.ts'
import { shown, unsupportedOnnx } from './refusal.ts'
import { withoutGradient } from './translations.ts'

export interface ImportedParameters {
  readonly table: ParameterTable
  /** Name of a value in the file → the parameter that it is. */
  readonly byValue: ReadonlyMap<string, string>
  /** Values, parameters or not, in which a large negative number stands for −∞ (masks.ts). */
  readonly masks: readonly string[]
  /** Of those masks, the ones without a name in the module, as constants of the program. */
  readonly constantMasks: ReadonlyMap<string, ForeignTensor>
  /** The values that the file holds, as a flat vector of a table that has these parameters in any order; zeros of others. */
  weights(layout?: ParameterTable): Float32Array
}

/** A name that a PyTorch module can have, and that a parameter table can hold. */
const moduleName = /^(?!val_\d+$)[A-Za-z_][A-Za-z0-9_]*(\.[A-Za-z0-9_]+)*$/

/**
 * Finds what is trained: every float initializer from which a gradient leads to an output, under the name that it has
 * in its PyTorch module. Running statistics of BatchNormalization are part of the state but not trained; buffers, where the
 * exporter says which are, are frozen, and so are masks with −∞. An exporter that folds a transposition into a weight
 * loses its name: then there is nothing that its values could be given back as.
 * @throws MurmurError ONNX_UNSUPPORTED, naming the initializer and what to export differently.
 */
export function findParameters(model: ForeignModel, live: readonly ForeignNode[]): ImportedParameters {
  const statistics = new Set(
    live.flatMap(({ opType, inputs }) => (opType === 'BatchNormalization' ? inputs.slice(3, 5) : [])),
  )
  const byValue = new Map<string, string>()
  const found: (Omit<Parameter, 'offset'> & { readonly tensor: ForeignTensor })[] = []
  const masks: string[] = []
  const constantMasks = new Map<string, ForeignTensor>()
  for (const [value, stored] of reachedFloats(model, live)) {
    const kind = kindOf(model, value, statistics.has(value))
    if (kind === 'constant') continue
    const isNamed = kind !== 'unnamed' && moduleName.test(value)
    if (!isNamed && stored.shape.reduce((product, size) => product * size, 1) <= 1) continue
    const values = stored.read().values as Float32Array
    const isMask = model.kinds.get(value) !== 'parameter' && values.includes(Number.NEGATIVE_INFINITY)
    if (isMask) checkMask(value, live, model)
    else if (!isNamed) throw lostName(value, live)
    if (isMask) masks.push(value)
    const tensor = isMask ? finiteMask(stored) : stored
    const init = initializerOf(value, isMask ? (tensor.read().values as Float32Array) : values)
    // A mask that the exporter folded is one of the program's constants.
    if (!isNamed) {
      constantMasks.set(value, tensor)
      continue
    }
    if (tensor.shape.length > 8 || tensor.shape.some((size) => size < 1))
      throw unsupportedOnnx(`parameter ${shown(value)} has the shape [${tensor.shape}]`)
    const role = isMask ? 'frozen' : kind === 'weight' ? undefined : kind
    byValue.set(value, value)
    found.push({
      name: value,
      shape: tensor.shape,
      init,
      decay: role === undefined && tensor.shape.length >= 2,
      ...(role === undefined ? {} : { role }),
      tensor,
    })
  }
  if (!found.some(({ role }) => role === undefined))
    throw unsupportedOnnx('it has no parameters: no float initializer leads to its output')
  const table = layOut(found.map(({ tensor: _, ...parameter }) => parameter))
  const tensors = new Map(found.map(({ name, tensor }) => [name, tensor]))
  return {
    table,
    byValue,
    masks,
    constantMasks,
    weights: (layout = table) => {
      const flat = new Float32Array(layout.count)
      for (const { name, offset } of layout.parameters) {
        const tensor = tensors.get(name)
        if (tensor !== undefined) flat.set(tensor.read().values as Float32Array, offset)
      }
      return flat
    },
  }
}

/**
 * Float initializers that an output depends on by a way that has a gradient, in the order of the file. Where the
 * exporter has merged parameters of equal values, each but the first is an Identity of it with its own name.
 */
function reachedFloats(
  { initializers, kinds }: ForeignModel,
  live: readonly ForeignNode[],
): ReadonlyMap<string, ForeignTensor> {
  const stored = new Map([...initializers].filter(([, { type }]) => type === 'float32'))
  const order = [...stored.keys()]
  const reached = new Set<string>()
  const wanted = new Set(live.flatMap(({ outputs }) => outputs).filter((name) => name !== ''))
  const used = new Set(live.flatMap(({ inputs }) => inputs))
  const active = new Set([...wanted].filter((name) => !used.has(name)))
  for (const node of live.toReversed()) {
    if (!node.outputs.some((name) => active.has(name)) || withoutGradient.has(node.opType)) continue
    const merged = node.opType === 'Identity' && kinds.size === 0
    const original = merged ? stored.get(node.inputs[0]!) : undefined
    if (original !== undefined && moduleName.test(node.outputs[0]!)) {
      stored.set(node.outputs[0]!, original)
      order.push(node.outputs[0]!)
      reached.add(node.outputs[0]!)
      continue
    }
    for (const name of differentiated(node)) {
      active.add(name)
      if (stored.has(name)) reached.add(name)
    }
  }
  return new Map(order.filter((name) => reached.has(name)).map((name) => [name, stored.get(name)!]))
}

/** The inputs that a gradient can reach; the others of these operators are floats that only say what to do. */
function differentiated({ opType, inputs }: ForeignNode): readonly string[] {
  if (opType === 'Where') return inputs.slice(1)
  return opType === 'Resize' ? inputs.slice(0, 1) : inputs
}

function kindOf({ kinds }: ForeignModel, value: string, statistic: boolean) {
  if (statistic) return 'statistic'
  if (kinds.size === 0) return 'weight'
  const kind = kinds.get(value)
  if (kind === 'parameter') return 'weight'
  if (kind === 'buffer') return 'frozen'
  return kind === 'other' ? 'constant' : 'unnamed'
}

/** How a fresh start would look: ones, zeros, or normal values as large as those of the file. */
function initializerOf(name: string, values: Float32Array): Initializer {
  let squares = 0
  let [zeros, ones] = [true, true]
  for (const value of values) {
    if (!Number.isFinite(value))
      throw unsupportedOnnx(`parameter ${shown(name)} holds ${value}`, 'export sound weights')
    squares += value * value
    zeros &&= value === 0
    ones &&= value === 1
  }
  if (zeros || ones) return { kind: zeros ? 'zeros' : 'ones' }
  const std = Number(Math.sqrt(squares / values.length).toPrecision(4))
  return { kind: 'normal', std: Math.min(1e3, Math.max(1e-12, std)) }
}

function lostName(value: string, live: readonly ForeignNode[]) {
  const reader = live.find(({ inputs }) => inputs.includes(value))
  return unsupportedOnnx(
    `initializer ${shown(value)} (read by node ${shown(reader?.name ?? '')}) is trained but is no parameter of the module: the exporter folded it`,
    'export with do_constant_folding=False (dynamo=False) or with optimize=False (dynamo=True)',
  )
}
