import { type Averaging, averagedPart, movingOf } from '../aggregation/averaging.ts'
import { startOf } from '../aggregation/contribute.ts'
import { pseudoGradient } from '../aggregation/pseudo-gradient.ts'
import { toDense } from '../aggregation/update.ts'
import { digestHash } from '../protocol/content-id.ts'
import { isMurmurError } from '../protocol/errors.ts'
import type { CidText, Hash, WorkerId } from '../protocol/ids.ts'
import type { RunSpec } from '../protocol/run-spec.ts'
import type { ManifestEntry } from '../protocol/wire.ts'
import type { BatchSource } from '../worker/data/batch-source.ts'
import type { TrainingSession } from '../worker/engine/engine.ts'
import { type RoundOutputs, trainRound } from '../worker/train-round.ts'
import { certainOf, distanceOf, toleranceOf } from './distance.ts'
import { blockOf, type LocalState, localShape, localStateBytes, unpackLocalState } from './local-state.ts'

/** One worker's round, as the manifest records it: what is to be checked. */
export interface Claim {
  readonly worker: WorkerId
  readonly round: number
  readonly slot: number
  /** Inner steps that were asked of the worker. */
  readonly steps: number
  readonly entry: ManifestEntry
  /** θ at the round's start: known to every replica, so never taken from the worker. */
  readonly theta: Float32Array
  /** Whether the worker's engine promises the same bits as the auditor's. */
  readonly sameEngineClass: boolean
}

export interface ReplayDependencies {
  readonly spec: Pick<RunSpec, 'train' | 'audit'>
  readonly session: TrainingSession
  readonly averaging: Averaging
  readonly batches: BatchSource
  readonly shards: readonly Uint8Array[]
  readonly moments: number
  /** Leading parameters that the program trains (program/parameter-table.ts). */
  readonly trainedCount: number
  /** Fetches a block that the worker must be able to serve. */
  fetch(cid: CidText, maxBytes: number): Promise<Uint8Array>
}

export interface Outcome {
  /** `unavailable`: what it should have served could not be had, or lies where honest engines rarely do: nothing is proven. */
  readonly outcome: 'verified' | 'refuted' | 'unavailable'
  readonly code:
    | 'OK'
    | 'OK_WITHIN_TOLERANCE'
    | 'STATE_UNAVAILABLE'
    | 'STATE_MALFORMED'
    | 'NOT_REPLAYABLE'
    | 'TRACE_WITHOUT_CONTRIBUTION'
    | 'SEGMENT_MISMATCH'
    | 'CONTRIBUTION_MISMATCH'
    | 'LOCAL_STATE_MISMATCH'
    | 'OUT_OF_TOLERANCE'
  /** The first segment that does not follow from the one before; null when all do. */
  readonly segment: number | null
  /** From the replay (verification/distance.ts) where bits are not comparable; null where they are. */
  readonly distance: number | null
}

/**
 * Replays one round of one worker from its committed local state and compares every boundary, the contribution and
 * the local state after it. Training, error feedback and compression are all covered: work that was not done, done
 * on other data, or swapped for somebody else's cannot give these hashes.
 */
export async function replayRound(
  claim: Claim,
  dependencies: ReplayDependencies,
  signal: AbortSignal,
): Promise<Outcome> {
  const { spec, session, averaging, batches, shards } = dependencies
  const { entry, round, slot, steps, theta } = claim
  const refuted = (code: Outcome['code'], segment: number | null = null): Outcome => ({
    outcome: code === 'STATE_UNAVAILABLE' ? 'unavailable' : 'refuted',
    code,
    segment,
    distance: null,
  })
  const contributionLeaf = entry.trace.at(-2)
  if (contributionLeaf !== digestHash(entry.contribution)) return refuted('TRACE_WITHOUT_CONTRIBUTION')
  const localDigest = entry.trace[0]!
  let local: LocalState
  try {
    local = await fetchLocalState(localDigest, claim, dependencies)
  } catch (error) {
    signal.throwIfAborted()
    return refuted(faultOfServing(error))
  }
  let replayed: RoundOutputs
  try {
    replayed = await trainRound(
      { spec, session, averaging, batches, round, slot, steps, shards, theta, local, localDigest },
      signal,
    )
  } catch (error) {
    // From θ, which is finite, only a poisoned local state diverges: nobody can have trained from it.
    const diverged = isMurmurError(error, 'TRAINING_DIVERGED')
    if (!diverged && !isMurmurError(error, 'UPDATE_NOT_FINITE')) throw error
    // Unless it is finite, and this engine computes in float16: that overflows where one that leaves the casts out does not.
    const mayBeOurs =
      diverged && spec.train.compute === 'f16' && !claim.sameEngineClass && isFiniteState(local)
    return { ...refuted('NOT_REPLAYABLE'), ...(mayBeOurs && { outcome: 'unavailable' }) }
  }
  const different = replayed.trace.findIndex((leaf, index) => leaf !== entry.trace[index])
  if (different === -1) return { outcome: 'verified', code: 'OK', segment: null, distance: null }
  if (!claim.sameEngineClass) {
    try {
      return await withinTolerance(claim, dependencies, replayed, local)
    } catch (error) {
      signal.throwIfAborted()
      return refuted(faultOfServing(error))
    }
  }
  const { segments } = spec.audit
  if (different <= segments) return refuted('SEGMENT_MISMATCH', different - 1)
  return refuted(different === segments + 1 ? 'CONTRIBUTION_MISMATCH' : 'LOCAL_STATE_MISMATCH')
}

