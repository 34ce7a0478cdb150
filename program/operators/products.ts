import {
  broadcast,
  type Differentiation,
  elements,
  floatAttribute,
  type GraphWriter,
  int,
  intAttribute,
  ints,
  isReal,
  type Operator,
  onlyAttributes,
  require,
  reshape,
  sameShape,
  unbroadcast,
  type Value,
} from './operator.ts'

function swapLastTwo(graph: GraphWriter, value: Value): Value {
  const rank = value.shape.length
  const order = value.shape.map((_, axis) => axis)
  order[rank - 2] = rank - 1
  order[rank - 1] = rank - 2
  return graph.node('Transpose', [value], { perm: ints(order) })
}

/** Batched product over the last two axes. The transposes of its gradient are fused into the product by the engine. */
export const matMul: Operator = {
  takesHalf: true,
  infer({ inputs }) {
    const [a, b] = inputs
    require(a !== undefined && b !== undefined && inputs.length === 2, 'two inputs are needed')
    require(isReal(a.type) && b.type === a.type, 'inputs must be float32, or both float16')
    require(a.shape.length >= 1 && b.shape.length >= 1, 'inputs must be at least vectors')
    const [left, right] = [asRow(a.shape), asColumn(b.shape)]
    require(left.at(-1) === right.at(-2), `inner sizes differ: [${a.shape}] · [${b.shape}]`)
    const outer = broadcast(left.slice(0, -2), right.slice(0, -2))
    const rows = a.shape.length > 1 ? [left.at(-2)!] : []
    const columns = b.shape.length > 1 ? [right.at(-1)!] : []
    return [{ type: a.type, shape: [...outer, ...rows, ...columns] }]
  },
  gradient(node) {
    const [left, right] = [node.inputs[0]!.shape, node.inputs[1]!.shape]
    if (left.length > 1 && right.length > 1) return matrixGradients(node)
    const { graph, inputs } = node
    const a = reshape(graph, inputs[0]!, asRow(left))
    const b = reshape(graph, inputs[1]!, asColumn(right))
    const outer = broadcast(a.shape.slice(0, -2), b.shape.slice(0, -2))
    const gradient = reshape(graph, node.gradients[0]!, [...outer, a.shape.at(-2)!, b.shape.at(-1)!])
    return matrixGradients({ ...node, inputs: [a, b], gradients: [gradient] }).map(
      (made, index) => made && reshape(graph, made, inputs[index]!.shape),
    )
  },
}

/** A vector on the left of a product is a row, on the right a column. */
const asRow = (shape: readonly number[]): readonly number[] => (shape.length === 1 ? [1, ...shape] : shape)
const asColumn = (shape: readonly number[]): readonly number[] => (shape.length === 1 ? [...shape, 1] : shape)

function matrixGradients({
  graph,
  inputs,
  gradients,
  wanted,
}: Differentiation): readonly (Value | undefined)[] {
  const [a, b] = [inputs[0]!, inputs[1]!]
  const gradient = gradients[0]!
  const left = () => unbroadcast(graph, graph.node('MatMul', [gradient, swapLastTwo(graph, b)]), a.shape)
  const right = () => {
    if (b.shape.length > 2)
      return unbroadcast(graph, graph.node('MatMul', [swapLastTwo(graph, a), gradient]), b.shape)
    // A shared matrix sees all rows of the batch: one product over all of them instead of a sum of products.
    const rows = (value: Value) =>
      reshape(graph, value, [elements(value.shape.slice(0, -1)), value.shape.at(-1)!])
    return graph.node('Gemm', [rows(a), rows(gradient)], { transA: int(1) })
  }
  return [wanted[0] ? left() : undefined, wanted[1] ? right() : undefined]
}

const flags = (transA: boolean, transB: boolean) => ({
  ...(transA ? { transA: int(1) } : {}),
  ...(transB ? { transB: int(1) } : {}),
})

/** α·A′B′ + β·C with A′ = A or Aᵀ. */
export const gemm: Operator = {
  takesHalf: true,
  infer({ inputs, attributes }) {
    const [a, b, c] = inputs
    require(a !== undefined && b !== undefined && inputs.length <= 3, 'two or three inputs are needed')
    require(isReal(a.type) && b.type === a.type, 'inputs must be float32, or all float16')
    require(a.shape.length === 2 && b.shape.length === 2, 'inputs must be matrices')
    onlyAttributes(attributes, 'alpha', 'beta', 'transA', 'transB')
    for (const name of ['alpha', 'beta']) floatAttribute(attributes, name, 1)
    const transA = intAttribute(attributes, 'transA', 0) !== 0
    const transB = intAttribute(attributes, 'transB', 0) !== 0
    const [rows, innerA] = transA ? [a.shape[1]!, a.shape[0]!] : [a.shape[0]!, a.shape[1]!]
    const [innerB, columns] = transB ? [b.shape[1]!, b.shape[0]!] : [b.shape[0]!, b.shape[1]!]
    require(innerA === innerB, `inner sizes differ: ${innerA} and ${innerB}`)
    const shape = [rows, columns]
    require(c === undefined ||
      (c.type === a.type && sameShape(broadcast(c.shape, shape), shape)), 'C does not fit')
    return [{ type: a.type, shape }]
  },
  gradient({ graph, node, inputs, gradients, wanted }: Differentiation) {
    const [a, b, c] = [inputs[0]!, inputs[1]!, inputs[2]]
    const scaled = (by: 'alpha' | 'beta') => {
      const factor = floatAttribute(node.attributes, by, 1)
      return factor === 1 ? gradients[0]! : graph.node('Mul', [gradients[0]!, graph.scalar(factor)])
    }
    const gradient = wanted[0] || wanted[1] ? scaled('alpha') : gradients[0]!
    const transA = intAttribute(node.attributes, 'transA', 0) !== 0
    const transB = intAttribute(node.attributes, 'transB', 0) !== 0
    const left = () =>
      transA
        ? graph.node('Gemm', [b, gradient], flags(transB, true))
        : graph.node('Gemm', [gradient, b], flags(false, !transB))
    const right = () =>
      transB
        ? graph.node('Gemm', [gradient, a], flags(true, transA))
        : graph.node('Gemm', [a, gradient], flags(!transA, false))
    return [
      wanted[0] ? left() : undefined,
      wanted[1] ? right() : undefined,
      wanted[2] && c ? unbroadcast(graph, scaled('beta'), c.shape) : undefined,
    ]
  },
}
