import { contentId } from '../protocol/content-id.ts'
import type { CidText, RunId, WorkerId } from '../protocol/ids.ts'
import { maxGossipBytes } from '../protocol/limits.ts'
import { signManifest } from '../protocol/manifest.ts'
import { topicOf } from '../protocol/topic.ts'
import { encode, type Gossip, type RoundManifest } from '../protocol/wire.ts'
import type { EpochQueue } from './epoch-queue.ts'
import type { RoundEffect, RoundEvent } from './round/state.ts'
import type { Failure } from './run-failure.ts'
import type { RunDependencies } from './run-ports.ts'
import { followRound } from './takeover.ts'

/** What performing needs of the run. */
export interface PerformedRun extends RunDependencies {
  readonly run: RunId
  readonly epochs: EpochQueue
  readonly signal: AbortSignal
  dispatch(event: RoundEvent): unknown
  /** Failures are the run's. */
  background(work: () => Promise<void>): void
  /** No more rounds: with a failure, or at their end. */
  ended(failure: Failure | null): void
}

/** Does what the round state machine asks for (round/state.ts, `RoundEffect`). */
export class EffectPerformer {
  readonly #run: PerformedRun
  #announcement: Uint8Array = new Uint8Array()
  #held: string | null = null

  constructor(run: PerformedRun) {
    this.#run = run
  }

  /** Why a finished round is not published yet. */
  get held(): string | null {
    return this.#held
  }

  /** Once nothing of what led to them can be forgotten any more. */
  async perform(effects: readonly RoundEffect[]): Promise<void> {
    await this.#run.journal.durable()
    if (this.#run.signal.aborted) return
    for (const effect of effects) this.#one(effect)
  }

  #one(effect: RoundEffect): void {
    const { notes, replica, deposed } = this.#run
    switch (effect.kind) {
      case 'broadcast':
        this.#run.background(() => this.#broadcast(effect.message))
        return
      case 'aggregate':
        this.#run.background(async () => {
          const { round, reveals, closesEpoch } = effect
          this.#run.dispatch(await replica.aggregate(round, reveals, closesEpoch, this.#run.signal))
        })
        return
      case 'publish-manifest':
        this.#run.background(() => this.#publish(effect.manifest))
        return
      case 'close-epoch':
        this.#run.epochs.settle(effect.epoch, effect.lastManifest)
        return
      case 'end':
        this.#run.ended(null)
        return
      case 'fail': {
        const { code, message } = effect
        this.#run.ended({ code, message, next: 'see `murmur logs RUN` and the head’s log' })
        return
      }
      case 'deposed':
        deposed(effect.term)
        return
      case 'note':
        notes.note(effect.code, effect.round, effect.worker, effect.text)
        return
      default:
        effect satisfies never
    }
  }

  async #broadcast(message: Gossip): Promise<void> {
    const { network, blocks, replica, notes } = this.#run
    if (
      message.body.kind === 'roundOpen' &&
      this.#run.log.book.heldOut.before === null &&
      message.body.round === 0
    )
      this.#run.background(() => this.measure('before', replica.theta))
    let data = encode('Gossip', message)
    if (data.length > maxGossipBytes) {
      const cid = contentId(data, 'raw')
      await blocks.put(cid, data)
      data = encode('Gossip', { ...message, body: { kind: 'large', cid, bytes: data.length } })
    }
    this.#announcement = data
    // Gossip that fails is repeated in every answer to a heartbeat.
    network.publish(topicOf(this.#run.run), data).catch((error: unknown) => {
      if (!this.#run.signal.aborted)
        notes.note(
          'PUBLISH_FAILED',
          message.body.kind === 'roundOpen' ? message.body.round : null,
          null,
          String(error),
        )
    })
  }

  /** Held-out loss and a sample of text; recorded, so that it is not measured twice. */
  async measure(what: 'before' | 'after', theta: Float32Array): Promise<void> {
    const { auditor, journal } = this.#run
    const { lossNats, accuracy } = await auditor.evaluate(theta)
    const measured = { what, epoch: null, lossNats, accuracy, text: await auditor.sample(theta) }
    this.#run.log.book.addMeasurement(measured)
    journal.append({ kind: 'measured', run: this.#run.run, ...measured })
  }

  async #publish(manifest: RoundManifest): Promise<void> {
    const { network, blocks } = this.#run
    const { signal } = this.#run
    // After a restart the manifest is known, but the replica has not followed it yet.
    await followRound(manifest, { ...this.#run, signal })
    // Audits lag behind training by one epoch at most: what they ask of workers is kept for two (worker-run.ts).
    if (manifest.closesEpoch) {
      this.#held = `epoch ${manifest.epoch + 1} ends when the epochs before it are audited and settled`
      await this.#run.epochs.idle()
      this.#held = null
    }
    signal.throwIfAborted()
    const block = await signManifest(manifest, network.self, (bytes) => network.sign(bytes))
    const cid = contentId(block, 'raw')
    await blocks.put(cid, block)
    this.#run.dispatch({ kind: 'published', round: manifest.round, cid, block })
  }

  /** The newest message to all, for a worker whose heartbeat does not show that it has heard it. */
  announcementFor(
    worker: WorkerId,
    told: {
      readonly phase: string
      readonly round: number
      readonly term: number
      readonly newest: CidText | null
    },
  ): Uint8Array {
    const { phase, round, term, parent, commits, reveals, refused } = this.#run.log.state
    const here = told.round === round && told.term === term && told.newest === parent
    const heard =
      phase.kind === 'train' || phase.kind === 'commit'
        ? here && (told.phase === 'training' || commits.has(worker))
        : phase.kind === 'reveal' && here && (reveals.has(worker) || refused.has(worker))
    return heard ? new Uint8Array() : this.#announcement
  }
}
