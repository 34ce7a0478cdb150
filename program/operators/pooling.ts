import { asFloat } from './logic.ts'
import {
  type Attributes,
  elements,
  type GraphWriter,
  int,
  intAttribute,
  ints,
  intsAttribute,
  type Operator,
  onlyAttributes,
  require,
  reshape,
  type Value,
} from './operator.ts'
import { areTiles, planesOfTiles, tilesOfPlanes } from './tiles.ts'
import {
  adjointAttributes,
  extent,
  spatialOf,
  type Windows,
  windowAttributes,
  windowCounts,
  windowsOf,
} from './windows.ts'

/** Windows of more places are refused: their one-hot filters are a constant of its square. */
const maxPlaces = 121

/** As many planes are split apart and joined in one node: a graphics card binds eight buffers to it. */
const maxPlanes = 7

function poolingOf(attributes: Attributes, x: Value): Windows {
  const kernel = intsAttribute(attributes, 'kernel_shape')
  const spatial = spatialOf(x.shape)
  require(kernel?.length === spatial.length && kernel.every((size) => size >= 1), 'kernel_shape does not fit')
  const windows = windowsOf(attributes, kernel)
  const { before, after, strides } = windows
  spatial.forEach((size, axis) => {
    require(Math.max(before[axis]!, after[axis]!) < kernel[axis]!, 'the padding is not below the kernel')
    const left = (size + before[axis]! + after[axis]! - extent(windows, axis)) % strides[axis]!
    require(intAttribute(attributes, 'ceil_mode', 0) === 0 || left === 0, 'ceil_mode with partial windows')
  })
  return windows
}

function inferPooling(attributes: Attributes, inputs: readonly Value[]) {
  const [x] = inputs
  require(x?.type === 'float32' && inputs.length === 1, 'one float32 input is needed')
  const counts = windowCounts(poolingOf(attributes, x), spatialOf(x.shape))
  return [{ type: 'float32', shape: [x.shape[0]!, x.shape[1]!, ...counts] } as const]
}

/** [N, C, …] → [N·C, 1, …]: every channel an image of its own. */
const singleChannel = (shape: readonly number[]): readonly number[] => [
  shape[0]! * shape[1]!,
  1,
  ...shape.slice(2),
]

/**
 * The largest of each window. Its gradient goes to the first of the largest, as in PyTorch. One-hot filters lay the K
 * places of each window out as channels; those that equal the maximum get the ranks K, K − 1, … of their places, of
 * which the highest is the first; the adjoint of the filters brings the gradient back.
 */
export const maxPool: Operator = {
  infer({ inputs, attributes }) {
    onlyAttributes(attributes, 'ceil_mode', 'dilations', 'kernel_shape', 'pads', 'strides')
    return inferPooling(attributes, inputs)
  },
  gradient({ graph, node, inputs, outputs, gradients }) {
    const x = inputs[0]!
    const windows = poolingOf(node.attributes, x)
    const K = elements(windows.kernel)
    require(K <= maxPlaces, `windows of ${K} places; at most ${maxPlaces} are supported`)
    if (K <= maxPlanes && areTiles(windows, spatialOf(x.shape)))
      return [tiledMaxGradient(graph, x, outputs[0]!, gradients[0]!, windows.kernel)]
    const filters = graph.floats(identityMatrix(K), [K, 1, ...windows.kernel])
    const places = placesAsChannels(graph, x, windows, filters)
    const counts = places.shape.slice(2)
    const channels = places.shape[0]!
    const flat = (value: Value, rows: number) => reshape(graph, value, [channels, rows, elements(counts)])
    const equal = (a: Value, b: Value) => asFloat(graph, graph.node('Equal', [a, b]))
    const ranks = graph.floats(
      Float32Array.from({ length: K }, (_, place) => K - place),
      [K, 1],
    )
    const ranked = graph.node('Mul', [equal(flat(places, K), flat(outputs[0]!, 1)), ranks])
    const first = graph.node('ReduceMax', [ranked], { axes: ints([1]), keepdims: int(1) })
    const chosen = graph.node('Mul', [equal(ranked, first), flat(gradients[0]!, 1)])
    const spread = graph.node(
      'ConvTranspose',
      [reshape(graph, chosen, places.shape), filters],
      adjointAttributes(windows, spatialOf(x.shape)),
    )
    return [reshape(graph, spread, x.shape)]
  },
}

