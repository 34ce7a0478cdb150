import { float, onlyAttributes, require } from '../operator.ts'
import { arithmeticOf, type Composition, numberOf, oneInput, textOf } from './composition.ts'

/** x Φ(x) (Hendrycks & Gimpel, arXiv 1606.08415), by the error function or its published approximation by tanh. */
export const gelu: Composition = (node) => {
  onlyAttributes(node.attributes, 'approximate')
  const x = oneInput(node)
  const { add, multiply, erf, tanh } = arithmeticOf(node.graph)
  const approximate = textOf(node, 'approximate', 'none')
  require(['none', 'tanh'].includes(approximate), `approximate is ${approximate}`)
  const half = multiply(x, 0.5)
  if (approximate === 'none') return [multiply(half, add(erf(multiply(x, Math.SQRT1_2)), 1))]
  const inner = add(x, multiply(multiply(x, multiply(x, x)), 0.044715))
  return [multiply(half, add(tanh(multiply(inner, Math.sqrt(2 / Math.PI))), 1))]
}

/** x σ(αx), SiLU for α = 1. */
export const swish: Composition = (node) => {
  onlyAttributes(node.attributes, 'alpha')
  const x = oneInput(node)
  const { multiply, sigmoid } = arithmeticOf(node.graph)
  const alpha = numberOf(node, 'alpha', 1)
  return [multiply(x, sigmoid(alpha === 1 ? x : multiply(x, alpha)))]
}

/** x tanh(ln(1 + eˣ)) (Misra, arXiv 1908.08681). */
export const mish: Composition = (node) => {
  onlyAttributes(node.attributes)
  const x = oneInput(node)
  const { multiply, tanh, softplus } = arithmeticOf(node.graph)
  return [multiply(x, tanh(softplus(x)))]
}

/** x where positive, otherwise α(eˣ − 1). The exponent is cut at 0, so that the side not chosen stays finite. */
export const elu: Composition = (node) => {
  onlyAttributes(node.attributes, 'alpha')
  const x = oneInput(node)
  const { subtract, multiply, exp, greater, where } = arithmeticOf(node.graph)
  const positive = greater(x, 0)
  const negative = multiply(subtract(exp(where(positive, 0, x)), 1), numberOf(node, 'alpha', 1))
  return [where(positive, x, negative)]
}

/** γx where positive, otherwise γα(eˣ − 1) (Klambauer et al., arXiv 1706.02515). */
export const selu: Composition = (node) => {
  onlyAttributes(node.attributes, 'alpha', 'gamma')
  const alpha = numberOf(node, 'alpha', Math.fround(1.6732632423543772))
  const gamma = numberOf(node, 'gamma', Math.fround(1.0507009873554805))
  const inner = elu({ ...node, attributes: new Map([['alpha', float(alpha)]]) })[0]!
  return [arithmeticOf(node.graph).multiply(inner, gamma)]
}

/** x where positive, otherwise α(e^(x/α) − 1) (Barron, arXiv 1704.07483). */
export const celu: Composition = (node) => {
  onlyAttributes(node.attributes, 'alpha')
  const x = oneInput(node)
  const { subtract, multiply, divide, exp, greater, where } = arithmeticOf(node.graph)
  const alpha = numberOf(node, 'alpha', 1)
  const positive = greater(x, 0)
  const negative = multiply(subtract(exp(divide(where(positive, 0, x), alpha)), 1), alpha)
  return [where(positive, x, negative)]
}

/** x / (1 + |x|). */
export const softsign: Composition = (node) => {
  onlyAttributes(node.attributes)
  const x = oneInput(node)
  const { add, divide } = arithmeticOf(node.graph)
  return [divide(x, add(node.graph.node('Abs', [x]), 1))]
}

/** x above α, 0 elsewhere. */
export const thresholdedRelu: Composition = (node) => {
  onlyAttributes(node.attributes, 'alpha')
  const x = oneInput(node)
  const { greater, where } = arithmeticOf(node.graph)
  return [where(greater(x, numberOf(node, 'alpha', 1)), x, 0)]
}

/** 0 within ±λ; x brought nearer to 0 by the bias elsewhere. */
export const shrink: Composition = (node) => {
  onlyAttributes(node.attributes, 'bias', 'lambd')
  const x = oneInput(node)
  const { subtract, add, greater, where } = arithmeticOf(node.graph)
  const [bias, lambda] = [numberOf(node, 'bias', 0), numberOf(node, 'lambd', 0.5)]
  const above = where(greater(x, lambda), subtract(x, bias), 0)
  return [where(node.graph.node('Less', [x, node.graph.scalar(-lambda)]), add(x, bias), above)]
}

/** αx + β cut to [0, 1]. */
export const hardSigmoid: Composition = (node) => {
  onlyAttributes(node.attributes, 'alpha', 'beta')
  const x = oneInput(node)
  const { graph } = node
  const { add, multiply } = arithmeticOf(graph)
  const line = add(multiply(x, numberOf(node, 'alpha', 0.2)), numberOf(node, 'beta', 0.5))
  return [graph.node('Clip', [line, graph.scalar(0), graph.scalar(1)])]
}

/** x times a hard sigmoid of slope 1/6 (Howard et al., arXiv 1905.02244). */
export const hardSwish: Composition = (node) => {
  onlyAttributes(node.attributes)
  const x = oneInput(node)
  const { graph } = node
  const { add, multiply } = arithmeticOf(graph)
  const line = add(multiply(x, 1 / 6), 0.5)
  return [multiply(x, graph.node('Clip', [line, graph.scalar(0), graph.scalar(1)]))]
}

/** x where positive, otherwise slope · x; the slope is learned and broadcasts to x. */
export const parametricRelu: Composition = ({ graph, inputs, attributes }) => {
  onlyAttributes(attributes)
  const [x, slope] = inputs
  require(x && slope && inputs.length === 2, 'an input and a slope are needed')
  const { multiply, greater, where } = arithmeticOf(graph)
  return [where(greater(x, 0), x, multiply(slope, x))]
}
