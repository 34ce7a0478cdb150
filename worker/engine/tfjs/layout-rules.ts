import type { Tensor } from '@tensorflow/tfjs-core'
import { broadcast } from '../../../program/operators/operator.ts'
import type { Tf } from './backend.ts'
import { count, intOf, intsOf, type Rule, type RuleInput, resolve } from './rule.ts'

/** 0 copies a size, tfjs infers a −1. */
const reshape: Rule = ({ tf, x, ints }) =>
  tf.reshape(
    x[0]!,
    ints(1)!.map((size, axis) => (size === 0 ? x[0]!.shape[axis]! : size)),
  )

const squeeze: Rule = ({ tf, x, ints }) => {
  const { shape, rank } = x[0]!
  const axes = ints(1)?.map((axis) => resolve(axis, rank))
  return tf.reshape(
    x[0]!,
    shape.filter((size, axis) => (axes ? !axes.includes(axis) : size !== 1)),
  )
}

const unsqueeze: Rule = ({ tf, x, ints }) => {
  const rank = x[0]!.rank + ints(1)!.length
  const axes = ints(1)!.map((axis) => resolve(axis, rank))
  const left = [...x[0]!.shape]
  return tf.reshape(
    x[0]!,
    Array.from({ length: rank }, (_, axis) => (axes.includes(axis) ? 1 : left.shift()!)),
  )
}

const flatten: Rule = (node) => {
  const { shape, rank } = node.x[0]!
  const axis = resolve(intOf(node, 'axis', 1), rank)
  return node.tf.reshape(node.x[0]!, [count(shape.slice(0, axis)), count(shape.slice(axis))])
}

const transpose: Rule = (node) => {
  const order = intsOf(node, 'perm')
  return node.tf.transpose(node.x[0]!, order && [...order])
}

const expand: Rule = ({ tf, x, ints }) => tf.broadcastTo(x[0]!, [...broadcast(x[0]!.shape, ints(1)!)])

const axisOf = (node: RuleInput): number => resolve(intOf(node, 'axis', 0), node.x[0]!.rank)

const concat: Rule = (node) => node.tf.concat([...node.x], axisOf(node))

const split: Rule = (node) => {
  const sizes = node.ints(1)
  return node.tf.split(node.x[0]!, sizes ? [...sizes] : node.outputCount, axisOf(node))
}

/** Every `step`-th element of one axis. */
function taken(tf: Tf, x: Tensor, axis: number, from: number, to: number, step: number): Tensor {
  const size = x.shape[axis]!
  const [lowest, highest] = step > 0 ? [0, size] : [-1, size - 1]
  const within = (bound: number) => Math.min(Math.max(bound < 0 ? bound + size : bound, lowest), highest)
  const [start, end] = [within(from), within(to)]
  const length = Math.ceil((end - start) / step)
  if (step !== 1) {
    const indices = Int32Array.from({ length }, (_, index) => start + index * step)
    return tf.gather(x, tf.tensor1d(indices, 'int32'), axis)
  }
  const begin = x.shape.map((_, index) => (index === axis ? start : 0))
  return tf.slice(
    x,
    begin,
    x.shape.map((full, index) => (index === axis ? length : full)),
  )
}

const slice: Rule = ({ tf, x, ints }) => {
  const [starts, ends] = [ints(1)!, ints(2)!]
  const axes = ints(3) ?? starts.map((_, index) => index)
  return axes.reduce(
    (value, axis, index) =>
      taken(tf, value, resolve(axis, value.rank), starts[index]!, ends[index]!, ints(4)?.[index] ?? 1),
    x[0]!,
  )
}

/** Negative sizes cut. */
const pad: Rule = ({ tf, x, ints }) => {
  const { rank, shape } = x[0]!
  const sizes = ints(1)!
  const [before, after] = [sizes.slice(0, rank), sizes.slice(rank)]
  const cut = tf.slice(
    x[0]!,
    before.map((size) => Math.max(-size, 0)),
    shape.map((size, axis) => size + Math.min(before[axis]!, 0) + Math.min(after[axis]!, 0)),
  )
  const added = shape.map((_, axis) => [Math.max(before[axis]!, 0), Math.max(after[axis]!, 0)] as const)
  return tf.pad(
    cut,
    added.map(([first, last]) => [first, last]),
    x[2] ? x[2].dataSync()[0]! : 0,
  )
}

export const layoutRules: readonly (readonly [string, Rule])[] = [
  ['Concat', concat],
  ['Expand', expand],
  ['Flatten', flatten],
  ['Pad', pad],
  ['Reshape', reshape],
  ['Slice', slice],
  ['Split', split],
  ['Squeeze', squeeze],
  ['Tile', ({ tf, x, ints }) => tf.tile(x[0]!, [...ints(1)!])],
  ['Transpose', transpose],
  ['Unsqueeze', unsqueeze],
]
