import type { Tensor } from '@tensorflow/tfjs-core'
import type { Tf } from './backend.ts'
import { alongLast, floatOf, intOf, intsOf, type Rule, type RuleInput, resolve } from './rule.ts'

type Reduce = (tf: Tf, x: Tensor, axes: number[] | undefined, keep: boolean) => Tensor

/** Axes are an attribute, of ReduceSum an input. */
const reduction =
  (compute: Reduce): Rule =>
  (node) => {
    const axes = intsOf(node, 'axes') ?? node.ints(1)
    return compute(node.tf, node.x[0]!, axes && [...axes], intOf(node, 'keepdims', 1) === 1)
  }

const axisOf = (node: RuleInput, fallback: number): number =>
  resolve(intOf(node, 'axis', fallback), node.x[0]!.rank)

const argMax: Rule = (node) => {
  const [axis, x] = [axisOf(node, 0), node.x[0]!]
  const found = node.tf.argMax(x, axis)
  if (intOf(node, 'keepdims', 1) === 0) return found
  return node.tf.reshape(
    found,
    x.shape.map((size, at) => (at === axis ? 1 : size)),
  )
}

const topK: Rule = (node) => {
  const { tf, x } = node
  const [axis, k] = [axisOf(node, -1), node.ints(1)![0]!]
  const largest = intOf(node, 'largest', 1) === 1
  const last = x[0]!.rank - 1
  const order = x[0]!.shape.map((_, at) => (at === axis ? last : at === last ? axis : at))
  const turn = (value: Tensor) => (axis === last ? value : tf.transpose(value, order))
  const { values, indices } = tf.topk(largest ? turn(x[0]!) : tf.neg(turn(x[0]!)), k)
  return [turn(largest ? values : tf.neg(values)), turn(indices)]
}

const cumulativeSum: Rule = (node) => {
  const axis = resolve(node.ints(1)![0]!, node.x[0]!.rank)
  return node.tf.cumsum(node.x[0]!, axis, intOf(node, 'exclusive', 0) === 1, intOf(node, 'reverse', 0) === 1)
}

const alongAxis =
  (compute: (tf: Tf, x: Tensor) => Tensor): Rule =>
  (node) =>
    alongLast(node.tf, node.x[0]!, axisOf(node, -1), (turned) => compute(node.tf, turned))

const layerNormalization: Rule = (node) => {
  const { tf, x, outputCount } = node
  const first = axisOf(node, -1)
  const axes = x[0]!.shape.flatMap((_, axis) => (axis < first ? [] : [axis]))
  const mean = tf.mean(x[0]!, axes, true)
  const centered = tf.sub(x[0]!, mean)
  const variance = tf.mean(tf.mul(centered, centered), axes, true)
  const inverse = tf.reciprocal(tf.sqrt(tf.add(variance, tf.scalar(floatOf(node, 'epsilon', 1e-5)))))
  const scaled = tf.mul(tf.mul(centered, inverse), x[1]!)
  return [x[2] ? tf.add(scaled, x[2]) : scaled, mean, inverse].slice(0, outputCount)
}

export const reductionRules: readonly (readonly [string, Rule])[] = [
  ['ArgMax', argMax],
  ['CumSum', cumulativeSum],
  ['LayerNormalization', layerNormalization],
  ['LogSoftmax', alongAxis((tf, x) => tf.logSoftmax(x))],
  ['ReduceLogSumExp', reduction((tf, x, axes, keep) => tf.logSumExp(x, axes, keep))],
  ['ReduceMax', reduction((tf, x, axes, keep) => tf.max(x, axes, keep))],
  ['ReduceMean', reduction((tf, x, axes, keep) => tf.mean(x, axes, keep))],
  ['ReduceMin', reduction((tf, x, axes, keep) => tf.min(x, axes, keep))],
  ['ReduceSum', reduction((tf, x, axes, keep) => tf.sum(x, axes, keep))],
  ['Softmax', alongAxis((tf, x) => tf.softmax(x))],
  ['TopK', topK],
]
