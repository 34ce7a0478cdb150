import { invariant } from '../../protocol/errors.ts'
import { normOf } from '../update.ts'
import { distanceTo } from './inner-products.ts'
import type { Rule } from './rule.ts'
import { tokensOf } from './weighted-mean.ts'
import { weightedSum } from './weighted-sum.ts'

/** Weiszfeld iterations: fixed, so that every replica stops at the same point. */
const defaultIterations = 8

/** ν of the paper: no distance counts as less than this share of the median norm, so that no weight runs away. */
const smoothing = 1e-3
const leastDistance = 1e-30

/**
 * Geometric median, argmin_z Σ ‖z − xᵢ‖, by the smoothed Weiszfeld algorithm (RFA: Pillutla et al., arXiv 1912.13445,
 * algorithm 2):
 *
 *     βᵢ ← αᵢ / max(ν, ‖z − xᵢ‖)          z ← Σ βᵢ xᵢ / Σ βᵢ
 *
 * Begun at z = 0, the model as it is, so that already the first iteration takes of every update the direction alone.
 * Breakdown point 1/2 of the members. The paper has αᵢ follow the number of samples throughout, but then a member with
 * more than half of the tokens is the median, and the work of all others is lost. So the median is sought with αᵢ = 1/R, and the
 * last iteration alone weighs by tokens: with equal tokens the paper's, otherwise the token-weighted mean in which a member
 * counts the less, the farther from the median it is. Distances are in double precision, each weight is rounded to f32 once.
 * O(iterations · (N + entries of all updates)).
 */
export function geometricMedian(iterations = defaultIterations): Rule {
  invariant(Number.isInteger(iterations) && iterations >= 1, 'at least one iteration')
  return {
    name: 'geometric-median',
    vectors: 0,
    aggregate: (updates, parameterCount) => {
      const total = tokensOf(updates)
      const norms = updates.map(({ update }) => normOf(update))
      const usual = norms.toSorted((a, b) => a - b)[(norms.length - 1) >> 1]!
      const least = Math.max(leastDistance, smoothing * usual)
      const median = new Float32Array(parameterCount)
      for (let iteration = 1; iteration <= iterations; iteration++) {
        const distance = distanceTo(median)
        const weights = updates.map(({ update, tokens }, member) => {
          const share = iteration === iterations ? tokens / total : 1 / updates.length
          return share / Math.max(least, distance(update, norms[member]!))
        })
        const sum = weights.reduce((partial, weight) => partial + weight, 0)
        weightedSum(
          median,
          updates.map(({ update }, member) => ({ update, weight: Math.fround(weights[member]! / sum) })),
        )
      }
      return median
    },
  }
}
