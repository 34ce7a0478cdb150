import { type Attributes, intAttribute, intsAttribute, resolveAxis } from '../operators/operator.ts'
import type { Fold } from './fold.ts'
import { stridedPlaces } from './fold-elementwise.ts'
import { valuesFor } from './host-tensor.ts'

/** Sums in double precision, in row-major order. */
const reduction =
  (
    start: number,
    rule: (total: number, x: number) => number,
    finish = (total: number, _count: number) => total,
  ): Fold =>
  ({ inputs, attributes }) => {
    const [x, given] = inputs
    const rank = x!.shape.length
    const listed = given ? Array.from(given.values) : axesAttribute(attributes)
    const axes = (listed ?? x!.shape.map((_, axis) => axis)).map((axis) => resolveAxis(axis, rank))
    const kept = x!.shape.map((size, axis) => (axes.includes(axis) ? 1 : size))
    const strides = new Array<number>(rank).fill(0)
    let stride = 1
    for (let axis = rank - 1; axis >= 0; axis--) {
      if (axes.includes(axis)) continue
      strides[axis] = stride
      stride *= x!.shape[axis]!
    }
    const totals = new Float64Array(stride).fill(start)
    let at = 0
    for (const place of stridedPlaces(x!.shape, strides))
      totals[place] = rule(totals[place]!, x!.values[at++]!)
    const keep = intAttribute(attributes, 'keepdims', 1) === 1
    const shape = keep ? kept : kept.filter((_, axis) => !axes.includes(axis))
    const values = valuesFor(x!.type, shape)
    const count = x!.values.length / Math.max(1, stride)
    for (let index = 0; index < values.length; index++) values[index] = finish(totals[index]!, count)
    return [{ type: x!.type, shape, values }]
  }

const axesAttribute = (attributes: Attributes): readonly number[] | undefined =>
  intsAttribute(attributes, 'axes')

const cumulativeSum: Fold = ({ inputs, attributes }) => {
  const [x, given] = inputs
  if (intAttribute(attributes, 'exclusive', 0) !== 0 || intAttribute(attributes, 'reverse', 0) !== 0)
    throw new Error('only plain sums of constants are supported')
  const axis = resolveAxis(given!.values[0]!, x!.shape.length)
  const inner = x!.shape.slice(axis + 1).reduce((product, size) => product * size, 1)
  const row = inner * x!.shape[axis]!
  const values = valuesFor(x!.type, x!.shape)
  for (let at = 0; at < values.length; at++)
    values[at] = x!.values[at]! + (at % row < inner ? 0 : values[at - inner]!)
  return [{ ...x!, values }]
}

export const reductionFolds: readonly (readonly [string, Fold])[] = [
  ['ReduceSum', reduction(0, (total, x) => total + x)],
  ['ReduceProd', reduction(1, (total, x) => total * x)],
  ['ReduceMax', reduction(Number.NEGATIVE_INFINITY, Math.max)],
  ['ReduceMin', reduction(Number.POSITIVE_INFINITY, Math.min)],
  [
    'ReduceMean',
    reduction(
      0,
      (total, x) => total + x,
      (total, count) => total / count,
    ),
  ],
  ['CumSum', cumulativeSum],
]
