import { asFloat } from './logic.ts'
import {
  type Attributes,
  constantInts,
  elements,
  type GraphWriter,
  int,
  intAttribute,
  ints,
  type Operator,
  onlyAttributes,
  require,
  reshape,
  resolveAxis,
  type Value,
} from './operator.ts'

/** Indices from here on are not told apart in float32. */
const maxDepth = 2 ** 24

/**
 * One-hot vectors along an axis in front of `axis`: the adjoints here are products with them, not scatters, which race on
 * parallel devices when they add. Comparing numbers is a third of what the operator OneHot costs.
 */
function oneHotOf(graph: GraphWriter, indices: Value, depth: number, axis = indices.shape.length): Value {
  require(depth <= maxDepth, `${depth} places; at most ${maxDepth} are supported`)
  const given = graph.node('Cast', [indices], { to: int(1) })
  const fromEnd = graph.node('Less', [given, graph.scalar(0)])
  const resolved = graph.node('Where', [fromEnd, graph.node('Add', [given, graph.scalar(depth)]), given])
  const apart = reshape(graph, resolved, [...indices.shape.slice(0, axis), 1, ...indices.shape.slice(axis)])
  const ones = graph.node('Expand', [graph.scalar(1), graph.ints([depth])])
  const places = graph.node('CumSum', [ones, graph.ints([0])], { exclusive: int(1) })
  const along = reshape(graph, places, [depth, ...indices.shape.slice(axis).map(() => 1)])
  return asFloat(graph, graph.node('Equal', [apart, along]))
}

const axisOf = (attributes: Attributes, x: Value): number =>
  resolveAxis(intAttribute(attributes, 'axis', 0), x.shape.length)

/** Puts one axis of a tensor first. */
const axisFirst = (rank: number, axis: number): readonly number[] => [
  axis,
  ...Array.from({ length: rank }, (_, index) => index).filter((index) => index !== axis),
]

/**
 * Slices of a table along one axis (rows, for an embedding). Its gradient is a product with the one-hot matrix and so
 * has the same bits each time.
 */
export const gather: Operator = {
  infer({ inputs, attributes }) {
    const [table, indices] = inputs
    require(table !== undefined &&
      indices?.type === 'int64' &&
      inputs.length === 2, 'int64 indices are needed')
    onlyAttributes(attributes, 'axis')
    const axis = axisOf(attributes, table)
    const shape = [...table.shape.slice(0, axis), ...indices.shape, ...table.shape.slice(axis + 1)]
    return [{ type: table.type, shape }]
  },
  gradient({ graph, node, inputs, gradients }) {
    const [table, indices] = [inputs[0]!, inputs[1]!]
    const axis = axisOf(node.attributes, table)
    const [rows, count] = [table.shape[axis]!, elements(indices.shape)]
    const oneHot = oneHotOf(graph, reshape(graph, indices, [count]), rows)
    const others = table.shape.filter((_, index) => index !== axis)
    const product = (gradient: Value) =>
      graph.node('Gemm', [oneHot, reshape(graph, gradient, [count, elements(others)])], { transA: int(1) })
    if (axis === 0) return [reshape(graph, product(gradients[0]!), table.shape), undefined]
    const outer = table.shape.slice(0, axis)
    const flat = reshape(graph, gradients[0]!, [...outer, count, ...table.shape.slice(axis + 1)])
    const order = axisFirst(table.shape.length, axis)
    const summed = reshape(graph, product(graph.node('Transpose', [flat], { perm: ints(order) })), [
      rows,
      ...others,
    ])
    const back = order.map((_, index) => order.indexOf(index))
    return [graph.node('Transpose', [summed], { perm: ints(back) }), undefined]
  },
}

