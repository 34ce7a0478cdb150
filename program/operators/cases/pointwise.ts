import { float, int } from '../operator.ts'
import { type GradientCase, type GradientCases, node, type Use } from './gradient-case.ts'

const unary =
  (opType: string, range?: Use['range'], attributes = {}): GradientCase =>
  (sampler) => ({ shapes: [sampler.shape(0, 3)], build: node(opType, attributes), range })

/** Between two steps; the gradient comes by the other factor alone. */
const step =
  (opType: string): GradientCase =>
  (sampler) => ({
    shapes: [sampler.shape(1, 3)],
    build(graph, [x]) {
      const y = graph.node(opType, [x!])
      return graph.node('Add', [graph.node('Mul', [y, x!]), y])
    },
    range: [0.6, 0.9],
  })

/** Of quotients between 2.2 and 2.8, where no step is. */
const modulo = (factor: number, fmod: number): Use => ({
  shapes: [[3, 4], [4]],
  build: (graph, [a, b]) =>
    graph.node('Mod', [graph.node('Mul', [a!, graph.scalar(factor)]), b!], { fmod: int(fmod) }),
  range: [1.1, 1.2],
})

export const pointwiseCases: GradientCases = {
  Neg: unary('Neg'),
  Identity: unary('Identity'),
  Abs: unary('Abs', 'distinct'),
  Sin: unary('Sin', [-3, 3]),
  Cos: unary('Cos', [-3, 3]),
  Sign: step('Sign'),
  Floor: step('Floor'),
  Ceil: step('Ceil'),
  Round: step('Round'),
  Tanh: unary('Tanh'),
  Sigmoid: unary('Sigmoid'),
  Erf: unary('Erf'),
  Exp: unary('Exp'),
  Log: unary('Log', [0.5, 2]),
  Sqrt: unary('Sqrt', [0.5, 2]),
  Reciprocal: unary('Reciprocal', [0.5, 2]),
  Relu: unary('Relu', 'distinct'),
  'Relu, squared': (sampler) => ({
    shapes: [sampler.shape(1, 3)],
    build(graph, [x]) {
      const y = graph.node('Relu', [x!])
      return graph.node('Mul', [y, y])
    },
  }),
  LeakyRelu: unary('LeakyRelu', 'distinct', { alpha: float(0.2) }),
  Softplus: unary('Softplus', [-4, 4]),
  Clip: (sampler) => ({
    shapes: [sampler.shape(1, 3)],
    build: (graph, [x]) =>
      graph.node('Clip', [
        x!,
        ...[-0.3, 0.3].slice(0, sampler.int(0, 2)).map((bound) => graph.scalar(bound)),
      ]),
    range: 'distinct',
  }),
  Gelu: unary('Gelu'),
  'Gelu by tanh': unary('Gelu', [-2, 2], { approximate: { kind: 'string', value: 'tanh' } }),
  Swish: unary('Swish', [-3, 3]),
  'Swish, sharper': unary('Swish', [-3, 3], { alpha: float(1.7) }),
  Mish: unary('Mish', [-3, 3]),
  Elu: unary('Elu', 'distinct', { alpha: float(0.7) }),
  Selu: unary('Selu', 'distinct'),
  Celu: unary('Celu', 'distinct', { alpha: float(0.6) }),
  Softsign: unary('Softsign', 'distinct'),
  ThresholdedRelu: unary('ThresholdedRelu', [1.2, 3]),
  'ThresholdedRelu, below': unary('ThresholdedRelu', [-1, 0.8]),
  Shrink: unary('Shrink', [0.3, 2], { lambd: float(0.2), bias: float(0.1) }),
  'Shrink, below': unary('Shrink', [-2, -0.3], { lambd: float(0.2), bias: float(0.1) }),
  Mod: () => modulo(2.5, 0),
  'Mod towards zero': () => modulo(-2.5, 1),
  HardSigmoid: unary('HardSigmoid', [-2, 2]),
  HardSwish: unary('HardSwish', [-2, 2]),
  PRelu: () => ({ shapes: [[3, 4], [4]], build: node('PRelu'), range: 'distinct' }),
  Where: (sampler) => ({
    shapes: [sampler.pick([[3, 4], [4]]), sampler.pick([[3, 1], []])],
    build(graph, [a, b]) {
      const chosen = graph.node('Greater', [
        graph.floats([1, -1, 2, 0, 1, -3, 1, 1, 0, 0, 4, 5], [3, 4]),
        graph.scalar(0),
      ])
      return graph.node('Where', [chosen, a!, b!])
    },
  }),
  Cast: (sampler) => ({
    shapes: [sampler.shape(1, 2)],
    build(graph, [x]) {
      // The mask is piecewise constant: all of the gradient comes through the other factor.
      const mask = graph.node('Cast', [graph.node('Greater', [x!, graph.scalar(0)])], {
        to: { kind: 'int', value: 1 },
      })
      return graph.node('Mul', [graph.node('Cast', [x!], { to: { kind: 'int', value: 1 } }), mask])
    },
    range: 'distinct',
  }),
}
