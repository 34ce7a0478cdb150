import type { Update } from '../update.ts'
import type { Vectors } from '../vectors.ts'

export interface WeightedUpdate {
  readonly update: Update
  /** Tokens the update was trained on: a positive integer. */
  readonly tokens: number
}

/**
 * Folds the admitted updates of a round into one pseudo-gradient. The order given is the manifest's, and part of the
 * result: floating-point addition isn't associative.
 */
export interface Rule {
  readonly name: string
  /** Vectors of N elements that it carries from round to round; zeros before round 0. Part of what replicas agree on. */
  readonly vectors: number
  /**
   * N elements: a fresh vector, or one of `vectors`, which whoever calls gives back. `state` is brought up to date in place.
   * `updates` has at least one member.
   */
  aggregate(
    updates: readonly WeightedUpdate[],
    parameterCount: number,
    state: readonly Float32Array[],
    vectors?: Vectors,
  ): Float32Array
}
