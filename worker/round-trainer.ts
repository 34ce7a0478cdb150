import { MurmurError } from '../protocol/errors.ts'
import type { Hash } from '../protocol/ids.ts'
import { blockOf, packLocalState } from '../verification/local-state.ts'
import type { TrainingSession } from './engine/engine.ts'
import type { Held } from './local-states.ts'
import type { Place, TrainedRound } from './round/state.ts'
import type { RunBlocks } from './run-blocks.ts'
import { fetchShards, type RunContext } from './run-context.ts'
import { type RoundEnd, type RoundOutputs, type StepProgress, trainRound } from './train-round.ts'

/** All that decides what a round of training yields. */
export interface TrainingJob {
  readonly round: number
  readonly place: Place
  readonly base: Float32Array
  readonly held: Pick<Held, 'local'> & { readonly digest: Hash | Promise<Hash> }
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
  /** When it lets go of the session: what it made goes on to be hashed and stored. */
  readonly made: Promise<RoundEnd>
  readonly result: Promise<RoundTraining>
  progress: Progress
  hasFailed: boolean
  /** Milliseconds that its inner steps have taken so far. */
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
 *
 * The next round trains while the one before it is stored.
 */
export class RoundTrainer {
  readonly #dependencies: RoundTrainerDependencies
  #current: Work | null = null
  #ahead: Work | null = null
  /** Until the session is free. */
  #free: Promise<void> = Promise.resolve()
  /** Until nothing is being stored any more either. */
  #settled: Promise<void> = Promise.resolve()
  #computedMs = 0
  #beganMs: number | null = null
  /** Whose steps the engine has to take, and when it was given them or ended the last one. */
  #stepping: { readonly work: Work; readonly sinceMs: number } | null = null

  constructor(dependencies: RoundTrainerDependencies) {
    this.#dependencies = dependencies
  }

  /** Of the round that the head asked for last. */
  get progress(): Progress {
    return this.#current?.progress ?? idle
  }

  /**
   * Share of the time since the first round was begun that the engine was in inner steps, but for those of rounds that were broken
   * off; 0 before. What lies between the steps does not count: writing and reading the state, hashing, compressing, packing, storing and waiting.
   * A step that is under way is told once it has ended: until then the time ends with the one before it.
   */
  get utilization(): number {
    if (this.#beganMs === null) return 0
    const computedMs = this.#computedMs + (this.#current?.computedMs ?? 0) + (this.#ahead?.computedMs ?? 0)
    const untilMs = this.#stepping?.sinceMs ?? this.#dependencies.now()
    return Math.min(1, computedMs / Math.max(1, untilMs - this.#beganMs))
  }

  /**
   * Trains a round that the head has opened. Rejects when `stop` is called first, and with what training throws.
   * @param following the round after it, of what this one leaves the worker with: begun as soon as the session is free
   */
  async train(
    job: TrainingJob,
    following?: (held: TrainingJob['held']) => TrainingJob,
  ): Promise<RoundTraining> {
    const ahead = this.#ahead
    this.#ahead = null
    // What failed ahead may go now: a shard that nobody had, a disk that was full.
    const fits = ahead !== null && !ahead.hasFailed && isSame(ahead.job, job)
    if (!fits) ahead?.controller.abort(overtaken())
    const work = fits ? ahead : this.#begin(job)
    this.#beganMs ??= this.#dependencies.now()
    this.#current = work
    if (following !== undefined) void this.#follow(work, following)
    try {
      const training = await work.result
      this.#computedMs += work.computedMs
      return training
    } finally {
      work.computedMs = 0
    }
  }

  async #follow(work: Work, following: (held: TrainingJob['held']) => TrainingJob): Promise<void> {
    const end = await work.made.catch(() => null)
    const isNewest = this.#current === work && !work.controller.signal.aborted
    if (end === null || !isNewest) return
    this.begin(following({ local: end.local, digest: end.localDigest }))
    const ahead = this.#ahead
    // What could not be stored is not admitted, and nothing goes on from it.
    work.result.catch((error: unknown) => {
      ahead?.controller.abort(error)
      if (this.#ahead === ahead) this.#ahead = null
    })
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
    await this.#settled
    await this.#dependencies.session.close()
  }

  #begin(job: TrainingJob): Work {
    const controller = new AbortController()
    // A round that was broken off lets go of the session first.
    const made = Promise.withResolvers<RoundEnd>()
    const output = this.#free.then(() => this.#make(job, work, made.resolve))
    output.catch(made.reject)
    const result = output.then((of) => this.#store(job, of, controller.signal))
    const work: Work = {
      ...{ job, controller, made: made.promise, result },
      ...{ progress: idle, hasFailed: false, computedMs: 0 },
    }
    this.#free = made.promise.then(
      () => {},
      () => {},
    )
    // It may never be asked for.
    const settled = result.then(
      () => {},
      () => {
        work.hasFailed = true
      },
    )
    this.#settled = this.#settled.then(() => settled)
    return work
  }

  async #make(
    { round, place, base, held }: TrainingJob,
    work: Work,
    letGo: (end: RoundEnd) => void,
  ): Promise<RoundOutputs> {
    const { context, session, blocks, now, train = trainRound } = this.#dependencies
    const { spec, averaging, batches } = context
    const { signal } = work.controller
    signal.throwIfAborted()
    const { slot, memberCount, steps } = place
    const shards = await fetchShards(context, { slot, members: memberCount }, (cid, max) =>
      blocks.fetch(cid, max, signal),
    )
    const inputs = {
      ...{ spec, session, averaging, batches, round, slot, steps, shards },
      ...{ theta: base, local: held.local, localDigest: held.digest },
    }
    const started = now()
    const onStep = ({ step, lossNats, tookMs }: StepProgress) => {
      work.computedMs += tookMs
      this.#stepping = step < steps ? { work, sinceMs: now() } : null
      const tokens = step * batches.tokensPerStep
      work.progress = { step, lossNats, tokensPerSecond: (1000 * tokens) / Math.max(1, now() - started) }
    }
    this.#stepping = { work, sinceMs: started }
    try {
      const output = await train(inputs, signal, onStep, letGo)
      // Nothing changes where it has been told already.
      letGo({ local: output.local, localDigest: Promise.resolve(output.trace.at(-1)!) })
      return output
    } finally {
      if (this.#stepping?.work === work) this.#stepping = null
    }
  }

  /** With what the round began from: the round that last admitted this worker, and kept it, may be long over. */
  async #store(
    { round, held: start }: TrainingJob,
    output: RoundOutputs,
    signal: AbortSignal,
  ): Promise<RoundTraining> {
    const { blocks, randomSalt } = this.#dependencies
    const { trace, tokens, lossNats } = output
    const held: Held = { local: output.local, digest: trace.at(-1)!, round }
    const contribution = blockOf(trace.at(-2)!)
    await blocks.keep(
      round,
      new Map([
        [blockOf(await start.digest), () => packLocalState(start.local)],
        [contribution, () => output.contribution],
        [blockOf(held.digest), () => output.localBlock],
      ]),
    )
    signal.throwIfAborted()
    return {
      held,
      trained: {
        ...{ contribution, contributionBytes: output.contribution.length, trace, tokens, lossNats },
        salt: randomSalt(),
      },
    }
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
    a.held.local === b.held.local
  )
}

const overtaken = () =>
  new MurmurError('ROUND_OVERTAKEN', { message: 'the head opened another round than expected', next: 'none' })
