import { createHash } from 'node:crypto'
import { setImmediate } from 'node:timers/promises'
import type { Averaging } from '../aggregation/averaging.ts'
import { contribute, startOf } from '../aggregation/contribute.ts'
import { invariant } from '../protocol/errors.ts'
import type { Hash } from '../protocol/ids.ts'
import type { RunSpec } from '../protocol/run-spec.ts'
import { type LocalState, packLocalState } from '../verification/local-state.ts'
import { segmentEnd } from '../verification/trace.ts'
import type { BatchSource } from './data/batch-source.ts'
import type { TrainingSession, TrainState } from './engine/engine.ts'
import { oneAhead } from './engine/one-ahead.ts'
import { learningRateAt } from './learning-rate.ts'

/** Everything that decides what a round of training yields. Equal inputs on an equal engine give equal bytes. */
export interface RoundInputs {
  readonly spec: Pick<RunSpec, 'train' | 'audit'>
  readonly session: TrainingSession
  readonly averaging: Averaging
  readonly round: number
  readonly slot: number
  /** Inner steps asked of this worker: at most `train.innerSteps`. */
  readonly steps: number
  readonly batches: BatchSource
  /** The shards assigned to the slot, in assignment order. */
  readonly shards: readonly Uint8Array[]
  /** What the round's workers start from, N values: θ at its start, or with eager updates at the start of the one before. */
  readonly theta: Float32Array
  /** As unpacked from its block: already rounded to bf16. */
  readonly local: LocalState
  /** SHA-256 of that block; it may come while the round trains. */
  readonly localDigest: Hash | Promise<Hash>
}

export interface RoundOutputs {
  readonly contribution: Uint8Array
  readonly local: LocalState
  /** The packed local state after the round: the block that the next round starts from. */
  readonly localBlock: Uint8Array
  readonly trace: readonly Hash[]
  readonly tokens: number
  /** Mean training loss over the round's inner steps: nats a token or row, or a squared error. */
  readonly lossNats: number
  /** The parameters after the inner steps, frozen ones too. */
  readonly end: Float32Array
}

export interface StepProgress {
  readonly step: number
  readonly lossNats: number
  /** Milliseconds that the step took the engine. */
  readonly tookMs: number
}

/** What the next round starts from, and the digest of its block, which is still to come. */
export interface RoundEnd {
  readonly local: LocalState
  readonly localDigest: Promise<Hash>
}

/**
 * One round on one worker: `steps` inner steps from θ, then Δ = θ(start) − θ(end), error feedback and compression
 * (DiLoCo, arXiv 2311.08105, algorithm 1; SparseLoCo, arXiv 2508.15706, algorithm 1). The worker runs it to train,
 * the auditor runs the very same to check.
 *
 * The session has the next step before it is done with one, and the first of them right behind its state, so that it never waits
 * for this thread.
 * @param onEnd told when the session is free and what the next round starts from is known: it need not wait for the digests
 */
export async function trainRound(
  inputs: RoundInputs,
  signal: AbortSignal,
  onStep: (progress: StepProgress) => void = () => {},
  onEnd: (end: RoundEnd) => void = () => {},
): Promise<RoundOutputs> {
  const { spec, session, averaging, round, slot, steps, batches, shards, theta, local, localDigest } = inputs
  const { innerSteps, seed } = spec.train
  const { segments } = spec.audit
  const segmentEnds: Hash[] = []
  let lossSum = 0
  const boundaries = new Set(
    Array.from({ length: segments }, (_, segment) => segmentEnd(segment, segments, steps)),
  )
  const take = async (step: number) => {
    signal.throwIfAborted()
    const learningRate = learningRateAt(spec.train, round * innerSteps + step)
    const batch = batches.at({ seed, round, slot, step }, shards)
    return await Promise.all([
      // The session takes one after the other: the step is asked for without waiting for this.
      step === 0
        ? session.writeState({ params: startOf(theta, local), optimizer: local.moments, step: local.step })
        : null,
      session.step(batch, { learningRate, signal }),
      boundaries.has(step + 1) ? session.digest() : null,
      // Right behind the last digest, which may take longer.
      step + 1 === steps ? session.readState() : null,
    ])
  }
  let step = 0
  let end: TrainState | null = null
  for await (const [, { lossNats, tookMs }, boundary, read] of oneAhead(steps, take)) {
    signal.throwIfAborted()
    lossSum += lossNats
    step++
    if (boundary !== null) segmentEnds.push(boundary)
    end = read
    onStep({ step, lossNats, tookMs })
  }
  invariant(end !== null, 'a round has a step')
  const { bytes, ...kept } = contribute(theta, end.params, local, round, averaging)
  const next: LocalState = { step: end.step, moments: end.optimizer, ...kept }
  const localBlock = packLocalState(next)
  const contributionDigest = digestInTurns(bytes, signal)
  const nextDigest = contributionDigest.then(() => digestInTurns(localBlock, signal))
  // Whoever was told of the end may have no use for it any more.
  nextDigest.catch(() => {})
  onEnd({ local: next, localDigest: nextDigest })
  const trace = [await localDigest, ...segmentEnds, await contributionDigest, await nextDigest]
  return {
    contribution: bytes,
    local: next,
    localBlock,
    trace,
    tokens: steps * batches.tokensPerStep,
    lossNats: lossSum / steps,
    end: end.params,
  }
}

/** Bytes that take a few milliseconds. */
const turnBytes = 4 << 20

/** SHA-256, with room for others on this thread: a local state can take tenths of a second. Rejects when broken off. */
async function digestInTurns(bytes: Uint8Array, signal: AbortSignal): Promise<Hash> {
  const hash = createHash('sha256')
  for (let start = 0; start < bytes.length; start += turnBytes) {
    await setImmediate()
    signal.throwIfAborted()
    hash.update(bytes.subarray(start, start + turnBytes))
  }
  return `0x${hash.digest('hex')}`
}
