import type { Graph } from '../graph.ts'
import { int, type Value } from '../operators/operator.ts'
import type { ParameterTable } from '../parameter-table.ts'

/** Takes the inner steps: a part of the training program. */
export interface Optimizer {
  /** Its flat vectors of N values, in order; each is an input of the program and, as `next_…`, an output. */
  readonly slots: readonly string[]
  /** Decay rates whose corrections 1 − βᵗ the engine feeds to the program as `bias1`, `bias2`. */
  readonly betas: readonly number[]
  /** Vectors of N that a step has at once beside its state and activations, at most: parameters' pieces, gradient, temporaries. */
  readonly workVectors: number
  /**
   * Appends one step on flat vectors of N values: inputs `learning_rate` and those above, outputs `next_params`,
   * `next_…` of each slot, `grad_norm`. Scalars are folded together first, so that the vectors are passed over as
   * rarely as possible: memory, not arithmetic, is what an optimizer costs.
   */
  append(graph: Graph, params: Value, gradient: Value, table: ParameterTable): void
}

/** What every optimizer has. */
export interface OptimizerOptions {
  /** Decoupled (Loshchilov & Hutter, arXiv 1711.05101), for the table's decayed parameters only. */
  readonly weightDecay: number
  /** L2 norm to which a larger gradient is scaled down (Pascanu et al., arXiv 1211.5063). */
  readonly clipNorm: number
}

/** The gradient's squares, its norm, and the factor that clips it to `clipNorm`. */
export function clipping(graph: Graph, gradient: Value, clipNorm: number) {
  const op = (opType: string, ...inputs: Value[]) => graph.node(opType, inputs)
  const { scalar } = graph
  const squares = op('Mul', gradient, gradient)
  const norm = op('Sqrt', graph.node('ReduceSum', [squares], { keepdims: int(0) }))
  const clip = op('Min', scalar(1), op('Div', scalar(clipNorm), op('Add', norm, scalar(1e-12))))
  return { squares, norm, clip }
}

export interface OptimizerStep {
  /** What is taken off the parameters beside their decay. */
  readonly update: Value
  /** The next vector of each slot, in order. */
  readonly next: readonly (readonly [slot: string, value: Value])[]
  readonly norm: Value
}

/** θ ← decayed θ − update, and the outputs that every optimizer has. */
export function giveOut(
  graph: Graph,
  params: Value,
  { update, next, norm }: OptimizerStep,
  learningRate: Value,
  table: ParameterTable,
  weightDecay: number,
): void {
  const kept = decayed(graph, params, learningRate, table, weightDecay)
  graph.output('next_params', graph.node('Sub', [kept, update]))
  for (const [slot, value] of next) graph.output(`next_${slot}`, value)
  graph.output('grad_norm', norm)
}

/** Rows shorter than this cost more to walk than a copy of all parameters. */
const shortestRow = 64

/** θ ← θ(1 − ηλ) for the leading, decayed part. */
function decayed(
  graph: Graph,
  params: Value,
  rate: Value,
  table: ParameterTable,
  weightDecay: number,
): Value {
  const { count, decayedCount } = table
  if (weightDecay === 0 || decayedCount === 0) return params
  const shrink = graph.node('Sub', [graph.scalar(1), graph.node('Mul', [rate, graph.scalar(weightDecay)])])
  if (decayedCount === count) return graph.node('Mul', [params, shrink])
  const row = greatestDivisor(decayedCount, count)
  if (row >= shortestRow) {
    // In rows that are decayed as a whole or not at all, each has a factor: one pass instead of three.
    const factor = (value: Value, from: number, to: number) =>
      graph.node('Expand', [value, graph.ints([(to - from) / row, 1])])
    const factors = [factor(shrink, 0, decayedCount), factor(graph.scalar(1), decayedCount, count)]
    const rows = graph.node('Reshape', [params, graph.ints([count / row, row])])
    const kept = graph.node('Mul', [rows, graph.node('Concat', factors, { axis: int(0) })])
    return graph.node('Reshape', [kept, graph.ints([count])])
  }
  const slice = (from: number, to: number) =>
    graph.node('Slice', [params, graph.ints([from]), graph.ints([to])])
  const head = graph.node('Mul', [slice(0, decayedCount), shrink])
  return graph.node('Concat', [head, slice(decayedCount, count)], { axis: int(0) })
}

function greatestDivisor(a: number, b: number): number {
  return b === 0 ? a : greatestDivisor(b, a % b)
}
