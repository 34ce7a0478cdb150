import { invariant } from '../../protocol/errors.ts'
import { int, ints, type ValueType } from '../operators/operator.ts'
import { alongAxis } from './along-axis.ts'
import { castTensor } from './fold-elementwise.ts'
import { asTensor, isConstant, knownValues, type Tensor } from './operand.ts'
import { storedTypes } from './tensor-data.ts'
import {
  intOf,
  intsOf,
  type Translating,
  type Translation,
  tensorsOf,
  textOf,
  writtenAttributes,
} from './translate.ts'
import { paddedTaps } from './translate-resize.ts'

const castCodes: Readonly<Record<ValueType, number>> = { float32: 1, int64: 7, bool: 9 }

/** All floats are float32 here, all integers int64: a cast between those does nothing. */
function castTo({ writer }: Translating, x: Tensor, type: Tensor['type']): Tensor {
  if (x.type === type) return x
  invariant(type !== 'float16', 'a graph that is built holds no float16')
  return isConstant(x) ? castTensor(x, type) : writer.node('Cast', [x], { to: int(castCodes[type]) })
}

export const cast: Translation = (node) => {
  const code = intOf(node, 'to', 0)
  const stored = storedTypes.get(code)
  if (stored === undefined) throw new Error(`a cast to the element type ${code}`)
  return [castTo(node, asTensor(node.inputs[0]), stored.becomes)]
}

export const castLike: Translation = (node) => [
  castTo(node, asTensor(node.inputs[0]), asTensor(node.inputs[1]).type),
]

/** Squares, the most frequent powers, are products: their gradient needs no logarithm and no other power. */
export const power: Translation = (node) => {
  const [base, given] = tensorsOf(node)
  if (base === undefined || given === undefined) throw new Error('two inputs are needed')
  const exponent = isConstant(given) ? castTo(node, given, base.type) : given
  const plain = isConstant(exponent) && exponent.values.length === 1 ? exponent.values[0] : undefined
  const keepsShape = exponent.shape.length <= base.shape.length
  if (!isConstant(base) && keepsShape && plain === 1) return [base]
  if (!isConstant(base) && keepsShape && plain === 2) return [node.writer.node('Mul', [base, base])]
  return [node.writer.node('Pow', [base, exponent])]
}

/** Bounds that are left out, or not scalars, are a Max and a Min. */
export const clip: Translation = ({ writer, inputs }) => {
  const x = asTensor(inputs[0])
  const [lower, upper] = [inputs[1], inputs[2]].map((bound) =>
    bound === undefined ? undefined : asTensor(bound),
  )
  if (!isConstant(x) && lower?.shape.length === 0 && (upper === undefined || upper.shape.length === 0))
    return [writer.node('Clip', upper === undefined ? [x, lower] : [x, lower, upper])]
  const raised = lower === undefined ? x : writer.node('Max', [x, lower])
  return [upper === undefined ? raised : writer.node('Min', [raised, upper])]
}

/** Axes are an attribute up to opset 17 and an input from 18 on; ReduceSum has had them as an input since 13. */
function reducedAxes(node: Translating): readonly number[] | undefined {
  const given = node.inputs[1] === undefined ? intsOf(node, 'axes') : knownValues(node.inputs[1], 'the axes')
  if (given?.length !== 0) return given
  if (intOf(node, 'noop_with_empty_axes', 0) === 1) throw new Error('it reduces nothing')
  return undefined
}

function reduce(
  { writer }: Translating,
  opType: string,
  x: Tensor,
  axes: readonly number[] | undefined,
  keep: number,
) {
  const keepdims = int(keep)
  if (x.shape.length === 0) return x
  if (opType === 'ReduceSum')
    return writer.node(opType, axes === undefined ? [x] : [x, writer.ints(axes)], { keepdims })
  return writer.node(opType, [x], axes === undefined ? { keepdims } : { axes: ints(axes), keepdims })
}

export const reduction: Translation = (node) => {
  writtenAttributes(node, 'axes', 'keepdims')
  return [reduce(node, node.opType, asTensor(node.inputs[0]), reducedAxes(node), intOf(node, 'keepdims', 1))]
}

/** Exporters write its axis as a scalar, programs have a list of one. */
export const cumulativeSum: Translation = (node) => {
  const [axis, ...others] = knownValues(node.inputs[1], 'the axis')
  if (axis === undefined || others.length > 0) throw new Error('one axis is needed')
  return [
    node.writer.node('CumSum', [asTensor(node.inputs[0]), node.writer.ints([axis])], writtenAttributes(node)),
  ]
}

/** A ReduceSum of `before` of each element, then `after`. */
export const reductionOf =
  (
    before: (node: Translating, x: Tensor) => Tensor,
    after: (node: Translating, sum: Tensor) => Tensor,
  ): Translation =>
  (node) => {
    const x = before(node, asTensor(node.inputs[0]))
    return [after(node, reduce(node, 'ReduceSum', x, reducedAxes(node), intOf(node, 'keepdims', 1)))]
  }

/** From opset 18 on, an input says which axes the sizes are of. Other padding than by a constant is a product along each axis. */
export const pad: Translation = (node) => {
  const { writer } = node
  const mode = textOf(node, 'mode', 'constant')
  if (!['constant', 'reflect', 'edge', 'wrap'].includes(mode)) throw new Error(`padding by ${mode}`)
  const x = asTensor(node.inputs[0])
  const rank = x.shape.length
  const given = knownValues(node.inputs[1], 'the padding')
  const axes =
    node.inputs[3] === undefined ? x.shape.map((_, axis) => axis) : knownValues(node.inputs[3], 'the axes')
  if (given.length !== axes.length * 2) throw new Error('the padding does not fit')
  const sizes = new Array<number>(rank * 2).fill(0)
  axes.forEach((axis, index) => {
    const at = axis < 0 ? axis + rank : axis
    sizes[at] = given[index]!
    sizes[at + rank] = given[index + axes.length]!
  })
  if (sizes.every((count) => count === 0)) return [x]
  if (mode !== 'constant') {
    const padded = x.shape.reduce((made, size, axis) => {
      const [before, after] = [sizes[axis]!, sizes[axis + rank]!]
      if (before === 0 && after === 0) return made
      return alongAxis(writer, made, axis, paddedTaps(mode, size, before, after))
    }, x)
    return [padded]
  }
  const filling = node.inputs[2] === undefined ? [] : [asTensor(node.inputs[2])]
  return [writer.node('Pad', [x, writer.ints(sizes), ...filling])]
}
