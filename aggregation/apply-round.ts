import type { Hash } from '../protocol/ids.ts'
import type { Compressor } from './compressor.ts'
import { outerSgd } from './outer-sgd.ts'
import type { SparseUpdate } from './sparse-update.ts'
import { stateRoot } from './state-root.ts'
import { weightedMean } from './weighted-mean.ts'

export interface RoundContribution {
  readonly update: SparseUpdate
  readonly tokens: number
}

/**
 * The outer step of one round: θ' = θ − α · mean(Δ̂) in manifest order. A round without contributions leaves θ as it
 * is. Pure: returns a fresh vector and its root, the same bytes on every replica.
 */
export function applyRound(
  theta: Float32Array,
  contributions: readonly RoundContribution[],
  outerLearningRate: number,
): { readonly theta: Float32Array; readonly stateRoot: Hash } {
  const next = theta.slice()
  if (contributions.length > 0) outerSgd(next, weightedMean(contributions, theta.length), outerLearningRate)
  return { theta: next, stateRoot: stateRoot(next) }
}

/** Decodes admitted contributions, which every replica does for itself. Throws CONTRIBUTION_MALFORMED. */
export function decodeContributions(
  compressor: Compressor,
  parameterCount: number,
  contributions: readonly { readonly bytes: Uint8Array; readonly tokens: number }[],
): RoundContribution[] {
  return contributions.map(({ bytes, tokens }) => ({
    update: compressor.decompress(bytes, parameterCount),
    tokens,
  }))
}
