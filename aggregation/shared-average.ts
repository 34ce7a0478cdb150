import { MurmurError } from '../protocol/errors.ts'
import type { CidText, WorkerId } from '../protocol/ids.ts'
import type { RoundManifest } from '../protocol/wire.ts'
import { applyRound, decodeContributions } from './apply-round.ts'
import { type Averaging, averagedPart, type SharedAverage } from './averaging.ts'
import type { ReplicaState } from './replica-state.ts'
import type { WeightedUpdate } from './rules/rule.ts'

/** A block that replicas fold into θ. */
export interface RoundPart {
  readonly cid: CidText
  /** Nothing longer is asked for, whatever the manifest says. */
  readonly maxBytes: number
  readonly tokens: number
  /** Who made it; null: the head. */
  readonly worker: WorkerId | null
}

/**
 * What replicas fetch of a round: the contributions in manifest order, or their average.
 * @throws MurmurError MANIFEST_UNFIT where the manifest has an average and the run has none, or the other way round
 */
export function partsOf(
  manifest: Pick<RoundManifest, 'round' | 'entries' | 'average'>,
  averaging: Averaging,
  parameterCount: number,
): readonly RoundPart[] {
  const { round, entries, average } = manifest
  const { shared } = averaging
  if ((average !== null) !== (shared !== undefined && entries.length > 0)) {
    throw new MurmurError('MANIFEST_UNFIT', {
      message: `the manifest of round ${round} ${average === null ? 'lacks' : 'has'} an average, unlike the run asks for`,
      next: 'the head runs other software or is faulty; upgrade it or this node',
      exit: 'verification',
    })
  }
  if (average === null) return contributionsOf(manifest, averaging, parameterCount)
  const most = shared!.compressor.maxBytes(averagedPart(round, averaging, parameterCount).length)
  return [{ cid: average.cid, maxBytes: Math.min(average.bytes, most), tokens: 1, worker: null }]
}

/** The contributions of a round, in manifest order. */
export function contributionsOf(
  { round, entries }: Pick<RoundManifest, 'round' | 'entries'>,
  averaging: Averaging,
  parameterCount: number,
): readonly RoundPart[] {
  const most = mostBytes(round, averaging, parameterCount)
  return entries.map(({ contribution, contributionBytes, tokens, worker }) => ({
    ...{ cid: contribution, maxBytes: Math.min(contributionBytes, most), tokens, worker },
  }))
}

/** No contribution to a round is longer. */
export const mostBytes = (round: number, averaging: Averaging, parameterCount: number): number =>
  averaging.compressor.maxBytes(averagedPart(round, averaging, parameterCount).length)

/** Decodes what `partsOf` names, in its order. Throws CONTRIBUTION_MALFORMED. */
export function decodeParts(
  averaging: Averaging,
  round: number,
  parameterCount: number,
  parts: readonly { readonly bytes: Uint8Array; readonly tokens: number }[],
): WeightedUpdate[] {
  const { compressor } = averaging.shared ?? averaging
  return decodeContributions({ ...averaging, compressor }, round, parameterCount, parts)
}

/**
 * The block of a round's average, of at least one contribution in manifest order; the same bytes on every host.
 * @throws MurmurError UPDATE_NOT_FINITE
 */
export function averageOf(
  { rule, compressor }: SharedAverage,
  contributions: readonly WeightedUpdate[],
  averaging: Averaging,
  round: number,
  parameterCount: number,
): Uint8Array {
  const { length } = averagedPart(round, averaging, parameterCount)
  const mean = rule.aggregate(contributions, length, [], averaging.vectors)
  const { bytes } = compressor.compress(mean, compressor.init(length), mean)
  averaging.vectors?.release(mean)
  return bytes
}

/** What the head does with the contributions that it admitted: the average where replicas share one, and the outer step. */
export function closeRound(
  state: ReplicaState,
  admitted: readonly WeightedUpdate[],
  averaging: Averaging,
  round: number,
): ReturnType<typeof applyRound> & { readonly average: Uint8Array | null } {
  const { shared } = averaging
  if (shared === undefined || admitted.length === 0)
    return { ...applyRound(state, admitted, averaging, round), average: null }
  const count = state.theta.length
  const average = averageOf(shared, admitted, averaging, round, count)
  const parts = decodeParts(averaging, round, count, [{ bytes: average, tokens: 1 }])
  return { ...applyRound(state, parts, averaging, round), average }
}

/**
 * Share of rounds whose average a worker checks against their contributions, drawn by itself: somebody then checks 22 % of all
 * rounds, however many workers there are, and nobody knows which.
 */
export const checkedShare = (members: number): number => 1 / (4 * Math.max(1, members))