/** Requires one index for each place that is taken, and the same other axes. */
function elementwiseAxis(attributes: Attributes, x: Value | undefined, indices: Value | undefined): number {
  require(x !== undefined && indices?.type === 'int64', 'int64 indices are needed')
  onlyAttributes(attributes, 'axis')
  const axis = axisOf(attributes, x)
  require(indices.shape.length === x.shape.length &&
    indices.shape.every(
      (size, at) => at === axis || size === x.shape[at],
    ), `indices [${indices.shape}] differ from [${x.shape}] beside the axis`)
  return axis
}

/** Elements along one axis, each place with indices of its own. */
export const gatherElements: Operator = {
  infer({ inputs, attributes }) {
    require(inputs.length === 2, 'two inputs are needed')
    elementwiseAxis(attributes, inputs[0], inputs[1])
    return [{ type: inputs[0]!.type, shape: inputs[1]!.shape }]
  },
  gradient({ graph, node, inputs, gradients }) {
    const [x, indices] = [inputs[0]!, inputs[1]!]
    const axis = axisOf(node.attributes, x)
    const [depth, last] = [x.shape[axis]!, x.shape.length - 1]
    const taken = indices.shape[axis]!
    if (axis === last && taken === 1) {
      const oneHot = oneHotOf(graph, reshape(graph, indices, x.shape.slice(0, -1)), depth)
      return [graph.node('Mul', [oneHot, gradients[0]!]), undefined]
    }
    if (taken === 1) {
      const others = x.shape.filter((_, at) => at !== axis)
      const oneHot = oneHotOf(graph, reshape(graph, indices, others), depth, axis)
      return [graph.node('Mul', [oneHot, gradients[0]!]), undefined]
    }
    const placed = [...indices.shape.slice(0, axis), 1, ...indices.shape.slice(axis)]
    const each = graph.node('Mul', [
      oneHotOf(graph, indices, depth, axis),
      reshape(graph, gradients[0]!, placed),
    ])
    return [graph.node('ReduceSum', [each, graph.ints([axis + 1])], { keepdims: int(0) }), undefined]
  },
}

/**
 * A copy of the data in which elements along one axis are replaced. Indices of one line must differ: which of two
 * updates of one place wins is left open by ONNX.
 */
export const scatterElements: Operator = {
  infer({ inputs, attributes }) {
    const [data, indices, updates] = inputs
    require(data && updates && inputs.length === 3, 'three inputs are needed')
    elementwiseAxis(attributes, data, indices)
    require(data.type === 'float32' && updates.type === 'float32', 'float32 data and updates are needed')
    require(updates.shape.join() === indices!.shape.join(), 'one update an index is needed')
    return [{ type: 'float32', shape: data.shape }]
  },
  gradient({ graph, node, inputs, gradients, wanted }) {
    const [data, indices] = [inputs[0]!, inputs[1]!]
    const axis = { axis: int(axisOf(node.attributes, data)) }
    const kept = () => {
      const zeros = graph.node('Expand', [graph.scalar(0), graph.ints(indices.shape)])
      return graph.node('ScatterElements', [gradients[0]!, indices, zeros], axis)
    }
    return [
      wanted[0] ? kept() : undefined,
      undefined,
      wanted[2] ? graph.node('GatherElements', [gradients[0]!, indices], axis) : undefined,
    ]
  },
}

export const oneHot: Operator = {
  infer({ inputs, attributes }) {
    const [indices, depth, values] = inputs
    require(indices?.type === 'int64' && inputs.length === 3, 'int64 indices are needed')
    onlyAttributes(attributes, 'axis')
    const axis = resolveAxis(intAttribute(attributes, 'axis', -1), indices.shape.length + 1)
    const [size] = constantInts(depth, 'the depth')
    require(size !== undefined &&
      size >= 1 &&
      depth!.shape.length === 1 &&
      depth!.shape[0] === 1, 'the depth is not one size')
    require(values?.type === 'float32' &&
      elements(values.shape) === 2 &&
      values.shape.length === 1, 'two float32 values are needed')
    return [{ type: 'float32', shape: [...indices.shape.slice(0, axis), size, ...indices.shape.slice(axis)] }]
  },
}
