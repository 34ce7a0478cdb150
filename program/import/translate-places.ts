import { elements, int } from '../operators/operator.ts'
import { type HostTensor, valuesFor } from './host-tensor.ts'
import { asTensor, isConstant, knownValues, type Tensor } from './operand.ts'
import {
  intOf,
  type Translating,
  type Translation,
  tensorsOf,
  textOf,
  writtenAttributes,
} from './translate.ts'

/** Places that several axes' indices name together, which fill a part of those axes: its start and size along each. */
interface Box {
  readonly starts: readonly number[]
  readonly sizes: readonly number[]
}

/**
 * The box that constant indices [P…, depth] walk through in order, as an assignment to slices is exported: cutting it out
 * or filling it needs no product with one-hot rows. Null where they are no box, or not known.
 */
function boxOf(indices: Tensor, shape: readonly number[]): Box | null {
  const depth = indices.shape.at(-1)
  if (!isConstant(indices) || !depth || depth > shape.length || indices.values.length === 0) return null
  const count = indices.values.length / depth
  const at = (place: number, axis: number) => {
    const index = indices.values[place * depth + axis]!
    return index < 0 ? index + shape[axis]! : index
  }
  const axes = Array.from({ length: depth }, (_, axis) => axis)
  const starts = axes.map((axis) => at(0, axis))
  const sizes = axes.map((axis) => at(count - 1, axis) - starts[axis]! + 1)
  const inside = axes.every(
    (axis) => starts[axis]! >= 0 && sizes[axis]! >= 1 && starts[axis]! + sizes[axis]! <= shape[axis]!,
  )
  if (!inside || elements(sizes) !== count) return null
  for (let place = 0; place < count; place++) {
    let left = place
    for (let axis = depth - 1; axis >= 0; axis--) {
      if (at(place, axis) !== starts[axis]! + (left % sizes[axis]!)) return null
      left = Math.floor(left / sizes[axis]!)
    }
  }
  return { starts, sizes }
}

export const gatherNd: Translation = (node) => {
  const { writer } = node
  const [x, indices] = tensorsOf(node)
  if (x === undefined || indices === undefined) throw new Error('two inputs are needed')
  const plain = intOf(node, 'batch_dims', 0) === 0
  const box = plain && !isConstant(x) ? boxOf(indices, x.shape) : null
  if (box !== null) {
    const { starts, sizes } = box
    const ends = starts.map((start, axis) => start + sizes[axis]!)
    const bounds = [starts, ends, starts.map((_, axis) => axis)].map((list) => writer.ints(list))
    const shape = [...indices.shape.slice(0, -1), ...x.shape.slice(sizes.length)]
    return [reshaped(node, writer.node('Slice', [x, ...bounds]), shape)]
  }
  return [writer.node('GatherND', [x, indices], plain ? {} : writtenAttributes(node))]
}

/** Of a box, the updates with zeros around them: alone where the data are zeros, and otherwise in the data's place. */
export const scatterNd: Translation = (node) => {
  const { writer } = node
  const [data, indices, updates] = tensorsOf(node)
  if (data === undefined || indices === undefined || updates === undefined)
    throw new Error('three inputs are needed')
  const reduction = textOf(node, 'reduction', 'none')
  const box = updates.type === 'float32' ? boxOf(indices, data.shape) : null
  if (box === null || (reduction !== 'none' && reduction !== 'add'))
    return [writer.node('ScatterND', [data, indices, updates], writtenAttributes(node))]
  const { starts, sizes } = box
  const inner = data.shape.slice(sizes.length)
  if (updates.shape.join() !== [...indices.shape.slice(0, -1), ...inner].join())
    throw new Error(`updates [${updates.shape}] do not fit data [${data.shape}]`)
  const filled = reshaped(node, updates, [...sizes, ...inner])
  const whole = sizes.every((size, axis) => size === data.shape[axis])
  const after = sizes.map((size, axis) => data.shape[axis]! - starts[axis]! - size)
  const around = inner.map(() => 0)
  const padded = whole ? filled : lowered(node, filled, [...starts, ...around, ...after, ...around])
  if (reduction === 'add') return [writer.node('Add', [data, padded])]
  if (whole || (isConstant(data) && data.values.every((value) => value === 0))) return [padded]
  return [writer.node('Where', [maskOf(box, data.shape), padded, data])]
}

