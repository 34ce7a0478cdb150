import { invalidModel } from '../invalid-model.ts'
import { clipping, giveOut, type Optimizer, type OptimizerOptions } from './optimizer.ts'

export interface SgdOptions extends OptimizerOptions {
  /** μ; 0 keeps no vector. */
  readonly momentum: number
  readonly nesterov: boolean
}

export const defaultSgd: SgdOptions = { weightDecay: 0, clipNorm: 1, momentum: 0.9, nesterov: false }

/**
 * Stochastic gradient descent with momentum as PyTorch writes it (Sutskever et al. 2013, with the rate outside the
 * momentum), and decoupled decay (SGDW of Loshchilov & Hutter, arXiv 1711.05101, algorithm 1):
 *
 *     V ← μV + G        θ ← θ(1 − ηλ) − η·V, with nesterov − η·(G + μV)
 *
 * @throws MurmurError MODEL_INVALID (exit `usage`): nesterov without a momentum.
 */
export function sgd({ momentum, nesterov, weightDecay, clipNorm }: SgdOptions): Optimizer {
  if (nesterov && momentum === 0) throw invalidModel('nesterov looks ahead along a momentum, which is 0')
  return {
    slots: momentum === 0 ? [] : ['momentum'],
    betas: [],
    workVectors: 5,
    append(graph, params, gradient, table) {
      const velocity = momentum === 0 ? null : graph.input('momentum', 'float32', [table.count])
      const learningRate = graph.input('learning_rate', 'float32', [])
      const { norm, clip } = clipping(graph, gradient, clipNorm)
      const clipped = graph.node('Mul', [gradient, clip])
      const along = (vector: typeof clipped) =>
        graph.node('Add', [graph.node('Mul', [vector, graph.scalar(momentum)]), clipped])
      const next = velocity && along(velocity)
      const direction = next === null ? clipped : nesterov ? along(next) : next
      const update = graph.node('Mul', [direction, learningRate])
      const slots = next === null ? [] : [['momentum', next] as const]
      giveOut(graph, params, { update, next: slots, norm }, learningRate, table, weightDecay)
    },
  }
}
