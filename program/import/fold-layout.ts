import { type Attributes, intAttribute, resolveAxis, type Value } from '../operators/operator.ts'
import { operators } from '../operators/table.ts'
import type { Fold, Folding } from './fold.ts'
import { broadcastPlaces, stridedPlaces } from './fold-elementwise.ts'
import { type HostTensor, intTensor, valuesFor } from './host-tensor.ts'

/** A tensor as the operators' own shape rules take it. */
const asValue = ({ type, shape, values }: HostTensor): Value => ({
  name: '',
  type,
  shape,
  ...(type === 'int64' ? { ints: Array.from(values) } : {}),
})

/** The shapes of the outputs, by the rule of the operator itself. */
function shapesOf(
  opType: string,
  { inputs, attributes, outputCount }: Folding,
): readonly (readonly number[])[] {
  const given = inputs.map(asValue)
  return operators
    .get(opType)!
    .infer({ inputs: given, attributes, outputCount })
    .map(({ shape }) => shape)
}

const stridesOf = (shape: readonly number[]): readonly number[] => {
  const strides = new Array<number>(shape.length).fill(1)
  for (let axis = shape.length - 2; axis >= 0; axis--) strides[axis] = strides[axis + 1]! * shape[axis + 1]!
  return strides
}

/** A tensor of this shape whose elements are read from `places` of another. */
function picked(x: HostTensor, shape: readonly number[], places: Iterable<number>): HostTensor {
  const values = valuesFor(x.type, shape)
  let at = 0
  for (const place of places) values[at++] = x.values[place]!
  return { type: x.type, shape, values }
}

/** Another shape of the same elements. */
const reshaping =
  (opType: string): Fold =>
  (node) => [{ ...node.inputs[0]!, shape: shapesOf(opType, node)[0]! }]

const axisOf = (attributes: Attributes, rank: number): number =>
  resolveAxis(intAttribute(attributes, 'axis', 0), rank)

const transpose: Fold = (node) => {
  const [x] = node.inputs
  const [shape] = shapesOf('Transpose', node)
  const given = node.attributes.get('perm')
  const order = given?.kind === 'ints' ? given.values : x!.shape.map((_, axis) => x!.shape.length - 1 - axis)
  const strides = stridesOf(x!.shape)
  const turned = order.map((axis) => strides[resolveAxis(axis, x!.shape.length)]!)
  return [picked(x!, shape!, stridedPlaces(shape!, turned))]
}

const expand: Fold = (node) => {
  const [shape] = shapesOf('Expand', node)
  return [picked(node.inputs[0]!, shape!, broadcastPlaces(node.inputs[0]!.shape, shape!))]
}

const tile: Fold = (node) => {
  const [x] = node.inputs
  const [shape] = shapesOf('Tile', node)
  const strides = stridesOf(x!.shape)
  const own = stridesOf(shape!)
  function* places() {
    for (const place of stridedPlaces(shape!, own))
      yield x!.shape.reduce((sum, size, axis) => {
        const index = Math.floor(place / own[axis]!) % shape![axis]!
        return sum + (index % size) * strides[axis]!
      }, 0)
  }
  return [picked(x!, shape!, places())]
}

/** Bounds as numpy has them; what is outside is cut. Unlike in programs, nothing may be left. */
const slice: Fold = ({ inputs }) => {
  const [x, starts, ends, axes, steps] = inputs
  const rank = x!.shape.length
  const shape = [...x!.shape]
  const strides = [...stridesOf(x!.shape)]
  let first = 0
  starts!.values.forEach((given, index) => {
    const axis = resolveAxis(axes ? axes.values[index]! : index, rank)
    const [size, step] = [x!.shape[axis]!, steps ? steps.values[index]! : 1]
    if (!Number.isSafeInteger(step) || step === 0) throw new Error(`step ${step}`)
    const [lowest, highest] = step > 0 ? [0, size] : [-1, size - 1]
    const within = (bound: number) => Math.min(Math.max(bound < 0 ? bound + size : bound, lowest), highest)
    const [start, end] = [within(given), within(ends!.values[index]!)]
    first += start * strides[axis]!
    shape[axis] = Math.max(0, Math.ceil((end - start) / step))
    strides[axis] = strides[axis]! * step
  })
  return [picked(x!, shape, stridedPlaces(shape, strides, first))]
}