const reshaped = ({ writer }: Translating, x: Tensor, shape: readonly number[]): Tensor =>
  shape.length === 0
    ? writer.node('Squeeze', [x, writer.ints(x.shape.map((_, axis) => axis))])
    : writer.node('Reshape', [x, writer.ints(shape)])

const lowered = ({ writer }: Translating, x: Tensor, pads: readonly number[]): Tensor =>
  writer.node('Pad', [x, writer.ints(pads)])

/** Whether a place is in the box; axes that it fills have size 1, and so have those behind it. */
function maskOf({ starts, sizes }: Box, shape: readonly number[]): HostTensor {
  const own = shape.map((size, axis) => (axis >= sizes.length || sizes[axis] === size ? 1 : size))
  const values = valuesFor('bool', own)
  for (let at = 0; at < values.length; at++) {
    let [left, within] = [at, true]
    for (let axis = own.length - 1; axis >= 0; axis--) {
      const index = left % own[axis]!
      left = Math.floor(left / own[axis]!)
      if (own[axis] !== 1) within &&= index >= starts[axis]! && index < starts[axis]! + sizes[axis]!
    }
    values[at] = within ? 1 : 0
  }
  return { type: 'bool', shape: own, values }
}

/** With `add`, a sum over one-hot rows, in which equal places add up. */
export const scatterElements: Translation = (node) => {
  const { writer } = node
  const [data, indices, updates] = tensorsOf(node)
  if (data === undefined || indices === undefined || updates === undefined)
    throw new Error('three inputs are needed')
  const reduction = textOf(node, 'reduction', 'none')
  const given = intOf(node, 'axis', 0)
  const axis = given < 0 ? given + data.shape.length : given
  if (reduction === 'none')
    return [writer.node('ScatterElements', [data, indices, updates], { axis: int(axis) })]
  if (reduction !== 'add') throw new Error(`reduction is ${reduction}`)
  const depth = data.shape[axis]
  const fits = indices.shape.every((size, at) => at === axis || size === data.shape[at])
  if (depth === undefined || !fits || updates.shape.join() !== indices.shape.join())
    throw new Error(`indices [${indices.shape}] differ from [${data.shape}] beside the axis`)
  const values: HostTensor = { type: 'float32', shape: [2], values: Float32Array.of(0, 1) }
  const hot = writer.node('OneHot', [indices, writer.ints([depth]), values], { axis: int(axis) })
  const placed = [...indices.shape.slice(0, axis), 1, ...indices.shape.slice(axis)]
  const each = writer.node('Mul', [hot, writer.node('Reshape', [updates, writer.ints(placed)])])
  const summed = writer.node('ReduceSum', [each, writer.ints([axis + 1])], { keepdims: int(0) })
  return [writer.node('Add', [data, summed])]
}

/** The depth may be a scalar or a list of one. */
export const oneHot: Translation = (node) => {
  const [indices, depth, values] = node.inputs
  const [size, ...others] = knownValues(depth, 'the depth')
  if (size === undefined || others.length > 0) throw new Error('the depth is not one size')
  const { writer } = node
  const rows = asTensor(values)
  const chosen = rows.type === 'float32' ? rows : writer.node('Cast', [rows], { to: int(1) })
  const made = writer.node(
    'OneHot',
    [asTensor(indices), writer.ints([size]), chosen],
    writtenAttributes(node),
  )
  return [rows.type === 'int64' ? writer.node('Cast', [made], { to: int(7) }) : made]
}

/** Programs always have both outputs, a list of one count, and the values sorted, also where any order would do. */
export const topK: Translation = (node) => {
  const [count, ...others] = knownValues(node.inputs[1], 'how many values')
  if (count === undefined || others.length > 0) throw new Error('how many values is not one number')
  const inputs = [asTensor(node.inputs[0]), node.writer.ints([count])]
  return node.writer.nodes('TopK', inputs, 2, writtenAttributes(node, 'sorted'))
}
