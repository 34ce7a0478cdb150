import type { Tensor, Tensor4D } from '@tensorflow/tfjs-core'
import { intsAttribute } from '../../../program/operators/operator.ts'
import { groupsOf, type Windows, windowsOf } from '../../../program/operators/windows.ts'
import type { Tf } from './backend.ts'
import { floatOf, intOf, intsOf, type Rule, type RuleInput } from './rule.ts'

/** A vector on the left is a row, on the right a column. */
const matMul: Rule = ({ tf, x }) => {
  const [a, b] = [x[0]!, x[1]!]
  const left = a.rank === 1 ? tf.reshape(a, [1, -1]) : a
  const right = b.rank === 1 ? tf.reshape(b, [-1, 1]) : b
  const made = tf.matMul(left, right)
  const rows = a.rank === 1 ? [] : [left.shape.at(-2)!]
  const columns = b.rank === 1 ? [] : [right.shape.at(-1)!]
  return tf.reshape(made, [...made.shape.slice(0, -2), ...rows, ...columns])
}

const gemm: Rule = (node) => {
  const { tf, x } = node
  const product = tf.matMul(x[0]!, x[1]!, intOf(node, 'transA', 0) !== 0, intOf(node, 'transB', 0) !== 0)
  const alpha = floatOf(node, 'alpha', 1)
  const scaled = alpha === 1 ? product : tf.mul(product, tf.scalar(alpha))
  if (x[2] === undefined) return scaled
  const beta = floatOf(node, 'beta', 1)
  return tf.add(scaled, beta === 1 ? x[2] : tf.mul(x[2], tf.scalar(beta)))
}

/** One and two spatial axes, as two: [N, C, L] becomes [N, C, 1, L]. */
function planar(tf: Tf, x: Tensor): Tensor4D {
  if (x.rank === 4) return x as Tensor4D
  if (x.rank === 3) return tf.expandDims(x, 2)
  throw new Error('tfjs has no windows over three axes here: use another engine')
}

const planarWindows = (windows: Windows): Windows => {
  if (windows.kernel.length === 2) return windows
  const led = (list: readonly number[], first: number) => [first, ...list]
  return {
    kernel: led(windows.kernel, 1),
    strides: led(windows.strides, 1),
    dilations: led(windows.dilations, 1),
    before: led(windows.before, 0),
    after: led(windows.after, 0),
  }
}

const pair = (list: readonly number[]): [number, number] => [list[0]!, list[1]!]
const channelsLast = (tf: Tf, x: Tensor4D): Tensor4D => tf.transpose(x, [0, 2, 3, 1])
const channelsFirst = (tf: Tf, x: Tensor4D): Tensor4D => tf.transpose(x, [0, 3, 1, 2])

/** Zeros between a filter's places [h, w, …]: tfjs has no dilation beside a stride, and none where it transposes. */
function dilated(tf: Tf, filter: Tensor4D, dilations: readonly number[]): Tensor4D {
  return dilations.reduce((sparse: Tensor4D, dilation, axis) => {
    if (dilation === 1) return sparse
    const { shape } = sparse
    const split = [...shape.slice(0, axis + 1), 1, ...shape.slice(axis + 1)]
    const padding = split.map((_, at) => [0, at === axis + 1 ? dilation - 1 : 0] as [number, number])
    const apart = tf.pad(tf.reshape(sparse, split), padding)
    const wide = shape.map((size, at) => (at === axis ? size * dilation : size))
    const kept = shape.map((size, at) => (at === axis ? (size - 1) * dilation + 1 : size))
    return tf.slice(tf.reshape(apart, wide), [0, 0, 0, 0], kept) as Tensor4D
  }, filter)
}

const around = ({ before, after }: Windows): [number, number][] => [
  [0, 0],
  ...before.map((size, axis) => [size, after[axis]!] as [number, number]),
  [0, 0],
]

