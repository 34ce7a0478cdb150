import { applyRound, decodeContributions } from '../aggregation/apply-round.ts'
import { contentId } from '../protocol/content-id.ts'
import { errorText, isMurmurError, MurmurError, type Verdict } from '../protocol/errors.ts'
import type { CidText, Hash, WorkerId } from '../protocol/ids.ts'
import { maxGossipBytes } from '../protocol/limits.ts'
import { openManifest, readManifest } from '../protocol/manifest.ts'
import { decode, encode, type Gossip, type RoundManifest } from '../protocol/wire.ts'
import {
  emptyLocalState,
  type LocalState,
  localStateDigest,
  packLocalState,
} from '../verification/local-state.ts'
import { rebuild } from './catch-up.ts'
import type { TrainingSession } from './engine/engine.ts'
import { initialWorkerState, type WorkerEffect, type WorkerEvent, type WorkerState } from './round/state.ts'
import { outstanding, step } from './round/step.ts'
import { RunBlocks, type RunBlocksDependencies } from './run-blocks.ts'
import { fetchShards, type RunContext } from './run-context.ts'
import { trainRound } from './train-round.ts'

export interface WorkerRunOptions {
  readonly context: RunContext
  readonly head: WorkerId
  readonly term: number
  readonly topic: string
}

export interface WorkerRunDependencies extends RunBlocksDependencies {
  readonly session: TrainingSession
  /** 32 random bytes. */
  randomSalt(): Hash
  now(): number
  writeCheckpoint(theta: Float32Array, manifest: RoundManifest, parent: CidText | null): Promise<CidText>
  readCheckpoint(cid: CidText, signal: AbortSignal): Promise<Float32Array>
  log(code: string, text: string): void
  /** How a round is trained; the engine's own way, unless a test wants a worker that cheats. */
  readonly train?: typeof trainRound
}

/** A local state that was trained but not yet admitted, beside the one to go back to. */
interface Pending {
  readonly round: number
  readonly local: LocalState
  readonly digest: Hash
}

/** One run on a worker: feeds the round state machine and performs its effects. */
export class WorkerRun {
  readonly #options: WorkerRunOptions
  readonly #dependencies: WorkerRunDependencies
  readonly #abort = new AbortController()
  readonly #blocks: RunBlocks
  #state: WorkerState
  #theta: Float32Array
  #local: LocalState
  #localDigest: Hash
  /** The newest manifest's block, as the head sent it. */
  #signed: Uint8Array = new Uint8Array()
  #pending: Pending | null = null
  /** The newest checkpoint of the run. */
  #checkpoint: CidText | null
  #training: AbortController | null = null
  #trained: Promise<void> = Promise.resolve()
  #progress = { step: 0, lossNats: 0, tokensPerSecond: 0 }
  #ended = Promise.withResolvers<string>()

