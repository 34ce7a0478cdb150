import { invariant } from '../../protocol/errors.ts'
import type { Graph } from '../graph.ts'
import type { Value } from '../operators/operator.ts'
import type { ParameterTable } from '../parameter-table.ts'
import { clipping, giveOut, type Optimizer, type OptimizerOptions } from './optimizer.ts'

export interface AdamWOptions extends OptimizerOptions {
  readonly beta1: number
  readonly beta2: number
  readonly epsilon: number
}

export const defaultAdamW: AdamWOptions = {
  beta1: 0.9,
  beta2: 0.95,
  epsilon: 1e-8,
  weightDecay: 0.1,
  clipNorm: 1,
}

export const adamSlots = ['adam_m', 'adam_v'] as const
export const adamWorkVectors = 5

/**
 * 1 − βᵗ for t = steps taken, this one included. By squaring, in doubles: `Math.pow` may differ between engines,
 * IEEE multiplication does not.
 */
export function biasCorrection(beta: number, step: number): number {
  invariant(Number.isSafeInteger(step) && step >= 1, 'a step is counted from 1')
  let [power, square] = [1, beta]
  for (let left = step; left > 0; left = Math.floor(left / 2)) {
    if (left % 2 === 1) power *= square
    square *= square
  }
  return 1 - power
}

/** AdamW (Loshchilov & Hutter, arXiv 1711.05101, algorithm 2). */
export const adamW = (options: AdamWOptions): Optimizer => ({
  slots: adamSlots,
  workVectors: adamWorkVectors,
  betas: [options.beta1, options.beta2],
  append(graph, params, gradient, table) {
    const { m, v, scalars } = optimizerInputs(graph, table)
    const { squares, norm, clip } = clipping(graph, gradient, options.clipNorm)
    const { update, nextM, nextV } = adamStep(
      graph,
      { gradient, squares, m, v },
      { ...scalars, clip },
      options,
    )
    const step = { update, next: adamNext(nextM, nextV), norm }
    giveOut(graph, params, step, scalars.learningRate, table, options.weightDecay)
  },
})

export const adamNext = (nextM: Value, nextV: Value) =>
  [
    ['adam_m', nextM],
    ['adam_v', nextV],
  ] as const

/** The optimizer's vectors and scalars, fed by the engine. */
export function optimizerInputs(graph: Graph, table: ParameterTable) {
  const slot = (name: string) => graph.input(name, 'float32', [table.count])
  const scalarInput = (name: string) => graph.input(name, 'float32', [])
  const [m, v] = [slot('adam_m'), slot('adam_v')]
  const [learningRate, bias1, bias2] = [
    scalarInput('learning_rate'),
    scalarInput('bias1'),
    scalarInput('bias2'),
  ]
  return { m, v, scalars: { learningRate, bias1, bias2 } }
}

/** Equal pieces of the flat vectors. */
interface AdamVectors {
  readonly gradient: Value
  readonly squares: Value
  readonly m: Value
  readonly v: Value
}

interface AdamScalars {
  readonly clip: Value
  readonly learningRate: Value
  readonly bias1: Value
  readonly bias2: Value
}

/** The next moments, and what is taken off the parameters beside their decay. */
export interface AdamStep {
  readonly update: Value
  readonly nextM: Value
  readonly nextV: Value
}

export function adamStep(
  graph: Graph,
  { gradient, squares, m, v }: AdamVectors,
  { clip, learningRate, bias1, bias2 }: AdamScalars,
  { beta1, beta2, epsilon }: AdamWOptions,
): AdamStep {
  const op = (opType: string, ...inputs: Value[]) => graph.node(opType, inputs)
  const { scalar } = graph

  // m ← β₁m + (1−β₁)·clip·g,  v ← β₂v + (1−β₂)·clip²·g²
  const nextM = op(
    'Add',
    op('Mul', m, scalar(beta1)),
    op('Mul', gradient, op('Mul', clip, scalar(1 - beta1))),
  )
  const clipSquared = op('Mul', clip, clip)
  const nextV = op(
    'Add',
    op('Mul', v, scalar(beta2)),
    op('Mul', squares, op('Mul', clipSquared, scalar(1 - beta2))),
  )

  // η·(m/b₁) / (√(v/b₂) + ε)  =  (η√b₂/b₁)·m / (√v + ε√b₂)
  const rootBias2 = op('Sqrt', bias2)
  const rate = op('Div', op('Mul', learningRate, rootBias2), bias1)
  const denominator = op('Add', op('Sqrt', nextV), op('Mul', scalar(epsilon), rootBias2))
  return { update: op('Mul', op('Div', nextM, denominator), rate), nextM, nextV }
}
