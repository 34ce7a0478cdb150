import {
  type Differentiation,
  elements,
  type GraphWriter,
  type Inference,
  int,
  ints,
  intsAttribute,
  isReal,
  type Operator,
  onlyAttributes,
  require,
  reshape,
  sameShape,
  unbroadcast,
  type Value,
} from './operator.ts'
import { canUnfold, unfoldedWeightGradient } from './unfolded-gradient.ts'
import {
  adjointAttributes,
  extent,
  groupsOf,
  spatialOf,
  unfoldedBytes,
  type Windows,
  windowAttributes,
  windowCounts,
  windowsOf,
} from './windows.ts'

// Shapes: N images, C channels in, M channels out, G groups, then one to three spatial axes.

const names = ['dilations', 'group', 'kernel_shape', 'pads', 'strides'] as const

function checkInputs({ inputs }: Pick<Inference, 'inputs'>): readonly [Value, Value] {
  const [x, w, bias] = inputs
  require(x !== undefined && w !== undefined && inputs.length <= 3, 'input, weight and bias are needed')
  require(isReal(x.type) && w.type === x.type, 'inputs must be float32, or all float16')
  require(bias === undefined || bias.type === x.type, `a bias is not of ${x.type}`)
  require(x.shape.length === w.shape.length, `weight [${w.shape}] does not fit [${x.shape}]`)
  return [x, w]
}

function checkBias(bias: Value | undefined, channels: number): void {
  require(bias === undefined || sameShape(bias.shape, [channels]), `the bias is not [${channels}]`)
}

/** [N, G·C, …] → [C, G·N, …]: images take the channels' place, group by group. */
function imagesAsChannels(graph: GraphWriter, x: Value, groups: number): Value {
  const [N, channels, ...spatial] = [x.shape[0]!, x.shape[1]!, ...x.shape.slice(2)]
  const grouped = reshape(graph, x, [N, groups, channels / groups, ...spatial])
  const order = [2, 1, 0, ...spatial.map((_, axis) => axis + 3)]
  const swapped = graph.node('Transpose', [grouped], { perm: ints(order) })
  return reshape(graph, swapped, [channels / groups, groups * N, ...spatial])
}

/** [A, B, …] → [B, A, …]. */
const swapFirstTwo = (graph: GraphWriter, x: Value): Value =>
  graph.node('Transpose', [x], { perm: ints([1, 0, ...x.shape.slice(2).map((_, axis) => axis + 2)]) })

/**
 * ∂loss/∂w of a convolution that reads `read` [N, G·C, …] in windows and writes `written` [N, M, …], of shape
 * [M, C, kernel]: itself a convolution, of the images as channels, in which stride and dilation change places; where the
 * kernel is small, products instead.
 */
function weightGradient(
  graph: GraphWriter,
  read: Value,
  written: Value,
  windows: Windows,
  groups: number,
): Value {
  const { kernel, strides, dilations, before, after } = windows
  if (groups === 1 && isPointwise(windows)) return pointwiseWeightGradient(graph, read, written)
  if (groups === 1 && canUnfold(windows)) {
    const [images, gradient] = [swapFirstTwo(graph, read), swapFirstTwo(graph, written)]
    return unfoldedWeightGradient(graph, images, gradient, windows)
  }
  const roles = {
    kernel: written.shape.slice(2),
    strides: dilations,
    dilations: strides,
    before,
    after,
  }
  const [images, weights] = [imagesAsChannels(graph, read, groups), swapFirstTwo(graph, written)]
  const made = graph.node('Conv', [images, weights], { ...windowAttributes(roles), group: int(groups) })
  // Where the windows leave input unread at the end, more places than the kernel has come out.
  const sizes = made.shape.slice(2)
  const cut = sameShape(sizes, kernel)
    ? made
    : graph.node('Slice', [
        made,
        graph.ints(kernel.map(() => 0)),
        graph.ints(kernel),
        graph.ints(kernel.map((_, axis) => axis + 2)),
      ])
  return swapFirstTwo(graph, cut)
}

const isPointwise = ({ kernel, strides, before, after }: Windows): boolean =>
  [...kernel, ...strides].every((size) => size === 1) && [...before, ...after].every((size) => size === 0)

/** A kernel of one place sees a matrix of places by channels: a product an image is ten times faster. */
function pointwiseWeightGradient(graph: GraphWriter, read: Value, written: Value): Value {
  const matrix = (x: Value) => reshape(graph, x, [x.shape[0]!, x.shape[1]!, elements(x.shape.slice(2))])
  const transposed = graph.node('Transpose', [matrix(read)], { perm: ints([0, 2, 1]) })
  const images = graph.node('MatMul', [matrix(written), transposed])
  const total = graph.node('ReduceSum', [images, graph.ints([0])], { keepdims: int(0) })
  return reshape(graph, total, [...total.shape, ...read.shape.slice(2).map(() => 1)])
}

