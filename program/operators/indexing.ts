import {
  constantInts,
  elements,
  int,
  intAttribute,
  type Operator,
  require,
  reshape,
  resolveAxis,
} from './operator.ts'

/**
 * Rows of a table. Its gradient is a product with the one-hot matrix, not a scatter: adding rows by index is a race
 * on parallel devices, and a product has the same bits each time.
 */
export const gather: Operator = {
  infer({ inputs, attributes }) {
    const [table, indices] = inputs
    require(table !== undefined &&
      indices?.type === 'int64' &&
      inputs.length === 2, 'int64 indices are needed')
    require(table.shape.length === 2 && intAttribute(attributes, 'axis', 0) === 0, 'only rows of a matrix')
    return [{ type: table.type, shape: [...indices.shape, table.shape[1]!] }]
  },
  gradient({ graph, inputs, gradients }) {
    const [table, indices] = [inputs[0]!, inputs[1]!]
    const [rows, width] = [table.shape[0]!, table.shape[1]!]
    const count = elements(indices.shape)
    const oneHot = graph.node('OneHot', [
      reshape(graph, indices, [count]),
      graph.ints([rows]),
      graph.floats([0, 1], [2]),
    ])
    return [
      graph.node('Gemm', [oneHot, reshape(graph, gradients[0]!, [count, width])], { transA: int(1) }),
      undefined,
    ]
  },
}

/** One value of each row. */
export const gatherElements: Operator = {
  infer({ inputs, attributes }) {
    const [x, indices] = inputs
    require(x !== undefined && indices?.type === 'int64' && inputs.length === 2, 'int64 indices are needed')
    const rank = x.shape.length
    require(resolveAxis(intAttribute(attributes, 'axis', 0), rank) ===
      rank - 1, 'only the last axis is supported')
    require(indices.shape.length === rank &&
      indices.shape.every(
        (size, axis) => size === (axis === rank - 1 ? 1 : x.shape[axis]),
      ), 'one index a row is needed')
    return [{ type: x.type, shape: indices.shape }]
  },
  gradient({ graph, inputs, gradients }) {
    const [x, indices] = [inputs[0]!, inputs[1]!]
    const oneHot = graph.node('OneHot', [
      reshape(graph, indices, x.shape.slice(0, -1)),
      graph.ints([x.shape.at(-1)!]),
      graph.floats([0, 1], [2]),
    ])
    return [graph.node('Mul', [oneHot, gradients[0]!]), undefined]
  },
}

export const oneHot: Operator = {
  infer({ inputs, attributes }) {
    const [indices, depth, values] = inputs
    require(indices?.type === 'int64' && inputs.length === 3, 'int64 indices are needed')
    require(intAttribute(attributes, 'axis', -1) === -1, 'only the last axis is supported')
    const [size] = constantInts(depth, 'the depth')
    require(size !== undefined &&
      size >= 1 &&
      depth!.shape.length === 1 &&
      depth!.shape[0] === 1, 'the depth is not one size')
    require(values?.type === 'float32' &&
      elements(values.shape) === 2 &&
      values.shape.length === 1, 'two float32 values are needed')
    return [{ type: 'float32', shape: [...indices.shape, size] }]
  },
}