/**
 * What a round accumulated, β e + Δ, is what it sent plus what it kept: both are claimed and committed, so the sum can
 * be compared with the replayed one without any bit having to match. So can the drift, from which its next round starts. All
 * of it against how far the replayed round moved the worker's parameters, which with fragments is less than Δ: distance.ts.
 */
async function withinTolerance(
  claim: Claim,
  dependencies: ReplayDependencies,
  replayed: RoundOutputs,
  start: LocalState,
): Promise<Outcome> {
  const { averaging, trainedCount, fetch } = dependencies
  const { compressor } = averaging
  const moving = (whole: Float32Array) => whole.subarray(0, movingOf(averaging, whole.length))
  const theta = moving(claim.theta)
  const { length: count, gather, scatter } = averagedPart(claim.round, averaging, claim.theta.length)
  const local = await fetchLocalState(claim.entry.trace.at(-1)!, claim, dependencies)
  const contribution = await fetch(claim.entry.contribution, claim.entry.contributionBytes)
  const kept = gather(local.errorFeedback)
  const keptByUs = gather(replayed.local.errorFeedback)
  const sent = toDense(compressor.decompress(contribution, count))
  const replayedSent = toDense(compressor.decompress(replayed.contribution, count))
  const accumulated = new Float32Array(theta.length)
  scatter(
    sent.map((value, i) => value + kept[i]! - (replayedSent[i]! + keptByUs[i]!)),
    accumulated,
  )
  const { errorFeedback, drift } = replayed.local
  // A verdict is a block, and dag-cbor has no NaN: what is not a number is no distance, and within no tolerance.
  const distance = distanceOf({
    ...{ theta, trainedCount, accumulated, kept: errorFeedback },
    moved: pseudoGradient(
      moving(startOf(claim.theta, start)),
      moving(replayed.end),
      new Float32Array(theta.length),
    ),
    drift: drift === null ? null : { claimed: local.drift!, replayed: drift },
  })
  if (distance !== null && distance <= toleranceOf(dependencies.spec.train))
    return { outcome: 'verified', code: 'OK_WITHIN_TOLERANCE', segment: null, distance }
  const outcome =
    distance !== null && distance <= certainOf(dependencies.spec.train) ? 'unavailable' : 'refuted'
  return { outcome, code: 'OUT_OF_TOLERANCE', segment: null, distance }
}

async function fetchLocalState(
  digest: Hash,
  { theta }: Claim,
  dependencies: ReplayDependencies,
): Promise<LocalState> {
  const { moments, averaging, fetch } = dependencies
  const shape = localShape({ parameterCount: theta.length, moments }, averaging)
  return unpackLocalState(await fetch(blockOf(digest), localStateBytes(shape)), shape)
}

/** What a worker is told whose block could not be had or read. Anything else is the auditor's own fault, and thrown. */
function faultOfServing(error: unknown): Outcome['code'] {
  if (isMurmurError(error, 'LOCAL_STATE_MALFORMED')) return 'STATE_MALFORMED'
  const timedOut = error instanceof Error && error.name === 'TimeoutError'
  if (timedOut || isMurmurError(error)) return 'STATE_UNAVAILABLE'
  throw error
}

/** Whether any engine can have trained from it. */
const isFiniteState = ({ moments, errorFeedback, drift }: LocalState): boolean =>
  [...moments, errorFeedback, ...(drift === null ? [] : [drift])].every((vector) =>
    vector.every((value) => Number.isFinite(value)),
  )
