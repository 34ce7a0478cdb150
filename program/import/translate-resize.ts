import { alongAxis, type Taps } from './along-axis.ts'
import { maxFoldedElements } from './host-tensor.ts'
import { asTensor, knownValues, type Operand } from './operand.ts'
import { intOf, type Translation, textOf } from './translate.ts'

const f32 = Math.fround

/**
 * Where a place of the output lies in the input, of `size` places, of which `wanted` are made (ONNX, Resize). In single
 * precision, as onnxruntime and PyTorch compute it: which place is the nearest hangs on the last bit.
 */
const coordinates: ReadonlyMap<string, (at: number, scale: number, size: number, wanted: number) => number> =
  new Map([
    ['half_pixel', (at, scale) => f32(f32((at + 0.5) / scale) - 0.5)],
    ['pytorch_half_pixel', (at, scale, _, wanted) => (wanted > 1 ? f32(f32((at + 0.5) / scale) - 0.5) : 0)],
    ['asymmetric', (at, scale) => f32(at / scale)],
    ['align_corners', (at, _, size, wanted) => (wanted === 1 ? 0 : f32(f32(at * (size - 1)) / (wanted - 1)))],
  ])

const nearest: ReadonlyMap<string, (x: number) => number> = new Map([
  ['round_prefer_floor', (x) => Math.ceil(x - 0.5)],
  ['round_prefer_ceil', (x) => Math.floor(x + 0.5)],
  ['floor', Math.floor],
  ['ceil', Math.ceil],
])

/** Attributes at the one value that changes nothing here. */
const idle: ReadonlyMap<string, string | number> = new Map<string, string | number>([
  ['antialias', 0],
  ['exclude_outside', 0],
  ['keep_aspect_ratio_policy', 'stretch'],
])
const read = new Set([
  'axes',
  'coordinate_transformation_mode',
  'cubic_coeff_a',
  'extrapolation_value',
  'mode',
  'nearest_mode',
])

/** Larger or smaller along some axes, by the nearest place or between the two nearest. */
export const resize: Translation = (node) => {
  const { writer, attributes } = node
  for (const [name, attribute] of attributes) {
    if (read.has(name)) continue
    if ('value' in attribute && attribute.value === idle.get(name)) continue
    throw new Error(`attribute ${name} is not supported`)
  }
  const x = asTensor(node.inputs[0])
  const rank = x.shape.length
  const given = attributes.get('axes')
  const axes = (given?.kind === 'ints' ? given.values : x.shape.map((_, axis) => axis)).map((axis) =>
    axis < 0 ? axis + rank : axis,
  )
  const scales = listOf(node.inputs[2], 'the scales')
  const sizes = listOf(node.inputs[3], 'the sizes')
  const count = (scales ?? sizes)?.length
  if (count !== axes.length || axes.some((axis) => !(axis in x.shape)))
    throw new Error('it says neither scales nor sizes of its axes')
  const [mode, transformation] = [
    textOf(node, 'mode', 'nearest'),
    textOf(node, 'coordinate_transformation_mode', 'half_pixel'),
  ]
  const coordinate = coordinates.get(transformation)
  const rounding = nearest.get(textOf(node, 'nearest_mode', 'round_prefer_floor'))
  if (coordinate === undefined || rounding === undefined || !['nearest', 'linear'].includes(mode))
    throw new Error(`the mode ${mode} with ${transformation} is not supported`)
  if (intOf(node, 'antialias', 0) !== 0) throw new Error('antialias is not supported')
  return [
    axes.reduce((made, axis, index) => {
      const size = x.shape[axis]!
      const wanted = sizes?.[index] ?? Math.floor(f32(size * scales![index]!))
      const scale = scales?.[index] ?? f32(wanted / size)
      if (!(wanted >= 1 && wanted * size <= maxFoldedElements)) throw new Error(`an axis of ${wanted} places`)
      if (wanted === size && scale === 1) return made
      const inside = (place: number) => Math.min(size - 1, Math.max(0, place))
      const taps: Taps = Array.from({ length: wanted }, (_, at) => {
        const place = coordinate(at, scale, size, wanted)
        if (mode === 'nearest') return [[inside(rounding(place)), 1]]
        const low = Math.floor(place)
        return [
          [inside(low), 1 - (place - low)],
          [inside(low + 1), place - low],
        ]
      })
      return alongAxis(writer, made, axis, taps)
    }, x),
  ]
}

/** Undefined where it is left out, or empty as older exporters leave it out. */
function listOf(operand: Operand | undefined, what: string): readonly number[] | undefined {
  const values = operand === undefined ? [] : knownValues(operand, what)
  return values.length === 0 ? undefined : values
}

/** Where each place of a padded axis comes from: `reflect` leaves the edge out, `edge` repeats it, `wrap` starts again. */
export function paddedTaps(mode: string, size: number, before: number, after: number): Taps {
  const length = before + size + after
  if (!(length >= 1 && length * size <= maxFoldedElements)) throw new Error(`an axis of ${length} places`)
  return Array.from({ length }, (_, index) => {
    const at = index - before
    if (mode === 'edge') return [[Math.min(size - 1, Math.max(0, at)), 1]]
    const period = mode === 'wrap' ? size : Math.max(1, 2 * (size - 1))
    const place = ((at % period) + period) % period
    return [[place < size ? place : period - place, 1]]
  })
}
