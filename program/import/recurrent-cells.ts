import { int, ints } from '../operators/operator.ts'
import type { OperandWriter, Tensor } from './operand.ts'

/* Cells of ONNX's LSTM, GRU and RNN. B rows, I inputs, H hidden values, G gates side by side in ONNX's order. */

/** One direction's: input [G·H, I], hidden [G·H, H], bias [2·G·H]. */
export interface RecurrentWeights {
  readonly writer: OperandWriter
  readonly H: number
  readonly input: Tensor
  readonly hidden: Tensor
  readonly bias: Tensor | undefined
}

export interface Cell {
  /** What every step takes of its input, for all steps in one product: [S, B, I] to [S, B, G·H]. */
  project(x_SBI: Tensor): Tensor
  /** The next states [B, H], the hidden one first; undefined stands for zeros. */
  step(x_BG: Tensor, states: readonly (Tensor | undefined)[]): readonly Tensor[]
}

function arithmetic(writer: OperandWriter) {
  const binary = (opType: string) => (a: Tensor, b: Tensor) => writer.node(opType, [a, b])
  const unary = (opType: string) => (x: Tensor) => writer.node(opType, [x])
  return {
    add: binary('Add'),
    subtract: binary('Sub'),
    multiply: binary('Mul'),
    product: binary('MatMul'),
    sigmoid: unary('Sigmoid'),
    tanh: unary('Tanh'),
    turned: (matrix: Tensor) => writer.node('Transpose', [matrix], { perm: ints([1, 0]) }),
    parts: (x: Tensor, sizes: readonly number[]) =>
      writer.nodes('Split', [x, writer.ints(sizes)], sizes.length, { axis: int(x.shape.length - 1) }),
  }
}

/** Biases of the input's and of the hidden state's product; undefined without any. */
const biasesOf = ({ writer, bias }: RecurrentWeights) =>
  bias === undefined
    ? undefined
    : writer.nodes('Split', [bias, writer.ints([bias.shape[0]! / 2, bias.shape[0]! / 2])], 2, {
        axis: int(0),
      })

/** x Wᵀ with both biases, where the hidden state's product takes none of its own. */
function biasedProjection(weights: RecurrentWeights): Cell['project'] {
  const { add, product, turned } = arithmetic(weights.writer)
  const biases = biasesOf(weights)
  const bias = biases === undefined ? undefined : add(biases[0]!, biases[1]!)
  const input_IG = turned(weights.input)
  return (x_SBI) => {
    const projected = product(x_SBI, input_IG)
    return bias === undefined ? projected : add(projected, bias)
  }
}

/** Gates i, o, f, c: C ← f C + i c, H ← o tanh C (onnx.ai/onnx/operators/onnx__LSTM). */
export function lstmCell(weights: RecurrentWeights): Cell {
  const { writer, H } = weights
  const { add, multiply, product, sigmoid, tanh, turned, parts } = arithmetic(writer)
  const hidden_HG = turned(weights.hidden)
  return {
    project: biasedProjection(weights),
    step(x_BG, [h, c]) {
      const gates = h === undefined ? x_BG : add(x_BG, product(h, hidden_HG))
      const [soft, candidate] = parts(gates, [3 * H, H])
      const [i, o, f] = parts(sigmoid(soft!), [H, H, H])
      const written = multiply(i!, tanh(candidate!))
      const cell = c === undefined ? written : add(multiply(f!, c), written)
      return [multiply(o!, tanh(cell)), cell]
    },
  }
}

/**
 * Gates z, r, h: H ← (1 − z) n + z H with the candidate n, in which r scales H before its product or, with
 * `linear_before_reset` (as PyTorch has it), after it (onnx.ai/onnx/operators/onnx__GRU).
 */
export function gruCell(weights: RecurrentWeights, linearBeforeReset: boolean): Cell {
  const { writer, H } = weights
  const { add, subtract, multiply, product, sigmoid, tanh, turned, parts } = arithmetic(writer)
  const hidden_HG = turned(weights.hidden)
  const mixed = (z: Tensor, candidate: Tensor, h: Tensor | undefined) =>
    h === undefined
      ? subtract(candidate, multiply(z, candidate))
      : add(candidate, multiply(z, subtract(h, candidate)))
  if (!linearBeforeReset) {
    const [hidden_HZR, hidden_HN] = parts(hidden_HG, [2 * H, H])
    return {
      project: biasedProjection(weights),
      step(x_BG, [h]) {
        const [xSoft, xCandidate] = parts(x_BG, [2 * H, H])
        const soft = sigmoid(h === undefined ? xSoft! : add(xSoft!, product(h, hidden_HZR!)))
        const [z, r] = parts(soft, [H, H])
        const candidate =
          h === undefined ? xCandidate! : add(xCandidate!, product(multiply(r!, h), hidden_HN!))
        return [mixed(z!, tanh(candidate), h)]
      },
    }
  }
  const biases = biasesOf(weights)
  const input_IG = turned(weights.input)
  return {
    project: (x_SBI) => {
      const projected = product(x_SBI, input_IG)
      return biases === undefined ? projected : add(projected, biases[0]!)
    },
    step(x_BG, [h]) {
      const [xSoft, xCandidate] = parts(x_BG, [2 * H, H])
      const linear = h === undefined ? undefined : product(h, hidden_HG)
      const own = linear === undefined ? biases?.[1] : biases === undefined ? linear : add(linear, biases[1]!)
      if (own === undefined) return [mixed(parts(sigmoid(xSoft!), [H, H])[0]!, tanh(xCandidate!), h)]
      const [hSoft, hCandidate] = parts(own, [2 * H, H])
      const [z, r] = parts(sigmoid(add(xSoft!, hSoft!)), [H, H])
      return [mixed(z!, tanh(add(xCandidate!, multiply(r!, hCandidate!))), h)]
    },
  }
}

/** H ← f(x Wᵀ + H Rᵀ + b). */
export function plainCell(weights: RecurrentWeights, opType: string): Cell {
  const { writer } = weights
  const { add, product, turned } = arithmetic(writer)
  const hidden_HG = turned(weights.hidden)
  return {
    project: biasedProjection(weights),
    step: (x_BG, [h]) => [writer.node(opType, [h === undefined ? x_BG : add(x_BG, product(h, hidden_HG))])],
  }
}
