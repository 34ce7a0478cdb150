import { int } from '../operators/operator.ts'
import { asTensor, isConstant, type OperandWriter, type Tensor } from './operand.ts'
import { concatenated, separated } from './pieces.ts'
import { type Cell, gruCell, lstmCell, plainCell, type RecurrentWeights } from './recurrent-cells.ts'
import { intOf, type Translating, type Translation, textOf } from './translate.ts'

/** Steps of one direction of one layer that are written one after the other. */
const maxSteps = 1024

const directions: ReadonlyMap<string, readonly boolean[]> = new Map([
  ['forward', [false]],
  ['reverse', [true]],
  ['bidirectional', [false, true]],
])

/** Attributes that a cell reads, and those that only say what is the case anyway. */
const readAttributes = new Set(['activations', 'direction', 'hidden_size', 'linear_before_reset'])
const zeroAttributes = new Set(['layout', 'input_forget'])

interface Layer {
  readonly writer: OperandWriter
  readonly cell: Cell
  /** Projected inputs [S, B, …] and what the cell starts from, each undefined for zeros. */
  readonly projected_SB: Tensor
  readonly state: readonly (Tensor | undefined)[]
  readonly reversed: boolean
}

/** Each step's hidden state [B, H] in the order of the sequence, and the last of each state. */
function unrolled({ writer, cell, projected_SB, state, reversed }: Layer) {
  const inputs = separated(writer, projected_SB)
  const order = inputs.map((_, step) => (reversed ? inputs.length - 1 - step : step))
  const hidden = new Array<Tensor>(inputs.length)
  let current = state
  for (const step of order) {
    const next = cell.step(inputs[step]!, current)
    hidden[step] = next[0]!
    current = next
  }
  return { hidden, last: current as readonly Tensor[] }
}

/**
 * A recurrent layer, its steps written one after the other: X [S, B, I], W [D, G·H, I], R [D, G·H, H], biases [D, 2·G·H]
 * (those of W, then those of R), states [D, B, H]. G gates, D directions. Gives Y [S, D, B, H] and the last states.
 */
const recurrent =
  (
    gates: number,
    states: number,
    cellOf: (node: Translating, weights: RecurrentWeights) => Cell,
  ): Translation =>
  (node) => {
    const { writer, wanted } = node
    checkAttributes(node)
    if (node.inputs[4] !== undefined) throw new Error('sequences of different lengths cannot be unrolled')
    if (node.inputs[7] !== undefined) throw new Error('peepholes are not supported')
    const [X_SBI, W, R] = [asTensor(node.inputs[0]), asTensor(node.inputs[1]), asTensor(node.inputs[2])]
    const sides = directions.get(textOf(node, 'direction', 'forward'))
    const [S, B] = X_SBI.shape
    const H = R.shape[2]
    const D = sides?.length ?? 0
    const fits = (tensor: Tensor | undefined, ...shape: readonly (number | undefined)[]) =>
      tensor === undefined || (tensor.type === 'float32' && tensor.shape.join() === shape.join())
    const biases = node.inputs[3] === undefined ? undefined : asTensor(node.inputs[3])
    const given = [5, 6].slice(0, states).map((at) => {
      const state = node.inputs[at]
      return state === undefined ? undefined : asTensor(state)
    })
    if (sides === undefined || H === undefined || X_SBI.shape.length !== 3)
      throw new Error('its direction, or the shape of its input, is not one that it can have')
    if (intOf(node, 'hidden_size', H) !== H) throw new Error(`hidden_size is not ${H}`)
    if (
      !fits(X_SBI, S, B, X_SBI.shape[2]) ||
      !fits(W, D, gates * H, X_SBI.shape[2]) ||
      !fits(R, D, gates * H, H) ||
      !fits(biases, D, 2 * gates * H) ||
      !given.every((state) => fits(state, D, B, H))
    )
      throw new Error('its weights do not fit its input')
    if (S! > maxSteps) throw new Error(`a sequence of ${S} steps is not unrolled, at most ${maxSteps} are`)
    const started = given.map((state) =>
      state === undefined || isZero(state) ? undefined : separated(writer, state),
    )
    const each = (tensor: Tensor | undefined) =>
      tensor === undefined ? undefined : separated(writer, tensor)
    const [inputWeights, hiddenWeights, bias] = [each(W)!, each(R)!, each(biases)]
    const made = sides.map((reversed, side) => {
      const cell = cellOf(node, {
        ...{ writer, H, input: inputWeights[side]!, hidden: hiddenWeights[side]!, bias: bias?.[side] },
      })
      const state = started.map((list) => list?.[side])
      return unrolled({ writer, cell, projected_SB: cell.project(X_SBI), state, reversed })
    })
    const sequences = () => {
      const all = made.map(({ hidden }) => concatenated(writer, hidden, [1, 1, B!, H]))
      return all.length === 1 ? all[0]! : writer.node('Concat', all, { axis: int(1) })
    }
    const lasts = (index: number) =>
      concatenated(
        writer,
        made.map(({ last }) => last[index]!),
        [1, B!, H],
      )
    // What is not asked for is not written; something must stand for it.
    return wanted.map((asked, output) => {
      if (!asked) return writer.scalar(0)
      return output === 0 ? sequences() : lasts(output - 1)
    })
  }

function checkAttributes({ attributes }: Translating): void {
  for (const [name, attribute] of attributes) {
    if (readAttributes.has(name)) continue
    if (zeroAttributes.has(name) && attribute.kind === 'int' && attribute.value === 0) continue
    throw new Error(`attribute ${name} is not supported`)
  }
}

const isZero = (tensor: Tensor): boolean => isConstant(tensor) && tensor.values.every((value) => value === 0)

/** Activations of each direction, which must be those that the layer has by default, or one of the choices. */
function activation(
  { attributes }: Translating,
  ...choices: readonly (readonly string[])[]
): readonly string[] {
  const given = attributes.get('activations')
  if (given === undefined) return choices[0]!
  if (given.kind !== 'strings') throw new Error('attribute activations is not a list of names')
  const found = choices.find((names) =>
    given.values.every((name, at) => name.toLowerCase() === names[at % names.length]!.toLowerCase()),
  )
  if (found === undefined || given.values.length % found.length !== 0)
    throw new Error(`the activations ${given.values.join(', ').slice(0, 80)} are not supported`)
  return found
}

export const lstm: Translation = recurrent(4, 2, (node, weights) => {
  activation(node, ['Sigmoid', 'Tanh', 'Tanh'])
  return lstmCell(weights)
})

export const gru: Translation = recurrent(3, 1, (node, weights) => {
  activation(node, ['Sigmoid', 'Tanh'])
  return gruCell(weights, intOf(node, 'linear_before_reset', 0) !== 0)
})

export const rnn: Translation = recurrent(1, 1, (node, weights) =>
  plainCell(weights, activation(node, ['Tanh'], ['Relu'])[0]!),
)
