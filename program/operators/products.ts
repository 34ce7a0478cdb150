import {
  broadcast,
  type Differentiation,
  elements,
  type GraphWriter,
  int,
  intAttribute,
  ints,
  type Operator,
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
  infer({ inputs }) {
    const [a, b] = inputs
    require(a?.type === 'float32' &&
      b?.type === 'float32' &&
      inputs.length === 2, 'two float32 inputs are needed')
    require(a.shape.length >= 2 && b.shape.length >= 2, 'inputs must be at least matrices')
    require(a.shape.at(-1) === b.shape.at(-2), `inner sizes differ: [${a.shape}] · [${b.shape}]`)
    const outer = broadcast(a.shape.slice(0, -2), b.shape.slice(0, -2))
    return [{ type: 'float32', shape: [...outer, a.shape.at(-2)!, b.shape.at(-1)!] }]
  },
  gradient({ graph, inputs, gradients, wanted }) {
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
  },
}

const flags = (transA: boolean, transB: boolean) => ({
  ...(transA ? { transA: int(1) } : {}),
  ...(transB ? { transB: int(1) } : {}),
})

/** A′B′ + C with A′ = A or Aᵀ; the scale factors are always 1. */
export const gemm: Operator = {
  infer({ inputs, attributes }) {
    const [a, b, c] = inputs
    require(a?.type === 'float32' && b?.type === 'float32' && inputs.length <= 3, 'float32 inputs are needed')
    require(a.shape.length === 2 && b.shape.length === 2, 'inputs must be matrices')
    for (const name of ['alpha', 'beta']) {
      const scale = attributes.get(name)
      require(scale === undefined || (scale.kind === 'float' && scale.value === 1), `${name} is not 1`)
    }
    const transA = intAttribute(attributes, 'transA', 0) !== 0
    const transB = intAttribute(attributes, 'transB', 0) !== 0
    const [rows, innerA] = transA ? [a.shape[1]!, a.shape[0]!] : [a.shape[0]!, a.shape[1]!]
    const [innerB, columns] = transB ? [b.shape[1]!, b.shape[0]!] : [b.shape[0]!, b.shape[1]!]
    require(innerA === innerB, `inner sizes differ: ${innerA} and ${innerB}`)
    const shape = [rows, columns]
    require(c === undefined ||
      (c.type === 'float32' && sameShape(broadcast(c.shape, shape), shape)), 'C does not fit')
    return [{ type: 'float32', shape }]
  },
  gradient({ graph, node, inputs, gradients, wanted }: Differentiation) {
    const [a, b, c] = [inputs[0]!, inputs[1]!, inputs[2]]
    const gradient = gradients[0]!
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
      wanted[2] && c ? unbroadcast(graph, gradient, c.shape) : undefined,
    ]
  },
}
