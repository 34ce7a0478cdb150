import { asFloat } from './logic.ts'
import {
  type Differentiation,
  floatAttribute,
  type Operator,
  onlyAttributes,
  require,
  type Value,
} from './operator.ts'

type Rule = (
  node: Differentiation & { readonly gradient: Value; readonly x: Value; readonly y: Value },
) => Value

function unary(rule: Rule, ...attributeNames: readonly string[]): Operator {
  return {
    infer({ inputs, attributes }) {
      const [x] = inputs
      require(x?.type === 'float32' && inputs.length === 1, 'one float32 input is needed')
      onlyAttributes(attributes, ...attributeNames)
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

/** Passes where y > 0. A gradient that has y as a factor (that of a squared Relu) is masked already. */
export const relu = unary(({ graph, gradient, y }) => {
  const maker = graph.maker(gradient)
  if (maker?.opType === 'Mul' && maker.inputs.includes(y.name)) return gradient
  return graph.node('Mul', [gradient, asFloat(graph, graph.node('Greater', [y, graph.scalar(0)]))])
})

export const absolute = unary(({ graph, gradient, x }) =>
  graph.node('Mul', [gradient, graph.node('Sign', [x])]),
)

/** 2/√π · e^(−x²). */
export const errorFunction = unary(({ graph, gradient, x }) => {
  const bell = graph.node('Exp', [graph.node('Neg', [graph.node('Mul', [x, x])])])
  return graph.node('Mul', [gradient, graph.node('Mul', [bell, graph.scalar(2 / Math.sqrt(Math.PI))])])
})

export const sine = unary(({ graph, gradient, x }) => graph.node('Mul', [gradient, graph.node('Cos', [x])]))

export const cosine = unary(({ graph, gradient, x }) =>
  graph.node('Neg', [graph.node('Mul', [gradient, graph.node('Sin', [x])])]),
)

/** ln(1 + eˣ): the logistic function. */
export const softplus = unary(({ graph, gradient, x }) =>
  graph.node('Mul', [gradient, graph.node('Sigmoid', [x])]),
)

/** 1 where x > 0, otherwise alpha. */
export const leakyRelu = unary(({ graph, node, gradient, x }) => {
  const leak = graph.node('Mul', [gradient, graph.scalar(floatAttribute(node.attributes, 'alpha', 0.01))])
  return graph.node('Where', [graph.node('Greater', [x, graph.scalar(0)]), gradient, leak])
}, 'alpha')

/** Between two scalars, the upper of which may be left out; passes strictly between them. */
export const clip: Operator = {
  infer({ inputs, attributes }) {
    const [x, ...bounds] = inputs
    onlyAttributes(attributes)
    require(x !== undefined && inputs.length <= 3, 'an input and two bounds at most')
    require(inputs.every(({ type }) => type === 'float32'), 'float32 inputs are needed')
    require(bounds.every(({ shape }) => shape.length === 0), 'the bounds are not scalars')
    return [{ type: 'float32', shape: x.shape }]
  },
  gradient({ graph, inputs, gradients, wanted }) {
    require(!wanted[1] && !wanted[2], 'its bounds are not constants')
    const [x, ...bounds] = inputs
    const passes = bounds.map((bound, index) => graph.node(index === 0 ? 'Greater' : 'Less', [x!, bound]))
    return [
      passes.reduce((gradient, pass) => graph.node('Mul', [gradient, asFloat(graph, pass)]), gradients[0]!),
    ]
  },
}

/** Piecewise constant: its gradient is zero almost everywhere, and taken as zero at the steps too, as PyTorch does. */
const piecewiseConstant: Operator = { infer: relu.infer, gradient: () => [undefined] }

export const sign = piecewiseConstant
export const floor = piecewiseConstant
export const ceiling = piecewiseConstant
export const round = piecewiseConstant
