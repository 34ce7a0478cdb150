import {
  type Attributes,
  type Differentiation,
  elements,
  floatAttribute,
  type GraphWriter,
  int,
  intAttribute,
  ints,
  type Operator,
  onlyAttributes,
  require,
  reshape,
  resolveAxis,
  sameShape,
  unbroadcast,
  type Value,
} from './operator.ts'

/** The axis from which on a row is normalized: the last one, or more. */
const firstAxis = (attributes: Attributes, x: Value): number =>
  resolveAxis(intAttribute(attributes, 'axis', -1), x.shape.length)

/**
 * LayerNormalization (Ba et al., arXiv 1607.06450). Its second and third outputs, mean μ and inverse standard deviation r
 * of each row, are what the gradient needs (where they are left out, it computes them again).
 */
export const layerNormalization: Operator = {
  infer({ inputs, attributes, outputCount }) {
    const [x, scale, bias] = inputs
    require(x?.type === 'float32' &&
      scale?.type === 'float32' &&
      inputs.length <= 3, 'float32 inputs are needed')
    onlyAttributes(attributes, 'axis', 'epsilon')
    floatAttribute(attributes, 'epsilon', 1e-5)
    const axis = firstAxis(attributes, x)
    const row = x.shape.slice(axis)
    require(sameShape(scale.shape, row), 'the scale does not fit')
    require(bias === undefined ||
      (bias.type === 'float32' && sameShape(bias.shape, row)), 'the bias does not fit')
    const moment = { type: 'float32', shape: x.shape.map((size, at) => (at < axis ? size : 1)) } as const
    return [{ type: 'float32' as const, shape: x.shape }, moment, moment].slice(0, outputCount)
  },
  gradient(node) {
    const { graph, inputs, gradients, wanted } = node
    const [x, scale, bias] = [inputs[0]!, inputs[1]!, inputs[2]]
    const gradient = gradients[0]
    require(gradient && !gradients[1] && !gradients[2], 'only its first output may be used')
    const rows = wanted[0] || wanted[1] ? rowsOf(node, gradient) : undefined
    return [
      wanted[0] && rows ? reshape(graph, inputGradient(graph, rows, scale), x.shape) : undefined,
      wanted[1] && rows ? reshape(graph, scaleGradient(graph, rows), scale.shape) : undefined,
      wanted[2] && bias ? unbroadcast(graph, gradient, bias.shape) : undefined,
    ]
  },
}

/** Of R rows of C values: `x`, `g` = ∂loss/∂y and `products` g ⊙ x [R, C]; `mean` μ and `inverse` r [R, 1]. */
interface Rows {
  readonly x: Value
  readonly g: Value
  readonly products: Value
  readonly mean: Value
  readonly inverse: Value
}

function rowsOf(node: Differentiation, gradient: Value): Rows {
  const { graph } = node
  const x = node.inputs[0]!
  const C = elements(x.shape.slice(firstAxis(node.node.attributes, x)))
  const rows = (value: Value, columns: number) =>
    reshape(graph, value, [elements(value.shape) / columns, columns])
  const { mean, inverse } = moments(node)
  const [x_RC, g_RC] = [rows(x, C), rows(gradient, C)]
  const products = graph.node('Mul', [g_RC, x_RC])
  return { x: x_RC, g: g_RC, products, mean: rows(mean, 1), inverse: rows(inverse, 1) }
}

/**
 * With ĝ = g ⊙ scale and x̂ = (x − μ) r, ∂x = r (ĝ − mean(ĝ) − x̂ ⊙ mean(ĝ ⊙ x̂)). As in PyTorch, x̂ is not written down:
 * a row's x̂ ⊙ mean(ĝ ⊙ x̂) + mean(ĝ) is a x + b, of two numbers, and means are products with scale / C.
 */
function inputGradient(graph: GraphWriter, { x, g, products, mean, inverse }: Rows, scale: Value): Value {
  const { multiply, subtract } = arithmetic(graph)
  const C = x.shape[1]!
  const share = multiply(reshape(graph, scale, [C, 1]), graph.scalar(1 / C))
  const [meanG, meanGX] = [g, products].map((of) => graph.node('MatMul', [of, share])) as [Value, Value]
  const projection = multiply(subtract(meanGX, multiply(mean, meanG)), inverse)
  const a = multiply(projection, inverse)
  const b = subtract(meanG, multiply(mean, a))
  const scaled = multiply(g, reshape(graph, scale, [C]))
  const centered = subtract(subtract(scaled, multiply(x, a)), b)
  return multiply(centered, inverse)
}

/** Σ g ⊙ x̂ over the rows: Σ r g ⊙ x − Σ μ r g. */
function scaleGradient(graph: GraphWriter, { g, products, mean, inverse }: Rows): Value {
  const { multiply, subtract } = arithmetic(graph)
  const total = (weights: Value, of: Value) =>
    graph.node('MatMul', [reshape(graph, weights, [1, weights.shape[0]!]), of])
  return subtract(total(inverse, products), total(multiply(mean, inverse), g))
}

const arithmetic = (graph: GraphWriter) => ({
  multiply: (a: Value, b: Value) => graph.node('Mul', [a, b]),
  subtract: (a: Value, b: Value) => graph.node('Sub', [a, b]),
})

function moments({ graph, node, inputs, outputs }: Differentiation) {
  const [, mean, inverse] = outputs
  if (mean && inverse) return { mean, inverse }
  const x = inputs[0]!
  const first = firstAxis(node.attributes, x)
  const axes = ints(x.shape.flatMap((_, axis) => (axis < first ? [] : [axis])))
  const rowMean = (a: Value) => graph.node('ReduceMean', [a], { axes, keepdims: int(1) })
  const center = rowMean(x)
  const offset = graph.node('Sub', [x, center])
  const epsilon = graph.scalar(floatAttribute(node.attributes, 'epsilon', 1e-5))
  const variance = graph.node('Add', [rowMean(graph.node('Mul', [offset, offset])), epsilon])
  return { mean: center, inverse: graph.node('Reciprocal', [graph.node('Sqrt', [variance])]) }
}
