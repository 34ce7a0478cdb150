import type { Tensor, Tensor1D } from '@tensorflow/tfjs-core'
import type { Tf } from './backend.ts'
import { intOf, type Rule, type RuleInput, resolve } from './rule.ts'

/** Counted from the end where negative. */
const fromStart = (tf: Tf, indices: Tensor, size: number): Tensor =>
  tf.where(tf.less(indices, tf.scalar(0, 'int32')), tf.add(indices, tf.scalar(size, 'int32')), indices)

const axisOf = (node: RuleInput): number => resolve(intOf(node, 'axis', 0), node.x[0]!.rank)

const gather: Rule = (node) => {
  const { tf, x } = node
  const axis = axisOf(node)
  return tf.gather(x[0]!, fromStart(tf, x[1]!, x[0]!.shape[axis]!), axis)
}

/** Where the indices along one axis point to in the flat tensor whose axis was put last. */
function places(node: RuleInput) {
  const { tf, x } = node
  const [table, indices] = [x[0]!, x[1]!]
  const [axis, last] = [axisOf(node), table.rank - 1]
  const order = table.shape.map((_, at) => (at === axis ? last : at === last ? axis : at))
  const turn = (value: Tensor) => (axis === last ? value : tf.transpose(value, order))
  const turned = turn(fromStart(tf, indices, table.shape[axis]!))
  const [size, taken] = [table.shape[axis]!, turned.shape[last]!]
  const starts = Int32Array.from({ length: turned.size / taken }, (_, row) => row * size)
  const flat = tf.add(tf.reshape(turned, [-1, taken]), tf.tensor2d(starts, [starts.length, 1], 'int32'))
  return { turn, flat: tf.reshape(flat, [-1]) as Tensor1D, shape: turned.shape }
}

const gatherElements: Rule = (node) => {
  const { tf, x } = node
  const { turn, flat, shape } = places(node)
  return turn(tf.reshape(tf.gather(tf.reshape(turn(x[0]!), [-1]), flat), shape))
}

const scatterElements: Rule = (node) => {
  const { tf, x } = node
  const { turn, flat } = places(node)
  const data = turn(x[0]!)
  const updates = tf.reshape(turn(x[2]!), [-1])
  const made = tf.tensorScatterUpdate(tf.reshape(data, [-1]), tf.reshape(flat, [-1, 1]), updates)
  return turn(tf.reshape(made, data.shape))
}

const oneHot: Rule = (node) => {
  const { tf, x, ints } = node
  const [indices, depth] = [x[0]!, ints(1)![0]!]
  const [off, on] = x[2]!.dataSync()
  // Not tf.oneHot: it wants a depth above 1, and with floats its WebAssembly kernel writes the bits of whole numbers.
  const places = tf.range(0, depth, 1, 'int32')
  const ones = tf.equal(tf.expandDims(fromStart(tf, indices, depth), indices.rank), places)
  const hot = tf.add(tf.mul(tf.cast(ones, 'float32'), tf.scalar(on! - off!)), tf.scalar(off!))
  const axis = resolve(intOf(node, 'axis', -1), hot.rank)
  if (axis === hot.rank - 1) return hot
  const order = hot.shape.map((_, at) => (at < axis ? at : at === axis ? hot.rank - 1 : at - 1))
  return tf.transpose(hot, order)
}

export const indexingRules: readonly (readonly [string, Rule])[] = [
  ['Gather', gather],
  ['GatherElements', gatherElements],
  ['OneHot', oneHot],
  ['ScatterElements', scatterElements],
]
