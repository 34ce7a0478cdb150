import { invariant } from '../../protocol/errors.ts'
import { freshVectors } from '../vectors.ts'
import type { Rule, WeightedUpdate } from './rule.ts'
import { weightedSum } from './weighted-sum.ts'

/**
 * Δ̄ = Σᵢ wᵢ Δ̂ᵢ with wᵢ = tokensᵢ / Σ tokens (SparseLoCo, arXiv 2508.15706, algorithm 1, weighted by tokens as workers
 * differ in speed). Each weight is rounded to f32 once. Breakdown point 0: one member can move it anywhere.
 */
export const weightedMean: Rule = {
  name: 'mean',
  vectors: 0,
  aggregate: (updates, parameterCount, _state, vectors = freshVectors) => {
    const mean = vectors.take(parameterCount)
    const total = tokensOf(updates)
    const terms = updates.map(({ update, tokens }) => ({ update, weight: Math.fround(tokens / total) }))
    for (const { update } of updates)
      invariant(update.parameterCount === parameterCount, 'an update of this program')
    weightedSum(mean, terms)
    return mean
  },
}

/** Of all updates; exact. */
export function tokensOf(updates: readonly WeightedUpdate[]): number {
  let total = 0
  for (const { tokens } of updates) {
    invariant(Number.isSafeInteger(tokens) && tokens > 0, 'tokens are a positive integer')
    total += tokens
  }
  return total
}
