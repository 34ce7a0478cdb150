import { invariant } from '../../protocol/errors.ts'
import { signsOf } from '../sign-update.ts'
import { normOf, sparseOf, type Update } from '../update.ts'
import { distanceTo } from './inner-products.ts'
import type { Rule, WeightedUpdate } from './rule.ts'
import { signProducts } from './sign-products.ts'
import { sparseProducts } from './sparse-products.ts'
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
      const products = productsOf(updates.map(({ update }) => update))
      const search = products === null ? searchIn(median, updates, norms) : searchAmong(products, norms)
      let weights = norms.map(() => 0)
      for (let iteration = 1; iteration <= iterations; iteration++) {
        const betas = search(weights).map((distance, member) => {
          const share = iteration === iterations ? updates[member]!.tokens / total : 1 / updates.length
          return share / Math.max(least, distance)
        })
        const sum = betas.reduce((partial, beta) => partial + beta, 0)
        weights = betas.map((beta) => Math.fround(beta / sum))
      }
      weightedSum(median, weighted(updates, weights))
      return median
    },
  }
}

/** ⟨xᵢ, xⱼ⟩ of every pair where that is cheap: of updates of signs, and of those that name few places. Null of others. */
function productsOf(updates: readonly Update[]): Float64Array | null {
  const signs = signsOf(updates)
  if (signs !== null) return signProducts(signs)
  const sparse = sparseOf(updates)
  return sparse === null ? null : sparseProducts(sparse)
}

/** Distances of all updates from Σ wᵢ xᵢ. */
type Search = (weights: readonly number[]) => readonly number[]

const weighted = (updates: readonly WeightedUpdate[], weights: readonly number[]) =>
  updates.map(({ update }, member) => ({ update, weight: weights[member]! }))

/** By writing the sum out, to `centre`. */
const searchIn =
  (centre: Float32Array, updates: readonly WeightedUpdate[], norms: readonly number[]): Search =>
  (weights) => {
    if (weights.some((weight) => weight !== 0)) weightedSum(centre, weighted(updates, weights))
    const distance = distanceTo(centre)
    return updates.map(({ update }, member) => distance(update, norms[member]!))
  }

/**
 * By the inner products alone, in double precision: ‖z − xᵢ‖² = ‖xᵢ‖² − 2 Σⱼ wⱼ ⟨xᵢ, xⱼ⟩ + Σⱼₖ wⱼ wₖ ⟨xⱼ, xₖ⟩. For R updates
 * R² / 2 passes, of signs over bits, instead of 16 R over numbers.
 */
const searchAmong =
  (products: Float64Array, norms: readonly number[]): Search =>
  (weights) => {
    const count = norms.length
    const toCentre = norms.map((_, row) =>
      weights.reduce((sum, weight, column) => sum + weight * products[row * count + column]!, 0),
    )
    const square = weights.reduce((sum, weight, row) => sum + weight * toCentre[row]!, 0)
    return norms.map((norm, member) => Math.sqrt(Math.max(0, norm * norm - 2 * toCentre[member]! + square)))
  }
