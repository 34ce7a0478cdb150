import { int } from '../operators/operator.ts'
import { trilu as foldTrilu } from './fold-layout.ts'
import { valuesFor } from './host-tensor.ts'
import { asTensor, isConstant, knownValues, type Sequence, type Tensor } from './operand.ts'
import { intOf, type Translating, type Translation, tensorsOf, writtenAttributes } from './translate.ts'

/** The sizes of a tensor, or those from `start` to `end`: always known, as programs have static shapes. */
export const shape: Translation = (node) => {
  const { shape } = asTensor(node.inputs[0])
  const [start, end] = [intOf(node, 'start', 0), intOf(node, 'end', shape.length)]
  return [node.writer.ints(shape.slice(start, end))]
}

export const size: Translation = ({ writer, inputs }) => {
  const count = asTensor(inputs[0]).shape.reduce((product, length) => product * length, 1)
  return [{ ...writer.ints([count]), shape: [] }]
}

/** One place of an axis is a Slice, whose gradient is padding; the general one is a product with one-hot rows. */
export const gather: Translation = (node) => {
  const { writer } = node
  const [x, indices] = tensorsOf(node)
  if (x === undefined || indices === undefined) throw new Error('two inputs are needed')
  const axis = intOf(node, 'axis', 0) < 0 ? intOf(node, 'axis', 0) + x.shape.length : intOf(node, 'axis', 0)
  if (isConstant(x) || !isConstant(indices) || indices.values.length !== 1)
    return [writer.node('Gather', [x, indices], writtenAttributes(node))]
  const given = indices.values[0]!
  const place = given < 0 ? given + (x.shape[axis] ?? 0) : given
  if (!(axis in x.shape) || !(place >= 0 && place < x.shape[axis]!))
    throw new Error(`index ${given} is outside`)
  const bounds = [[place], [place + 1], [axis]].map((list) => writer.ints(list))
  const taken = writer.node('Slice', [x, ...bounds])
  const left = [...x.shape.slice(0, axis), ...indices.shape, ...x.shape.slice(axis + 1)]
  if (left.length === 0) return [writer.node('Squeeze', [taken, writer.ints(x.shape.map((_, at) => at))])]
  return [writer.node('Reshape', [taken, writer.ints(left)])]
}

/** With `num_outputs` (opset 18), the last part may be smaller. */
export const split: Translation = (node) => {
  const { writer, outputCount } = node
  const [x, sizes] = tensorsOf(node)
  if (x === undefined) throw new Error('an input is needed')
  const given = intOf(node, 'axis', 0)
  const axis = given < 0 ? given + x.shape.length : given
  const parts = intOf(node, 'num_outputs', outputCount)
  if (parts !== outputCount) throw new Error(`it has ${outputCount} outputs of ${parts}`)
  const each = Math.ceil(x.shape[axis]! / outputCount)
  const even = Array.from({ length: outputCount }, (_, part) => Math.min(each, x.shape[axis]! - part * each))
  return writer.nodes('Split', [x, sizes ?? writer.ints(even)], outputCount, { axis: int(axis) })
}

/** A list of parts, each of which SequenceAt takes: a Split. One size means parts of this size, the last may be smaller. */
export const splitToSequence: Translation = (node) => {
  const { writer, inputs } = node
  const x = asTensor(inputs[0])
  const given = intOf(node, 'axis', 0)
  const axis = given < 0 ? given + x.shape.length : given
  const length = x.shape[axis]
  if (length === undefined || intOf(node, 'keepdims', 1) !== 1)
    throw new Error('only plain splits are supported')
  const sizes = partSizes(
    inputs[1] === undefined ? [1] : knownValues(inputs[1], 'the size of its parts'),
    length,
  )
  const items = writer.nodes('Split', [x, writer.ints(sizes)], sizes.length, { axis: int(axis) })
  return [{ items }]
}

function partSizes(given: readonly number[], length: number): readonly number[] {
  if (given.length > 1) return given
  const [size] = given
  if (size === undefined || !(size >= 1)) throw new Error(`parts of ${size}`)
  const count = Math.ceil(length / size)
  if (count > 4096) throw new Error(`${count} parts`)
  return Array.from({ length: count }, (_, part) => Math.min(size, length - part * size))
}

