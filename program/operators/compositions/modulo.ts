import { onlyAttributes, require } from '../operator.ts'
import { arithmeticOf, type Composition, numberOf } from './composition.ts'

/**
 * a − b·⌊a/b⌋, of b's sign; with `fmod` 1, a − b·trunc(a/b), of a's. The quotient is a step, so the derivative is 1 by a
 * and minus the quotient by b, as in PyTorch. Exact as far as the quotient is.
 */
export const modulo: Composition = (node) => {
  onlyAttributes(node.attributes, 'fmod')
  const { graph, inputs } = node
  const [a, b] = inputs
  require(a?.type === 'float32' &&
    b?.type === 'float32' &&
    inputs.length === 2, 'two float32 inputs are needed')
  const { subtract, multiply, divide } = arithmeticOf(graph)
  const quotient = divide(a, b)
  const down = graph.node('Floor', [quotient])
  if (numberOf(node, 'fmod', 0) !== 1) return [subtract(a, multiply(b, down))]
  const towardsZero = multiply(
    graph.node('Sign', [quotient]),
    graph.node('Floor', [graph.node('Abs', [quotient])]),
  )
  return [subtract(a, multiply(b, towardsZero))]
}
