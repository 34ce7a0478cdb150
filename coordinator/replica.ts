import { setImmediate } from 'node:timers/promises'
import { admitInTurns, type Submission } from '../aggregation/admission.ts'
import { applyRound } from '../aggregation/apply-round.ts'
import { type Averaging, averagedPart, trainingBase } from '../aggregation/averaging.ts'
import type { ReplicaState } from '../aggregation/replica-state.ts'
import { closeRound } from '../aggregation/shared-average.ts'
import { roundUpdates } from '../checkpoints/round-updates.ts'
import { contentId } from '../protocol/content-id.ts'
import { MurmurError } from '../protocol/errors.ts'
import type { CidText, Hash, WorkerId } from '../protocol/ids.ts'
import type { RoundManifest } from '../protocol/wire.ts'
import type { Reveal, RoundEvent } from './round/state.ts'

export interface ReplicaDependencies {
  readonly averaging: Averaging
  readonly fetchTimeoutMs: number
  /** Fetches a contribution from its worker first, and an average, which has none, from anybody. */
  fetch(worker: WorkerId | null, cid: CidText, maxBytes: number, signal: AbortSignal): Promise<Uint8Array>
  /** Stores a block that this head has made. */
  keep(cid: CidText, block: Uint8Array): Promise<void>
  /** Writes the checkpoint that closes an epoch; every replica gets the same CID for it. */
  writeCheckpoint(state: ReplicaState, round: number, stateRoot: Hash): Promise<CidText>
}

/** What a reveal, or an entry of a manifest, says of a contribution. */
type Contribution = Pick<Reveal, 'contribution' | 'contributionBytes' | 'tokens'>
type Aggregated = Extract<RoundEvent, { kind: 'aggregated' }>

/**
 * The head's own copy of θ: it fetches what was revealed (so that nothing is admitted that others could not get),
 * admits, aggregates, and knows the root that it signs. It keeps the θ each round started from until its epoch is settled,
 * since an audit begins there.
 */
export class HeadReplica {
  #state: ReplicaState
  readonly #starts: Map<number, Float32Array>
  /** θ after each of them. */
  readonly #ends = new Map<number, Float32Array>()
  readonly #dependencies: ReplicaDependencies

  /** `starts`: what each round trains from whose epoch is not settled yet, the newest that of `state`. */
  constructor(
    state: ReplicaState,
    starts: ReadonlyMap<number, Float32Array>,
    dependencies: ReplicaDependencies,
  ) {
    this.#state = state
    this.#starts = new Map(starts)
    this.#ends.set(Math.max(...this.#starts.keys()) - 1, state.theta)
    this.#dependencies = dependencies
  }

  get theta(): Float32Array {
    return this.#state.theta
  }

  /** What a round trains from whose epoch is not settled yet. */
  startOf(round: number): Float32Array | undefined {
    return this.#starts.get(round)
  }

  /** θ after a round whose epoch is not settled yet; after a restart only of the newest. */
  endOf(round: number): Float32Array | undefined {
    return this.#ends.get(round)
  }

  /** Lets go of what rounds before `round` started from: their epochs are settled. */
  forgetBefore(round: number): void {
    for (const kept of [...this.#starts.keys()]) if (kept < round) this.#starts.delete(kept)
    for (const kept of [...this.#ends.keys()]) if (kept < round - 1) this.#ends.delete(kept)
  }

  async aggregate(
    round: number,
    reveals: readonly { readonly worker: WorkerId; readonly reveal: Contribution }[],
    closesEpoch: boolean,
    signal: AbortSignal,
  ): Promise<Aggregated> {
    const { averaging } = this.#dependencies
    const fetched = await Promise.all(
      reveals.map(({ worker, reveal }) => this.#fetch(round, worker, reveal, signal)),
    )
    const submissions = fetched.filter((result): result is Submission => 'bytes' in result)
    const unavailable = fetched.flatMap((result) => ('code' in result ? [result] : []))
    const { compressor } = averaging
    const { length } = averagedPart(round, averaging, this.theta.length)
    const { admitted, refused } = await admitInTurns(
      submissions,
      { compressor, parameterCount: length },
      setImmediate,
    )
    const next = closeRound(this.#state, admitted, averaging, round)
    const average = next.average === null ? null : await this.#kept(next.average)
    const checkpoint = closesEpoch
      ? await this.#dependencies.writeCheckpoint(next.state, round, next.stateRoot)
      : null
    this.#state = next.state
    this.#starts.set(round + 1, trainingBase(next.state, averaging))
    this.#ends.set(round, next.state.theta)
    return {
      kind: 'aggregated',
      round,
      admitted: admitted.map(({ worker }) => worker),
      refused: [...unavailable, ...refused.map(({ worker, code }) => ({ worker, code }))],
      stateRoot: next.stateRoot,
      checkpoint,
      average,
    }
  }

  async #kept(block: Uint8Array): Promise<Aggregated['average']> {
    const cid = contentId(block, 'raw')
    await this.#dependencies.keep(cid, block)
    return { cid, bytes: block.length }
  }

  /**
   * Applies a round whose manifest is known already: one that this head was publishing when it stopped, or that another
   * one led. Its parts may be had from anybody.
   * @throws MurmurError HISTORY_BROKEN when it leads to another root here, and what roundUpdates throws
   */
  async follow(manifest: RoundManifest, signal: AbortSignal): Promise<void> {
    const { round, stateRoot, closesEpoch } = manifest
    if (this.#starts.has(round + 1)) return
    const { averaging, fetch, keep, writeCheckpoint } = this.#dependencies
    const updates = await roundUpdates(manifest, {
      ...{ averaging, parameterCount: this.theta.length, keep },
      fetch: ({ worker, cid, maxBytes }) => fetch(worker, cid, maxBytes, signal),
    })
    const next = applyRound(this.#state, updates, averaging, round)
    if (next.stateRoot !== stateRoot) {
      throw new MurmurError('HISTORY_BROKEN', {
        message: `round ${round} leads to another root than its manifest says`,
        next: 'the head that signed it or this one is faulty; see the logs of both',
        exit: 'verification',
      })
    }
    if (closesEpoch) await writeCheckpoint(next.state, round, stateRoot)
    this.#state = next.state
    this.#starts.set(round + 1, trainingBase(next.state, averaging))
    this.#ends.set(round, next.state.theta)
  }

  async #fetch(
    round: number,
    worker: WorkerId,
    { contribution, contributionBytes, tokens }: Contribution,
    signal: AbortSignal,
  ): Promise<Submission | { worker: WorkerId; code: string }> {
    const { averaging } = this.#dependencies
    const due = averagedPart(round, averaging, this.theta.length).length
    const maxBytes = Math.min(contributionBytes, averaging.compressor.maxBytes(due))
    const timed = AbortSignal.any([signal, AbortSignal.timeout(this.#dependencies.fetchTimeoutMs)])
    try {
      const bytes = await this.#dependencies.fetch(worker, contribution, maxBytes, timed)
      return { worker, contribution, bytes, tokens }
    } catch (error) {
      signal.throwIfAborted()
      return { worker, code: error instanceof MurmurError ? error.code : 'BLOCK_UNAVAILABLE' }
    }
  }
}
