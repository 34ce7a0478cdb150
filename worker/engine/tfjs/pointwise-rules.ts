import type { Tensor } from '@tensorflow/tfjs-core'
import type { Tf } from './backend.ts'
import { floatOf, intOf, type Rule } from './rule.ts'

const unary =
  (compute: (tf: Tf, x: Tensor) => Tensor): Rule =>
  ({ tf, x }) =>
    compute(tf, x[0]!)

const binary =
  (compute: (tf: Tf, a: Tensor, b: Tensor) => Tensor): Rule =>
  ({ tf, x }) =>
    compute(tf, x[0]!, x[1]!)

/** Codes of ONNX's TensorProto.DataType. */
const castTargets = { 1: 'float32', 7: 'int32', 9: 'bool' } as const

const cast: Rule = (node) => {
  const { tf, x } = node
  const target = castTargets[intOf(node, 'to', 1) as keyof typeof castTargets]
  return target === 'bool' ? tf.notEqual(x[0]!, tf.zerosLike(x[0]!)) : tf.cast(x[0]!, target)
}

const clip: Rule = ({ tf, x }) => {
  const [value, low, high] = [x[0]!, x[1], x[2]]
  const raised = low ? tf.maximum(value, low) : value
  return high ? tf.minimum(raised, high) : raised
}

export const pointwiseRules: readonly (readonly [string, Rule])[] = [
  ['Abs', unary((tf, x) => tf.abs(x))],
  ['Add', binary((tf, a, b) => tf.add(a, b))],
  ['And', binary((tf, a, b) => tf.logicalAnd(a, b))],
  ['Cast', cast],
  ['Ceil', unary((tf, x) => tf.ceil(x))],
  ['Clip', clip],
  ['Cos', unary((tf, x) => tf.cos(x))],
  ['Div', binary((tf, a, b) => tf.div(a, b))],
  ['Equal', binary((tf, a, b) => tf.equal(a, b))],
  ['Erf', unary((tf, x) => tf.erf(x))],
  ['Exp', unary((tf, x) => tf.exp(x))],
  ['Floor', unary((tf, x) => tf.floor(x))],
  ['Greater', binary((tf, a, b) => tf.greater(a, b))],
  ['GreaterOrEqual', binary((tf, a, b) => tf.greaterEqual(a, b))],
  ['Identity', unary((tf, x) => tf.clone(x))],
  ['LeakyRelu', (node) => node.tf.leakyRelu(node.x[0]!, floatOf(node, 'alpha', 0.01))],
  ['Less', binary((tf, a, b) => tf.less(a, b))],
  ['LessOrEqual', binary((tf, a, b) => tf.lessEqual(a, b))],
  ['Log', unary((tf, x) => tf.log(x))],
  ['Max', ({ tf, x }) => x.reduce((a, b) => tf.maximum(a, b))],
  ['Min', ({ tf, x }) => x.reduce((a, b) => tf.minimum(a, b))],
  ['Mul', binary((tf, a, b) => tf.mul(a, b))],
  ['Neg', unary((tf, x) => tf.neg(x))],
  ['Not', unary((tf, x) => tf.logicalNot(x))],
  ['Or', binary((tf, a, b) => tf.logicalOr(a, b))],
  ['Pow', binary((tf, a, b) => tf.pow(a, b))],
  ['Reciprocal', unary((tf, x) => tf.reciprocal(x))],
  ['Relu', unary((tf, x) => tf.relu(x))],
  ['Round', unary((tf, x) => tf.round(x))],
  ['Sigmoid', unary((tf, x) => tf.sigmoid(x))],
  ['Sign', unary((tf, x) => tf.sign(x))],
  ['Sin', unary((tf, x) => tf.sin(x))],
  ['Softplus', unary((tf, x) => tf.softplus(x))],
  ['Sqrt', unary((tf, x) => tf.sqrt(x))],
  ['Sub', binary((tf, a, b) => tf.sub(a, b))],
  ['Tanh', unary((tf, x) => tf.tanh(x))],
  ['Where', ({ tf, x }) => tf.where(x[0]!, x[1]!, x[2]!)],
  ['Xor', binary((tf, a, b) => tf.logicalXor(a, b))],
]