function itemsOf({ inputs }: Translating): Sequence['items'] {
  const [sequence] = inputs
  if (sequence === undefined || !('items' in sequence)) throw new Error('a sequence is needed')
  return sequence.items
}

export const sequenceAt: Translation = (node) => {
  const [place] = knownValues(node.inputs[1], 'the place in the sequence')
  const items = itemsOf(node)
  const item = items.at(place ?? items.length)
  if (item === undefined) throw new Error(`place ${place} of ${items.length}`)
  return [item]
}

export const concatFromSequence: Translation = (node) => {
  const { writer } = node
  const axis = intOf(node, 'axis', 0)
  const stacked = intOf(node, 'new_axis', 0) === 1
  const parts = itemsOf(node).map((item) =>
    stacked ? writer.node('Unsqueeze', [item, writer.ints([axis])]) : item,
  )
  return [writer.node('Concat', parts, { axis: int(axis) })]
}

/** Of something computed: a choice between it and zero by a constant triangle. */
export const trilu: Translation = (node) => {
  const { writer } = node
  const [x, diagonal] = tensorsOf(node)
  if (x === undefined) throw new Error('an input is needed')
  if (isConstant(x)) return [writer.node('Trilu', tensorsOf(node), writtenAttributes(node))]
  const square = x.shape.slice(-2)
  const ones = { type: 'bool', shape: square, values: valuesFor('bool', square).fill(1) } as const
  const mask = foldTrilu({
    inputs: [ones, ...(diagonal && isConstant(diagonal) ? [diagonal] : [])],
    attributes: new Map([['upper', int(intOf(node, 'upper', 1))]]),
    outputCount: 1,
  })[0]!
  return [writer.node('Where', [mask, x, writer.scalar(0)])]
}

/** An element of this kind everywhere; `value` holds it, a float32 zero if left out. */
export const constantOfShape: Translation = ({ inputs, attributes }) => {
  const sizes = knownValues(inputs[0], 'the shape')
  const attribute = attributes.get('value')
  const filling = attribute?.kind === 'tensor' ? attribute.value.read() : undefined
  const type = filling?.type ?? 'float32'
  const values = valuesFor(type, sizes)
  values.fill(filling?.values[0] ?? 0)
  return [{ type, shape: sizes, values }]
}

/** ONNX allows a constant to be written in six ways. */
export const constant: Translation = ({ attributes, writer }) => {
  const [[name, attribute] = []] = attributes
  if (attributes.size !== 1 || attribute === undefined) throw new Error('it has not exactly one value')
  switch (attribute.kind) {
    case 'tensor':
      return [attribute.value.read()]
    case 'float':
      return [writer.scalar(attribute.value)]
    case 'int':
      return [{ ...writer.ints([attribute.value]), shape: [] }]
    case 'ints':
      return [writer.ints(attribute.values)]
    case 'floats':
      return [
        { type: 'float32', shape: [attribute.values.length], values: Float32Array.from(attribute.values) },
      ]
    default:
      throw new Error(`its value ${name} is not supported`)
  }
}

export const identity: Translation = ({ inputs: [x] }) => {
  if (x === undefined) throw new Error('an input is needed')
  return [x]
}

/** Zeros in the shape keep a size unless `allowzero` says that they are meant, which no program can hold. */
export const reshape: Translation = (node) => {
  const [x, sizes] = tensorsOf(node)
  if (x === undefined || sizes === undefined) throw new Error('two inputs are needed')
  const wanted = knownValues(sizes, 'the shape')
  if (intOf(node, 'allowzero', 0) === 1 && wanted.includes(0)) throw new Error('nothing would be left')
  if (wanted.length > 0 || isConstant(x)) return [node.writer.node('Reshape', [x, sizes as Tensor])]
  return [node.writer.node('Squeeze', [x, node.writer.ints(x.shape.map((_, axis) => axis))])]
}