/** Each group of channels by itself, side by side afterwards. */
function inGroups(
  { tf, x, attributes }: RuleInput,
  image: Tensor4D,
  filter: Tensor4D,
  compute: (image: Tensor4D, filter: Tensor4D) => Tensor4D,
): Tensor {
  const groups = groupsOf(attributes)
  const images: Tensor4D[] = tf.split(image, groups, 3)
  const filters: Tensor4D[] = tf.split(filter, groups, 0)
  const made = images.map((part, group) => compute(part, filters[group]!))
  const all = made.length === 1 ? made[0]! : tf.concat(made, 3)
  const first = channelsFirst(tf, (x[2] ? tf.add(all, x[2]) : all) as Tensor4D)
  return x[0]!.rank === 3 ? tf.squeeze(first, [2]) : first
}

const convolution: Rule = (node) => {
  const { tf, x, attributes } = node
  const windows = planarWindows(windowsOf(attributes, x[1]!.shape.slice(2)))
  const image = tf.pad(channelsLast(tf, planar(tf, x[0]!)), around(windows)) as Tensor4D
  return inGroups(node, image, planar(tf, x[1]!), (part, filter) => {
    const places = dilated(tf, tf.transpose(filter, [2, 3, 1, 0]), windows.dilations)
    return tf.conv2d(part, places, pair(windows.strides), 'valid')
  })
}

const transposedConvolution: Rule = (node) => {
  const { tf, x, attributes } = node
  const windows = planarWindows(windowsOf(attributes, x[1]!.shape.slice(2)))
  const given = intsOf(node, 'output_padding') ?? windows.kernel.map(() => 0)
  const more = given.length === 1 ? [0, ...given] : given
  return inGroups(node, channelsLast(tf, planar(tf, x[0]!)), planar(tf, x[1]!), (part, filter) => {
    const places = dilated(tf, tf.transpose(filter, [2, 3, 1, 0]), windows.dilations)
    const [batch, height, width] = part.shape
    const full = [height, width].map(
      (size, axis) => (size - 1) * windows.strides[axis]! + places.shape[axis]!,
    )
    const shape: [number, number, number, number] = [batch, full[0]!, full[1]!, places.shape[2]]
    const spread = tf.conv2dTranspose(part, places, shape, pair(windows.strides), 'valid')
    const { before, after } = windows
    const padded = tf.pad(spread, [
      [0, 0],
      [0, more[0]!],
      [0, more[1]!],
      [0, 0],
    ]) as Tensor4D
    const sizes = full.map((size, axis) => size + more[axis]! - before[axis]! - after[axis]!)
    return tf.slice(padded, [0, before[0]!, before[1]!, 0], [batch, sizes[0]!, sizes[1]!, places.shape[2]])
  })
}

/** The lowest finite number: padding that never is the largest. */
const lowest = -3.4028234663852886e38

function pooled(
  node: RuleInput,
  pool: (image: Tensor4D, windows: Windows, padding: (constant: number) => Tensor4D) => Tensor4D,
): Tensor {
  const { tf, x, attributes } = node
  const windows = planarWindows(windowsOf(attributes, intsAttribute(attributes, 'kernel_shape')!))
  if (windows.dilations.some((dilation) => dilation > 1)) throw new Error('tfjs has no dilated pooling here')
  const image = channelsLast(tf, planar(tf, x[0]!))
  const made = pool(image, windows, (constant) => tf.pad(image, around(windows), constant) as Tensor4D)
  const first = channelsFirst(tf, made)
  return x[0]!.rank === 3 ? tf.squeeze(first, [2]) : first
}

const maxPool: Rule = (node) =>
  pooled(node, (_, { kernel, strides }, padded) =>
    node.tf.maxPool(padded(lowest), pair(kernel), pair(strides), 'valid'),
  )

const averagePool: Rule = (node) => {
  const { tf } = node
  return pooled(node, (image, windows, padded) => {
    const mean = (of: Tensor4D) => tf.avgPool(of, pair(windows.kernel), pair(windows.strides), 'valid')
    const all = mean(padded(0))
    if (intOf(node, 'count_include_pad', 0) === 1) return all
    return tf.div(all, mean(tf.pad(tf.onesLike(image), around(windows)) as Tensor4D))
  })
}

export const productRules: readonly (readonly [string, Rule])[] = [
  ['AveragePool', averagePool],
  ['Conv', convolution],
  ['ConvTranspose', transposedConvolution],
  ['Gemm', gemm],
  ['MatMul', matMul],
  ['MaxPool', maxPool],
]