const gather: Fold = ({ inputs, attributes }) => {
  const [x, indices] = inputs
  const axis = axisOf(attributes, x!.shape.length)
  const [outer, inner] = [x!.shape.slice(0, axis), x!.shape.slice(axis + 1)]
  const [count, size] = [product(inner), x!.shape[axis]!]
  const rows = Array.from(indices!.values, (index) => resolveAxis(index, size))
  function* places() {
    for (let block = 0; block < product(outer); block++)
      for (const row of rows) for (let at = 0; at < count; at++) yield (block * size + row) * count + at
  }
  return [picked(x!, [...outer, ...indices!.shape, ...inner], places())]
}

const product = (shape: readonly number[]): number => shape.reduce((total, size) => total * size, 1)

const concat: Fold = ({ inputs, attributes }) => {
  const first = inputs[0]!
  const axis = axisOf(attributes, first.shape.length)
  if (inputs.some(({ shape, type }) => shape.length !== first.shape.length || type !== first.type))
    throw new Error('ranks or types differ')
  const size = inputs.reduce((sum, { shape }) => sum + shape[axis]!, 0)
  const shape = first.shape.map((given, index) => (index === axis ? size : given))
  const values = valuesFor(first.type, shape)
  const outer = product(shape.slice(0, axis))
  const inner = product(shape.slice(axis + 1))
  let start = 0
  for (const { shape: own, values: from } of inputs) {
    const row = own[axis]! * inner
    if (from.length !== outer * row) throw new Error('shapes differ beside the axis')
    for (let block = 0; block < outer; block++)
      values.set(from.subarray(block * row, (block + 1) * row), block * size * inner + start)
    start += row
  }
  return [{ type: first.type, shape, values }]
}

const split: Fold = (node) => {
  const [x] = node.inputs
  const axis = axisOf(node.attributes, x!.shape.length)
  let from = 0
  return shapesOf('Split', node).map((shape) => {
    const start = from * stridesOf(x!.shape)[axis]!
    from += shape[axis]!
    return picked(x!, shape, stridedPlaces(shape, stridesOf(x!.shape), start))
  })
}

/** The lower or upper triangle of each matrix, zeros elsewhere. */
export const trilu: Fold = ({ inputs, attributes }) => {
  const [x, diagonal] = inputs
  const [rows, columns] = [x!.shape.at(-2), x!.shape.at(-1)]
  if (rows === undefined || columns === undefined) throw new Error('a matrix is needed')
  const upper = intAttribute(attributes, 'upper', 1) === 1
  const offset = diagonal?.values[0] ?? 0
  const values = valuesFor(x!.type, x!.shape)
  for (let at = 0; at < values.length; at++) {
    const across = (at % columns) - (Math.floor(at / columns) % rows)
    if (upper ? across >= offset : across <= offset) values[at] = x!.values[at]!
  }
  return [{ ...x!, values }]
}

const range: Fold = ({ inputs }) => {
  const [start, limit, delta] = inputs.map(({ values }) => values[0]!)
  const count = Math.max(0, Math.ceil((limit! - start!) / delta!))
  const { type } = inputs[0]!
  if (!Number.isSafeInteger(count)) throw new Error('its step is not a number')
  const values = valuesFor(type, [count])
  for (let at = 0; at < count; at++) values[at] = start! + at * delta!
  return [{ type, shape: [count], values }]
}

/** Elements of the last axis name places; ONNX GatherND without batch axes. */
const gatherNd: Fold = ({ inputs, attributes }) => {
  const [x, indices] = inputs
  if (intAttribute(attributes, 'batch_dims', 0) !== 0) throw new Error('batch_dims is not supported')
  const depth = indices!.shape.at(-1) ?? 0
  const strides = stridesOf(x!.shape)
  const inner = x!.shape.slice(depth)
  const count = product(inner)
  function* places() {
    for (let at = 0; at < indices!.values.length; at += depth) {
      let place = 0
      for (let axis = 0; axis < depth; axis++)
        place += resolveAxis(indices!.values[at + axis]!, x!.shape[axis]!) * strides[axis]!
      for (let offset = 0; offset < count; offset++) yield place + offset
    }
  }
  return [picked(x!, [...indices!.shape.slice(0, -1), ...inner], places())]
}

export const layoutFolds: readonly (readonly [string, Fold])[] = [
  ['Reshape', reshaping('Reshape')],
  ['Flatten', reshaping('Flatten')],
  ['Squeeze', reshaping('Squeeze')],
  ['Unsqueeze', reshaping('Unsqueeze')],
  ['Transpose', transpose],
  ['Expand', expand],
  ['Tile', tile],
  ['Slice', slice],
  ['Gather', gather],
  ['GatherND', gatherNd],
  ['Concat', concat],
  ['Split', split],
  ['Trilu', trilu],
  ['Range', range],
  ['Shape', ({ inputs }) => [intTensor(inputs[0]!.shape)]],
]
