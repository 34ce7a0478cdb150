import { type Differentiation, type Operator, require, type Value } from './operator.ts'

type Rule = (
  node: Differentiation & { readonly gradient: Value; readonly x: Value; readonly y: Value },
) => Value

function unary(rule: Rule): Operator {
  return {
    infer({ inputs }) {
      const [x] = inputs
      require(x?.type === 'float32' && inputs.length === 1, 'one float32 input is needed')
      return [{ type: 'float32', shape: x.shape }]
    },
    gradient: (node) => [
      rule({ ...node, gradient: node.gradients[0]!, x: node.inputs[0]!, y: node.outputs[0]! }),
    ],
  }
}

export const negate = unary(({ graph, gradient }) => graph.node('Neg', [gradient]))

/** 1 − y². */
export const tanh = unary(({ graph, gradient, y }) =>
  graph.node('Mul', [gradient, graph.node('Sub', [graph.scalar(1), graph.node('Mul', [y, y])])]),
)

/** y (1 − y). */
export const sigmoid = unary(({ graph, gradient, y }) =>
  graph.node('Mul', [gradient, graph.node('Mul', [y, graph.node('Sub', [graph.scalar(1), y])])]),
)

export const exponential = unary(({ graph, gradient, y }) => graph.node('Mul', [gradient, y]))

export const logarithm = unary(({ graph, gradient, x }) => graph.node('Div', [gradient, x]))

/** 1 / 2y. */
export const squareRoot = unary(({ graph, gradient, y }) =>
  graph.node('Div', [graph.node('Mul', [gradient, graph.scalar(0.5)]), y]),
)

/** −y². */
export const reciprocal = unary(({ graph, gradient, y }) =>
  graph.node('Neg', [graph.node('Mul', [gradient, graph.node('Mul', [y, y])])]),
)

/**
 * Passes where y > 0; Sign(y) is exactly that mask, as y ≥ 0. A gradient that has y as a factor (that of a squared
 * Relu) is masked already.
 */
export const relu = unary(({ graph, gradient, y }) => {
  const maker = graph.maker(gradient)
  if (maker?.opType === 'Mul' && maker.inputs.includes(y.name)) return gradient
  return graph.node('Mul', [gradient, graph.node('Sign', [y])])
})

/** Piecewise constant: its gradient is zero, so none is given. */
export const sign: Operator = { infer: relu.infer }
