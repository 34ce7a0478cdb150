import type { Value } from '../operators/operator.ts'
import { clipping, giveOut, type Optimizer, type OptimizerOptions } from './optimizer.ts'

export interface LionOptions extends OptimizerOptions {
  /** Share of the momentum in the direction of a step. */
  readonly beta1: number
  /** Decay of the momentum. */
  readonly beta2: number
}

/** Steps are as long as the rate everywhere: its authors take a rate 3 to 10 times below AdamW's, and as much more decay. */
export const defaultLion: LionOptions = { weightDecay: 0.3, clipNorm: 1, beta1: 0.9, beta2: 0.99 }

/**
 * Lion (Chen et al., "Symbolic discovery of optimization algorithms", arXiv 2302.06675, algorithm 2), one vector of state:
 *
 *     θ ← θ(1 − ηλ) − η·sign(β₁M + (1−β₁)G)        M ← β₂M + (1−β₂)G
 */
export function lion({ beta1, beta2, weightDecay, clipNorm }: LionOptions): Optimizer {
  return {
    slots: ['momentum'],
    betas: [],
    workVectors: 5,
    append(graph, params, gradient, table) {
      const m = graph.input('momentum', 'float32', [table.count])
      const learningRate = graph.input('learning_rate', 'float32', [])
      const { norm, clip } = clipping(graph, gradient, clipNorm)
      const op = (opType: string, ...inputs: Value[]) => graph.node(opType, inputs)
      const mixed = (beta: number) => {
        const fresh = op('Mul', gradient, op('Mul', clip, graph.scalar(1 - beta)))
        return op('Add', op('Mul', m, graph.scalar(beta)), fresh)
      }
      const update = op('Mul', op('Sign', mixed(beta1)), learningRate)
      const next = [['momentum', mixed(beta2)] as const]
      giveOut(graph, params, { update, next, norm }, learningRate, table, weightDecay)
    },
  }
}
