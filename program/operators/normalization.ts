import {
  int,
  intAttribute,
  ints,
  type Operator,
  require,
  resolveAxis,
  sameShape,
  unbroadcast,
  type Value,
} from './operator.ts'

/**
 * LayerNormalization over the last axis (Ba et al., arXiv 1607.06450). Its second and third outputs, mean and inverse
 * standard deviation of each row, are what the gradient needs: with x̂ = (x − μ)/σ and ĝ = g ⊙ scale,
 * ∂x = (ĝ − mean(ĝ) − x̂ ⊙ mean(ĝ ⊙ x̂)) / σ.
 */
export const layerNormalization: Operator = {
  infer({ inputs, attributes, outputCount }) {
    const [x, scale, bias] = inputs
    require(x?.type === 'float32' &&
      scale?.type === 'float32' &&
      inputs.length <= 3, 'float32 inputs are needed')
    const rank = x.shape.length
    require(resolveAxis(intAttribute(attributes, 'axis', -1), rank) ===
      rank - 1, 'only the last axis is supported')
    const width = [x.shape.at(-1)!]
    require(sameShape(scale.shape, width), 'the scale does not fit')
    require(bias === undefined ||
      (bias.type === 'float32' && sameShape(bias.shape, width)), 'the bias does not fit')
    const row = { type: 'float32', shape: [...x.shape.slice(0, -1), 1] } as const
    return [{ type: 'float32' as const, shape: x.shape }, row, row].slice(0, outputCount)
  },
  gradient({ graph, inputs, outputs, gradients, wanted }) {
    const [x, scale, bias] = [inputs[0]!, inputs[1]!, inputs[2]]
    const [, mean, inverse] = outputs
    const gradient = gradients[0]
    require(gradient &&
      mean &&
      inverse &&
      !gradients[1] &&
      !gradients[2], 'its mean and deviation must be outputs')
    const multiply = (a: Value, b: Value) => graph.node('Mul', [a, b])
    const subtract = (a: Value, b: Value) => graph.node('Sub', [a, b])
    const rowMean = (a: Value) =>
      graph.node('ReduceMean', [a], { axes: ints([x.shape.length - 1]), keepdims: int(1) })
    const normalized = multiply(subtract(x, mean), inverse)
    const ofInput = () => {
      const scaled = multiply(gradient, scale)
      const projected = multiply(normalized, rowMean(multiply(scaled, normalized)))
      return multiply(subtract(subtract(scaled, rowMean(scaled)), projected), inverse)
    }
    return [
      wanted[0] ? ofInput() : undefined,
      wanted[1] ? unbroadcast(graph, multiply(gradient, normalized), scale.shape) : undefined,
      wanted[2] && bias ? unbroadcast(graph, gradient, bias.shape) : undefined,
    ]
  },
}
