import { unpackBf16 } from '../../aggregation/bf16.ts'
import { unpackF16 } from '../../aggregation/compressors/f16.ts'
import { floatBytes, floatsOf } from '../../aggregation/float-bytes.ts'
import { elements } from '../../program/operators/operator.ts'
import { gptParameters } from '../../program/presets/gpt-parameters.ts'
import type { GptDesign } from '../../program/presets/gpt-shape.ts'
import { MurmurError } from '../../protocol/errors.ts'
import type { ParameterPlace } from '../parameter-file.ts'
import type { Tensor } from '../safetensors.ts'
import { layoutOf, type Place } from './layout.ts'

/** The tensors of the Hugging Face model that a design is, from a flat vector in the order of `table`. */
export function tensorsForHuggingFace(
  theta: Float32Array,
  table: readonly ParameterPlace[],
  design: GptDesign,
): ReadonlyMap<string, Tensor> {
  const byName = new Map(table.map((parameter) => [parameter.name, parameter]))
  const tensors = new Map<string, Tensor>()
  for (const place of layoutOf(design).places) {
    const values = new Float32Array(elements(place.shape))
    eachValue(place, byName, (theirs, ours) => {
      values[theirs] = theta[ours]!
    })
    tensors.set(place.name, { dtype: 'F32', shape: place.shape, bytes: floatBytes(values) })
  }
  return tensors
}

/**
 * The flat vector, in the order of `table`, of a Hugging Face model's tensors: F32, F16 or BF16, finite.
 * GPT-2's own files leave the prefix `transformer.` out, and hold the causal mask; a position embedding of more places
 * than `design.context` gives its first. Nothing else may be there or missing.
 * @throws MurmurError PRETRAINED_UNFIT (exit `usage`) naming the tensor.
 */
export function weightsFromHuggingFace(
  tensors: ReadonlyMap<string, Tensor>,
  design: GptDesign,
  table: readonly ParameterPlace[] = gptParameters(design).parameters,
): Float32Array<ArrayBuffer> {
  const { places } = layoutOf(design)
  const byName = new Map(table.map((parameter) => [parameter.name, parameter]))
  const left = new Map(
    [...tensors].filter(([name]) => !isBuffer(name)).map(([name, tensor]) => [withPrefix(name), tensor]),
  )
  if (design.tied) left.delete('lm_head.weight')
  const given = places.map((place) => ({ place, tensor: checked(place, left.get(place.name)) }))
  for (const { name } of places) left.delete(name)
  for (const name of left.keys()) throw unfit(`it has "${name}", which the model section has no place for`)
  const flat = new Float32Array(table.reduce((sum, { shape }) => sum + elements(shape), 0))
  for (const { place, tensor } of given) {
    const values = valuesOf(place.name, tensor)
    // The first rows of a longer position embedding are the first values.
    const used = values.subarray(0, elements(place.shape))
    if (!used.every(Number.isFinite)) throw unfit(`"${place.name}" holds values that are not finite`)
    if (place.from === null && used.some((value) => value !== 0))
      throw unfit(`"${place.name}" is not zeros, but the model section has no such bias (set model.biases)`)
    eachValue(place, byName, (theirs, ours) => {
      flat[ours] = used[theirs]!
    })
  }
  return flat
}

/** Calls back with the index of each value in the tensor and in the flat vector. */
function eachValue(
  { shape, from, transposed }: Place,
  table: ReadonlyMap<string, ParameterPlace>,
  take: (theirs: number, ours: number) => void,
): void {
  if (from === null) return
  const { offset, shape: own } = table.get(from.parameter)!
  const width = own.at(-1)!
  const [first, end] = from.columns ?? [0, width]
  const columns = end - first
  const rows = elements(shape) / columns
  for (let row = 0; row < rows; row++) {
    for (let column = 0; column < columns; column++) {
      const theirs = transposed ? column * rows + row : row * columns + column
      take(theirs, offset + row * width + first + column)
    }
  }
}

const withPrefix = (name: string): string =>
  /^(h\.|wte\.|wpe\.|ln_f\.)/.test(name) ? `transformer.${name}` : name

/** What older files keep beside the weights: masks and rotary frequencies. */
const isBuffer = (name: string): boolean => /\.attn\.(masked_)?bias$|\.rotary_emb\.inv_freq$/.test(name)

function checked({ name, shape }: Place, tensor: Tensor | undefined): Tensor {
  if (tensor === undefined) throw unfit(`it has no tensor "${name}"`)
  const longer = name.endsWith('wpe.weight') && tensor.shape[0]! > shape[0]!
  const wanted = longer ? [tensor.shape[0], ...shape.slice(1)] : shape
  if (tensor.shape.join() !== wanted.join())
    throw unfit(`"${name}" is [${tensor.shape}], the model section makes it [${shape}]`)
  return tensor
}

function valuesOf(name: string, { dtype, bytes }: Tensor): Float32Array {
  switch (dtype) {
    case 'F32':
      return floatsOf(bytes)
    case 'F16':
      return unpackF16(bytes)
    case 'BF16':
      return unpackBf16(bytes)
    default:
      throw unfit(`"${name}" is ${dtype}, not F32, F16 or BF16`)
  }
}

export function unfit(reason: string): MurmurError {
  return new MurmurError('PRETRAINED_UNFIT', {
    message: `the weights do not fit the run: ${reason.slice(0, 300)}`,
    next: 'give the model section the sizes and the style that the weights have (docs/models.md)',
    exit: 'usage',
  })
}
