import { elements, type GraphWriter, ints, reshape, type Value } from './operator.ts'
import type { Windows } from './windows.ts'

/** Windows that cover the input without gap, overlap or padding, as those of most pools. */
export const areTiles = (
  { kernel, strides, dilations, before, after }: Windows,
  spatial: readonly number[],
): boolean =>
  kernel.every(
    (size, axis) =>
      strides[axis] === size &&
      (dilations[axis] === 1 || size === 1) &&
      before[axis] === 0 &&
      after[axis] === 0 &&
      spatial[axis]! % size === 0,
  )

/**
 * What each of the K places of the windows sees, one plane behind the other: an axis after the other is cut into windows,
 * and the place in them is put in front. Two transposes of whole rows, instead of a convolution with one-hot filters.
 * @param x [N, C, …]
 * @returns [K, N·C·windows]
 */
export function planesOfTiles(graph: GraphWriter, x: Value, kernel: readonly number[]): Value {
  let planes = x
  for (const { places, outer, count, size, inner } of cuts(x.shape, kernel)) {
    const cut = reshape(graph, planes, [places, outer, count, size, inner])
    planes = graph.node('Transpose', [cut], { perm: ints([0, 3, 1, 2, 4]) })
  }
  const K = elements(kernel)
  return reshape(graph, planes, [K, elements(x.shape) / K])
}

/** The inverse of planesOfTiles: a tensor of the given shape. */
export function tilesOfPlanes(
  graph: GraphWriter,
  planes: Value,
  kernel: readonly number[],
  shape: readonly number[],
): Value {
  let x = planes
  for (const { places, outer, count, size, inner } of [...cuts(shape, kernel)].reverse()) {
    const cut = reshape(graph, x, [places, size, outer, count, inner])
    x = graph.node('Transpose', [cut], { perm: ints([0, 2, 3, 1, 4]) })
  }
  return reshape(graph, x, shape)
}

/** Around each spatial axis that is cut: places of the axes before it, what lies outside of it, its windows, and what lies inside. */
function cuts(shape: readonly number[], kernel: readonly number[]) {
  const windows = shape.map((size, axis) => size / (kernel[axis - 2] ?? 1))
  return kernel.map((size, at) => ({
    places: elements(kernel.slice(0, at)),
    outer: elements(windows.slice(0, at + 2)),
    count: windows[at + 2]!,
    size,
    inner: elements(shape.slice(at + 3)),
  }))
}
