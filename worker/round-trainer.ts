import { contentId } from '../protocol/content-id.ts'
import { MurmurError } from '../protocol/errors.ts'
import type { Hash } from '../protocol/ids.ts'
import type { TrainingSession } from './engine/engine.ts'
import type { Held } from './local-states.ts'
import type { Place, TrainedRound } from './round/state.ts'
import type { RunBlocks } from './run-blocks.ts'
import { fetchShards, type RunContext } from './run-context.ts'
import { trainRound } from './train-round.ts'

/** All that decides what a round of training yields. */
export interface TrainingJob {
  readonly round: number
  readonly place: Place
  readonly base: Float32Array
  readonly held: Held
}

export interface RoundTraining {
  readonly trained: TrainedRound
  /** What this worker goes on from when the round admits it. */
  readonly held: Held
}

export interface RoundTrainerDependencies {
  readonly context: RunContext
  readonly session: TrainingSession
  readonly blocks: RunBlocks
  /** 32 random bytes. */
  randomSalt(): Hash
  now(): number
  readonly train?: typeof trainRound
}

interface Work {
  readonly job: TrainingJob
  readonly controller: AbortController
  readonly result: Promise<RoundTraining>
  progress: Progress
  hasFailed: boolean
  /** Milliseconds that its inner steps have taken. */
  computedMs: number
}

interface Progress {
  readonly step: number
  readonly lossNats: number
  readonly tokensPerSecond: number
}

const idle: Progress = { step: 0, lossNats: 0, tokensPerSecond: 0 }

/**
 * Trains rounds on one session, one after the other. With eager updates a round can be begun before the head has opened
 * it, as it would be if nothing changed; when the head then asks for just that, the work is done or under way already.
 */
export class RoundTrainer {
  readonly #dependencies: RoundTrainerDependencies
  #current: Work | null = null
  #ahead: Work | null = null
  /** Until the session is free. */
  #free: Promise<unknown> = Promise.resolve()
  #computedMs = 0
  #beganMs: number | null = null

  constructor(dependencies: RoundTrainerDependencies) {
    this.#dependencies = dependencies
  }

  /** Of the round that the head asked for last. */
  get progress(): Progress {
    return this.#current?.progress ?? idle
  }

  /** Share of the time since the first round was begun in which it computed what counted; 0 before. */
  get utilization(): number {
    if (this.#beganMs === null) return 0
    const running = this.#current?.computedMs ?? 0
    return Math.min(1, (this.#computedMs + running) / Math.max(1, this.#dependencies.now() - this.#beganMs))
  }

  /** Trains a round that the head has opened. Rejects when `stop` is called first, and with what training throws. */
  async train(job: TrainingJob): Promise<RoundTraining> {
    const ahead = this.#ahead
    this.#ahead = null
    // What failed ahead may go now: a shard that nobody had, a disk that was full.
    const fits = ahead !== null && !ahead.hasFailed && isSame(ahead.job, job)
    if (!fits) ahead?.controller.abort(overtaken())
    const work = fits ? ahead : this.#begin(job)
    this.#beganMs ??= this.#dependencies.now()
    this.#current = work
    try {
      return await work.result
    } finally {
      this.#computedMs += work.computedMs
      work.computedMs = 0
    }
  }

  /** Begins a round that the head has not opened yet. */
  begin(job: TrainingJob): void {
    this.#ahead?.controller.abort(overtaken())
    this.#ahead = this.#begin(job)
  }

  /** Breaks off what is under way. */
  stop(reason: Error): void {
    this.#current?.controller.abort(reason)
    this.#ahead?.controller.abort(reason)
    this.#ahead = null
  }

  async close(): Promise<void> {
    this.stop(new Error('the worker leaves the run'))
    await this.#free
    await this.#dependencies.session.close()
  }

  #begin(job: TrainingJob): Work {
    const controller = new AbortController()
    const work: Work = {
      job,
      controller,
      progress: idle,
      hasFailed: false,
      computedMs: 0,
      result: this.#run(job, () => work),
    }
    // It may never be asked for.
    work.result.catch(() => {
      work.hasFailed = true
    })
    return work
  }

  #run({ round, place, base, held }: TrainingJob, workOf: () => Work): Promise<RoundTraining> {
    const { context, session, blocks, randomSalt, now, train = trainRound } = this.#dependencies
    const { spec, averaging, batches } = context
    const run = async (): Promise<RoundTraining> => {
      const work = workOf()
      const { signal } = work.controller
      signal.throwIfAborted()
      const shards = await fetchShards(
        context,
        { slot: place.slot, members: place.memberCount },
        (cid, max) => blocks.fetch(cid, max, signal),
      )
      const { slot, steps } = place
      const { local, digest } = held
      const inputs = {
        ...{ spec, session, averaging, batches, round, slot, steps, shards },
        theta: base,
        local,
      }
      const started = now()
      const output = await train({ ...inputs, localDigest: digest }, signal, ({ step, lossNats }) => {
        work.computedMs = now() - started
        const tokens = step * batches.tokensPerStep
        work.progress = { step, lossNats, tokensPerSecond: (1000 * tokens) / Math.max(1, work.computedMs) }
      })
      work.computedMs = now() - started
      const contribution = contentId(output.contribution, 'raw')
      const localBlock = contentId(output.localBlock, 'raw')
      await blocks.keep(
        round,
        new Map([
          [contribution, output.contribution],
          [localBlock, output.localBlock],
        ]),
      )
      signal.throwIfAborted()
      const { trace, tokens, lossNats } = output
      return {
        held: { local: output.local, digest: trace.at(-1)!, round },
        trained: {
          ...{ contribution, contributionBytes: output.contribution.length, trace, tokens, lossNats },
          salt: randomSalt(),
        },
      }
    }
    // A round that was broken off lets go of the session first.
    const result = this.#free.then(run)
    this.#free = result.catch(() => {})
    return result
  }
}

function isSame(a: TrainingJob, b: TrainingJob): boolean {
  const { slot, memberCount, steps } = a.place
  return (
    a.round === b.round &&
    slot === b.place.slot &&
    memberCount === b.place.memberCount &&
    steps === b.place.steps &&
    a.base === b.base &&
    a.held.digest === b.held.digest
  )
}

const overtaken = () =>
  new MurmurError('ROUND_OVERTAKEN', { message: 'the head opened another round than expected', next: 'none' })
