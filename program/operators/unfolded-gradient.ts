import { elements, type GraphWriter, int, ints, reshape, type Value } from './operator.ts'
import type { Windows } from './windows.ts'

/** As many pieces are joined in one node: a graphics card binds eight buffers to it. */
const maxPieces = 7

/** Products of fewer columns cost as much as of these: rows of the kernel are then joined, too. */
const narrow = 16

/** Whether the kernel [k₁, …, k] is small enough to be laid out: rows of its last axis, and as many of them. */
export const canUnfold = ({ kernel }: Windows): boolean =>
  kernel.at(-1)! <= maxPieces && elements(kernel.slice(0, -1)) <= maxPieces

/** Every place of a grid, row-major. */
const placesOf = (sizes: readonly number[]): readonly (readonly number[])[] =>
  sizes.reduce<readonly (readonly number[])[]>(
    (places, size) => places.flatMap((place) => Array.from({ length: size }, (_, at) => [...place, at])),
    [[]],
  )

/**
 * ∂loss/∂w of an ungrouped convolution by matrix products, about twice as fast as the convolution that it also is. What
 * each place of the kernel reads is a slice of the padded input; a row of places side by side, times what was written, is
 * that row's gradient (Chellapilla et al., "High performance convolutional neural networks", 2006, §3).
 * N images, C channels in, M out, P places.
 * @param read [C, N, …]
 * @param written [M, N, …]
 * @returns [M, C, kernel]
 */
export function unfoldedWeightGradient(
  graph: GraphWriter,
  read: Value,
  written: Value,
  { kernel, strides, dilations, before, after }: Windows,
): Value {
  const [C, N, M] = [read.shape[0]!, read.shape[1]!, written.shape[0]!]
  const counts = written.shape.slice(2)
  const P = N * elements(counts)
  const gradient_MP = reshape(graph, written, [M, P])
  const padded = [...before, ...after].some((size) => size > 0)
    ? graph.node('Pad', [read, graph.ints([0, 0, ...before, 0, 0, ...after])])
    : read
  const axes = graph.ints(kernel.map((_, axis) => axis + 2))
  const seenAt_CP = (place: readonly number[]): Value => {
    const starts = place.map((at, axis) => at * dilations[axis]!)
    const ends = starts.map((start, axis) => start + (counts[axis]! - 1) * strides[axis]! + 1)
    const slice = [graph.ints(starts), graph.ints(ends), axes, graph.ints(strides)]
    return reshape(graph, graph.node('Slice', [padded, ...slice]), [C, P])
  }
  const width = kernel.at(-1)!
  const join = (values: readonly Value[], axis: number) =>
    values.length === 1 ? values[0]! : graph.node('Concat', values, { axis: int(axis) })
  const seen = placesOf(kernel.slice(0, -1)).map((row) =>
    join(
      Array.from({ length: width }, (_, at) => seenAt_CP([...row, at])),
      0,
    ),
  )
  const product = (together: Value) => {
    const made = graph.node('Gemm', [gradient_MP, together], { transB: int(1) })
    return reshape(graph, made, [M, together.shape[0]! / (width * C), width, C])
  }
  const all = C * width < narrow ? product(join(seen, 0)) : join(seen.map(product), 1)
  const turned = graph.node('Transpose', [all], { perm: ints([0, 3, 1, 2]) })
  return reshape(graph, turned, [M, C, ...kernel])
}