const identityMatrix = (size: number): Float32Array =>
  Float32Array.from({ length: size * size }, (_, at) => (at % (size + 1) === 0 ? 1 : 0))

/** The gradient where windows are tiles: truth values say of each plane whether it is the first that has the maximum. */
function tiledMaxGradient(
  graph: GraphWriter,
  x: Value,
  largest: Value,
  gradient: Value,
  kernel: readonly number[],
): Value {
  const planes_KP = planesOfTiles(graph, x, kernel)
  const [K, P] = planes_KP.shape as [number, number]
  const row = (value: Value) => reshape(graph, value, [1, P])
  const equal_KP = graph.node('Equal', [planes_KP, row(largest)])
  const ones = Array.from({ length: K }, () => 1)
  const equals = graph.nodes('Split', [equal_KP, graph.ints(ones)], K, { axis: int(0) })
  let taken = equals[0]!
  const first = [taken]
  for (const one of equals.slice(1)) {
    first.push(graph.node('And', [one, graph.node('Not', [taken])]))
    taken = graph.node('Or', [taken, one])
  }
  const chosen = asFloat(graph, graph.node('Concat', first, { axis: int(0) }))
  return tilesOfPlanes(graph, graph.node('Mul', [chosen, row(gradient)]), kernel, x.shape)
}

/** [N·C, K, …]: what the windows of each channel see at each of their K places. */
function placesAsChannels(graph: GraphWriter, x: Value, windows: Windows, filters: Value): Value {
  const { kernel, before, after } = windows
  const none = kernel.map(() => 0)
  const image = reshape(graph, x, singleChannel(x.shape))
  const padded = [...before, ...after].some((size) => size > 0)
    ? graph.node('Pad', [image, graph.ints([0, 0, ...before, 0, 0, ...after]), graph.scalar(lowest)])
    : image
  return graph.node('Conv', [padded, filters], windowAttributes({ ...windows, before: none, after: none }))
}

/** Padding never wins: it is the lowest finite number, as an infinite one times zero is not a number. */
const lowest = -3.4028234663852886e38

/** The mean of each window, of its places in the input only unless `count_include_pad`. */
export const averagePool: Operator = {
  infer({ inputs, attributes }) {
    onlyAttributes(attributes, 'ceil_mode', 'count_include_pad', 'kernel_shape', 'pads', 'strides')
    return inferPooling(attributes, inputs)
  },
  gradient({ graph, node, inputs, gradients }) {
    const x = inputs[0]!
    const windows = poolingOf(node.attributes, x)
    const spatial = spatialOf(x.shape)
    const includePad = intAttribute(node.attributes, 'count_include_pad', 0) === 1
    const shares = windowShares(windows, spatial, includePad)
    const counts = windowCounts(windows, spatial)
    const share = new Set(shares).size === 1 ? graph.scalar(shares[0]!) : graph.floats(shares, counts)
    const gradient = reshape(
      graph,
      graph.node('Mul', [gradients[0]!, share]),
      singleChannel(gradients[0]!.shape),
    )
    const ones = graph.floats(new Float32Array(elements(windows.kernel)).fill(1), [1, 1, ...windows.kernel])
    const spread = graph.node('ConvTranspose', [gradient, ones], adjointAttributes(windows, spatial))
    return [reshape(graph, spread, x.shape)]
  },
}

/** 1 / places of each window, row-major. */
function windowShares(windows: Windows, spatial: readonly number[], includePad: boolean): readonly number[] {
  const { kernel, strides, before } = windows
  const counts = windowCounts(windows, spatial)
  const placesAlong = (axis: number, at: number): number => {
    if (includePad) return kernel[axis]!
    const from = at * strides[axis]! - before[axis]!
    return Math.min(from + kernel[axis]!, spatial[axis]!) - Math.max(from, 0)
  }
  let places: readonly number[] = [1]
  counts.forEach((count, axis) => {
    const along = Array.from({ length: count }, (_, at) => placesAlong(axis, at))
    places = places.flatMap((outer) => along.map((inner) => outer * inner))
  })
  return places.map((count) => 1 / count)
}