  private constructor(options: WorkerRunOptions, dependencies: WorkerRunDependencies, start: Start) {
    this.#options = options
    this.#dependencies = dependencies
    // What audits of this epoch and the one before may ask for.
    this.#blocks = new RunBlocks(2 * options.context.spec.train.roundsPerEpoch, dependencies)
    this.#theta = start.theta
    this.#checkpoint = start.checkpoint
    this.#local = start.local
    this.#localDigest = start.localDigest
    this.#state = initialWorkerState({
      self: dependencies.network.self,
      run: options.context.run,
      head: options.head,
      term: options.term,
      round: start.round,
      stateRoot: start.stateRoot,
      newest: start.newest,
    })
  }

  /** Warms up: rebuilds θ as of `newest`, starts from an empty local state, and joins the run's topic. */
  static async open(
    options: WorkerRunOptions,
    dependencies: WorkerRunDependencies,
    newest: CidText | null,
    signal: AbortSignal,
  ): Promise<WorkerRun> {
    const { model } = options.context
    const rebuilt = await rebuild(newest, { options, dependencies, signal })
    const local = emptyLocalState(model.parameterCount, model.moments)
    const block = packLocalState(local)
    const cid = contentId(block, 'raw')
    await dependencies.blocks.put(cid, block)
    const run = new WorkerRun(options, dependencies, {
      ...rebuilt,
      local,
      localDigest: localStateDigest(block),
    })
    await dependencies.network.subscribe(
      options.topic,
      ({ author, data }) => run.offer(author, data),
      () => {},
    )
    return run
  }

  /** Resolves with the reason when the head ends the run or this worker withdraws from it. */
  get ended(): Promise<string> {
    return this.#ended.promise
  }

  get phase(): string {
    return this.#state.phase.kind
  }

  get progress() {
    return { round: this.#state.round, ...this.#progress }
  }

  outstanding(): Uint8Array {
    const message = outstanding(this.#state)
    return message === null ? new Uint8Array() : encode('Gossip', message)
  }

  offer(author: WorkerId, data: Uint8Array): Verdict {
    if (data.length === 0) return 'ignore'
    let message: Gossip
    try {
      message = decode('Gossip', data, maxGossipBytes)
      if (message.body.kind === 'manifest') readManifest(message.body.signedManifest)
    } catch (error) {
      return isMurmurError(error) ? error.verdict : 'reject'
    }
    const verdict = this.#dispatch({ kind: 'message', author, message })
    if (verdict === 'accept' && message.body.kind === 'manifest') {
      // In the order of arrival, so that the next round's opening finds this one applied or under way. The gossip is
      // the head's own; that the manifest carries its signature too is checked before it is applied.
      const { signedManifest } = message.body
      const cid = contentId(signedManifest, 'raw')
      this.#signed = signedManifest
      this.#dispatch({ kind: 'manifest', manifest: readManifest(signedManifest).manifest, cid })
    }
    return verdict
  }

  async close(): Promise<void> {
    this.#abort.abort(new Error('the worker leaves the run'))
    this.#training?.abort(new Error('the worker leaves the run'))
    this.#dependencies.network.unsubscribe(this.#options.topic)
    this.#ended.resolve('closed')
    await this.#trained
    await this.#dependencies.session.close()
  }

  #dispatch(event: WorkerEvent): Verdict {
    const { state, effects, judgement } = step(this.#state, event)
    this.#state = state
    for (const effect of effects) this.#perform(effect)
    return judgement.verdict
  }

  #perform(effect: WorkerEffect): void {
    const { log } = this.#dependencies
    switch (effect.kind) {
      case 'train':
        this.#train(effect.round, effect.slot, effect.memberCount)
        return
      case 'stop-training':
        this.#training?.abort(
          new MurmurError('ROUND_OVER', { message: 'the round ended without this worker', next: 'none' }),
        )
        return
      case 'publish':
        this.#dependencies.network
          .publish(this.#options.topic, encode('Gossip', effect.message))
          .catch((error) => {
            log('PUBLISH_FAILED', String(error))
          })
        return
      case 'apply':
        void this.#apply(effect.manifest, effect.admitted)
        return
      case 'catch-up':
        void this.#catchUp(effect.target)
        return
      case 'end':
        this.#ended.resolve(effect.reason)
        return
      case 'withdraw':
        log(effect.code, effect.text)
        this.#ended.resolve(effect.text)
        return
      case 'note':
        log(effect.code, effect.text)
        return
      default:
        effect satisfies never
    }
  }

  #train(round: number, slot: number, memberCount: number): void {
    const { context } = this.#options
    const { session, randomSalt, now, train = trainRound } = this.#dependencies
    const training = new AbortController()
    this.#training = training
    const signal = AbortSignal.any([training.signal, this.#abort.signal])
    const work = async () => {
      const shards = await fetchShards(context, { slot, members: memberCount }, (cid, maxBytes) =>
        this.#blocks.fetch(cid, maxBytes, signal),
      )
      const started = now()
      const { spec, compressor } = context
      const output = await train(
        {
          spec,
          session,
          compressor,
          round,
          slot,
          shards,
          theta: this.#theta,
          local: this.#local,
          localDigest: this.#localDigest,
        },
        signal,
        ({ step: done, lossNats }) => {
          const tokens = done * spec.train.batch * spec.model.context
          this.#progress = {
            step: done,
            lossNats,
            tokensPerSecond: tokens / Math.max(1e-3, (now() - started) / 1000),
          }
        },
      )
      const contribution = contentId(output.contribution, 'raw')
      const localCid = contentId(output.localBlock, 'raw')
      await this.#blocks.keep(
        round,
        new Map([
          [contribution, output.contribution],
          [localCid, output.localBlock],
        ]),
      )
      signal.throwIfAborted()
      this.#pending = { round, local: output.local, digest: output.trace.at(-1)! }
      this.#dispatch({
        kind: 'trained',
        round,
        trained: {
          contribution,
          contributionBytes: output.contribution.length,
          trace: output.trace,
          tokens: output.tokens,
          lossNats: output.lossNats,
          salt: randomSalt(),
        },
      })
    }
    // A round that was broken off lets go of the session first.
    this.#trained = this.#trained.then(work).catch((error: unknown) => {
      if (signal.aborted) return
      const code = isMurmurError(error) ? error.code : 'TRAINING_FAILED'
      this.#dispatch({ kind: 'train-failed', round, code, text: errorText(error) })
    })
  }

  async #apply(manifest: RoundManifest, admitted: boolean): Promise<void> {
    const { context } = this.#options
    const { blocks, writeCheckpoint } = this.#dependencies
    const { round, entries } = manifest
    const signed = this.#signed
    try {
      await openManifest(signed, this.#options.head, (...of) => this.#dependencies.network.verify(...of))
      await blocks.put(contentId(signed, 'raw'), signed)
      const contributions = await Promise.all(
        entries.map(async ({ contribution, contributionBytes, tokens, worker }) => {
          const bytes = await this.#blocks.fetch(contribution, contributionBytes, this.#abort.signal, worker)
          return { cid: contribution, bytes, tokens }
        }),
      )
      await this.#blocks.keep(round, new Map(contributions.map(({ cid, bytes }) => [cid, bytes])))
      const updates = decodeContributions(context.compressor, this.#theta.length, contributions)
      const next = applyRound(this.#theta, updates, context.spec.averaging.outerLearningRate)
      const right = next.stateRoot === manifest.stateRoot
      const checkpoint =
        right && manifest.checkpoint !== null
          ? await writeCheckpoint(next.theta, manifest, this.#checkpoint)
          : null
      if (right) {
        this.#theta = next.theta
        this.#checkpoint = checkpoint ?? this.#checkpoint
        if (admitted && this.#pending?.round === round) {
          this.#local = this.#pending.local
          this.#localDigest = this.#pending.digest
        }
        this.#pending = null
        this.#progress = { ...this.#progress, step: 0 }
      }
      this.#dispatch({ kind: 'applied', round, stateRoot: next.stateRoot, checkpoint })
    } catch (error) {
      if (!this.#abort.signal.aborted) this.#dispatch({ kind: 'apply-failed', round, text: errorText(error) })
    }
  }

  async #catchUp(target: CidText | null): Promise<void> {
    try {
      const rebuilt = await rebuild(target, {
        options: this.#options,
        dependencies: this.#dependencies,
        signal: this.#abort.signal,
      })
      this.#theta = rebuilt.theta
      this.#checkpoint = rebuilt.checkpoint
      await this.#adoptLocalState(rebuilt.manifests)
      const { round, stateRoot, newest } = rebuilt
      this.#dispatch({ kind: 'caught-up', round, stateRoot, newest })
    } catch (error) {
      if (!this.#abort.signal.aborted) this.#dispatch({ kind: 'catch-up-failed', text: errorText(error) })
    }
  }

  /**
   * After a rebuild: goes on from the local state of the pending round when it turns out to have been admitted, and
   * from the one before when it was refused. Where the manifests don't tell, only the empty one is sure to be accepted.
   */
  async #adoptLocalState(manifests: readonly RoundManifest[]): Promise<void> {
    const pending = this.#pending
    this.#pending = null
    if (pending === null) return
    const manifest = manifests.find(({ round }) => round === pending.round)
    const entry = manifest?.entries.find(({ worker }) => worker === this.#dependencies.network.self)
    if (entry?.trace.at(-1) === pending.digest) {
      this.#local = pending.local
      this.#localDigest = pending.digest
    } else if (manifest === undefined) {
      const { model } = this.#options.context
      this.#local = emptyLocalState(model.parameterCount, model.moments)
      const block = packLocalState(this.#local)
      await this.#dependencies.blocks.put(contentId(block, 'raw'), block)
      this.#localDigest = localStateDigest(block)
      this.#dependencies.log(
        'LOCAL_STATE_RESET',
        'starting again from an empty optimizer state and error feedback',
      )
    }
  }
}

interface Start {
  readonly theta: Float32Array
  readonly stateRoot: Hash
  readonly round: number
  readonly newest: CidText | null
  readonly checkpoint: CidText | null
  readonly local: LocalState
  readonly localDigest: Hash
}