function biasGradient(graph: GraphWriter, gradient: Value, bias: Value): Value {
  const perChannel = [bias.shape[0]!, ...gradient.shape.slice(2).map(() => 1)]
  return reshape(graph, unbroadcast(graph, gradient, perChannel), bias.shape)
}

function convolutionOf(node: Pick<Differentiation, 'inputs'> & Pick<Inference, 'attributes'>) {
  const [x, w] = checkInputs(node)
  return { x, w, groups: groupsOf(node.attributes), windows: windowsOf(node.attributes, spatialOf(w.shape)) }
}

/** Cross-correlation of x [N, C, …] with w [M, C/G, kernel]. */
export const convolution: Operator = {
  takesHalf: true,
  infer({ inputs, attributes }) {
    onlyAttributes(attributes, ...names)
    const { x, w, groups, windows } = convolutionOf({ inputs, attributes })
    const [M, channels] = [w.shape[0]!, w.shape[1]!]
    require(channels * groups === x.shape[1] &&
      M % groups === 0, `weight [${w.shape}] does not fit [${x.shape}]`)
    checkBias(inputs[2], M)
    return [{ type: x.type, shape: [x.shape[0]!, M, ...windowCounts(windows, spatialOf(x.shape))] }]
  },
  gradient({ graph, node, inputs, gradients, wanted }) {
    const { x, w, groups, windows } = convolutionOf({ inputs, attributes: node.attributes })
    const gradient = gradients[0]!
    const adjoint = () =>
      graph.node('ConvTranspose', [gradient, w], {
        ...adjointAttributes(windows, spatialOf(x.shape)),
        group: int(groups),
      })
    return [
      wanted[0] ? adjoint() : undefined,
      wanted[1] ? weightGradient(graph, x, gradient, windows, groups) : undefined,
      wanted[2] ? biasGradient(graph, gradient, inputs[2]!) : undefined,
    ]
  },
  workspaceBytes({ inputs, attributes }) {
    const { x, w, groups, windows } = convolutionOf({ inputs, attributes })
    return unfoldedBytes(w.shape[1]! * groups, windows, windowCounts(windows, spatialOf(x.shape)))
  },
}

/** The adjoint of a convolution from M to C channels: x [N, C, …], w [C, M/G, kernel]. */
export const transposedConvolution: Operator = {
  takesHalf: true,
  infer({ inputs, attributes }) {
    onlyAttributes(attributes, ...names, 'output_padding')
    const { x, w, groups, windows } = convolutionOf({ inputs, attributes })
    const [C, channels] = [w.shape[0]!, w.shape[1]!]
    require(C === x.shape[1] && C % groups === 0, `weight [${w.shape}] does not fit [${x.shape}]`)
    checkBias(inputs[2], channels * groups)
    const spatial = spatialOf(x.shape)
    const more = intsAttribute(attributes, 'output_padding') ?? spatial.map(() => 0)
    require(more.length === spatial.length, 'output_padding does not fit')
    const sizes = spatial.map((size, axis) => {
      const { strides, before, after } = windows
      require(more[axis]! >= 0 && more[axis]! < strides[axis]!, 'output_padding is not below the stride')
      return (size - 1) * strides[axis]! + more[axis]! + extent(windows, axis) - before[axis]! - after[axis]!
    })
    require(sizes.every((size) => size >= 1), `nothing is left of [${x.shape}]`)
    return [{ type: x.type, shape: [x.shape[0]!, channels * groups, ...sizes] }]
  },
  gradient({ graph, node, inputs, gradients, wanted }) {
    const { w, groups, windows } = convolutionOf({ inputs, attributes: node.attributes })
    const gradient = gradients[0]!
    const adjoint = () =>
      graph.node('Conv', [gradient, w], { ...windowAttributes(windows), group: int(groups) })
    return [
      wanted[0] ? adjoint() : undefined,
      wanted[1] ? weightGradient(graph, gradient, inputs[0]!, windows, groups) : undefined,
      wanted[2] ? biasGradient(graph, gradient, inputs[2]!) : undefined,
    ]
  },
  workspaceBytes({ inputs, attributes }) {
    const { x, w, groups, windows } = convolutionOf({ inputs, attributes })
    return unfoldedBytes(w.shape[1]! * groups, windows, spatialOf(x.shape))
  },
}
