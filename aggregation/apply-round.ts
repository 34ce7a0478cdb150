import type { Hash } from '../protocol/ids.ts'
import { type Averaging, averagedPart } from './averaging.ts'
import type { ReplicaState } from './replica-state.ts'
import type { WeightedUpdate } from './rules/rule.ts'
import { stateRoot } from './state-root.ts'
import { freshVectors } from './vectors.ts'

/**
 * The outer step of round `round`: the admitted updates, in manifest order, folded into one pseudo-gradient and that into
 * the round's fragment of θ; what is frozen stays as it is. A round without contributions leaves everything as it is: with eager updates the next one begins
 * where it did. Pure: returns fresh vectors, or the same, and their root; the same bytes on every replica.
 */
export function applyRound(
  state: ReplicaState,
  contributions: readonly WeightedUpdate[],
  averaging: Averaging,
  round: number,
): { readonly state: ReplicaState; readonly stateRoot: Hash } {
  const { rule, outer, fragments, eager, vectors: places = freshVectors } = averaging
  if (contributions.length === 0) return { state, stateRoot: stateRoot(state) }
  const theta = state.theta.slice()
  const vectors = state.vectors.slice(0, outer.vectors + rule.vectors).map((vector) => vector.slice())
  const fragment = averagedPart(round, averaging, theta.length)
  const part = fragment.gather(theta)
  const parts = vectors.map(fragment.gather)
  const delta = rule.aggregate(contributions, fragment.length, parts.slice(outer.vectors), places)
  outer.apply(part, delta, parts.slice(0, outer.vectors), Math.floor(round / fragments))
  places.release(delta)
  fragment.scatter(part, theta)
  for (const [index, vector] of vectors.entries()) fragment.scatter(parts[index]!, vector)
  const next = { theta, vectors: eager ? [...vectors, state.theta] : vectors }
  return { state: next, stateRoot: stateRoot(next) }
}

/** Decodes the admitted contributions of a round, which every replica does for itself. Throws CONTRIBUTION_MALFORMED. */
export function decodeContributions(
  averaging: Averaging,
  round: number,
  parameterCount: number,
  contributions: readonly { readonly bytes: Uint8Array; readonly tokens: number }[],
): WeightedUpdate[] {
  return contributions.map(({ bytes, tokens }) => ({
    update: averaging.compressor.decompress(bytes, averagedPart(round, averaging, parameterCount).length),
    tokens,
  }))
}
