import { applyRound } from '../aggregation/apply-round.ts'
import { trainingBase } from '../aggregation/averaging.ts'
import type { ReplicaState } from '../aggregation/replica-state.ts'
import type { RoundPart } from '../aggregation/shared-average.ts'
import type { Rebuilt } from '../checkpoints/rebuild.ts'
import { roundUpdates } from '../checkpoints/round-updates.ts'
import { contentId } from '../protocol/content-id.ts'
import { errorText, isMurmurError, MurmurError, type Verdict } from '../protocol/errors.ts'
import type { CidText, Hash, WorkerId } from '../protocol/ids.ts'
import { maxAnnouncementBytes, maxGossipBytes } from '../protocol/limits.ts'
import { openManifest, readManifest } from '../protocol/manifest.ts'
import { leaderIndex } from '../protocol/term.ts'
import { decode, encode, type Gossip, type GossipBody, type RoundManifest } from '../protocol/wire.ts'
import { type LocalShape, localShape } from '../verification/local-state.ts'
import { AverageChecks } from './average-checks.ts'
import type { TrainingSession } from './engine/engine.ts'
import { emptyHeld, type Held, heldAfter } from './local-states.ts'
import { type RebuildRunDependencies, rebuildRun } from './rebuild-run.ts'
import { initialWorkerState, type WorkerEffect, type WorkerEvent, type WorkerState } from './round/state.ts'
import { outstanding, step } from './round/step.ts'
import { RoundTrainer, type TrainingJob } from './round-trainer.ts'
import { keptRounds, RunBlocks } from './run-blocks.ts'
import type { RunContext } from './run-context.ts'
import type { trainRound } from './train-round.ts'

export interface WorkerRunOptions {
  readonly context: RunContext
  /** In the order of their terms. */
  readonly heads: readonly WorkerId[]
  readonly term: number
  readonly topic: string
}

export interface WorkerRunDependencies extends RebuildRunDependencies {
  readonly session: TrainingSession
  /** 32 random bytes. */
  randomSalt(): Hash
  now(): number
  writeCheckpoint(state: ReplicaState, manifest: RoundManifest, parent: CidText | null): Promise<CidText>
  log(code: string, text: string): void
  /** How a round is trained; the engine's own way, unless a test wants a worker that cheats. */
  readonly train?: typeof trainRound
}

/** One run on a worker: feeds the round state machine and performs its effects. */
export class WorkerRun {
  readonly #options: WorkerRunOptions
  readonly #dependencies: WorkerRunDependencies
  readonly #abort = new AbortController()
  readonly #blocks: RunBlocks
  #state: WorkerState
  #replica: ReplicaState
  #held: Held
  /** The newest manifest's block, as the head sent it. */
  #signed: Uint8Array = new Uint8Array()
  /** Trained in a round that is not closed yet: held from then on, if the round admits it. */
  #pending: Held | null = null
  /** The newest checkpoint of the run. */
  #checkpoint: CidText | null
  readonly #trainer: RoundTrainer
  readonly #fetching = new Set<CidText>()
  readonly #averages: AverageChecks
  /** What may still write blocks, beside training. */
  readonly #underWay = new Set<Promise<void>>()
  #ended = Promise.withResolvers<string>()

  private constructor(options: WorkerRunOptions, dependencies: WorkerRunDependencies, start: Start) {
    this.#options = options
    this.#dependencies = dependencies
    const { spec, averaging } = options.context
    this.#blocks = new RunBlocks(dependencies, keptRounds(spec.train, averaging))
    this.#trainer = new RoundTrainer({ ...dependencies, context: options.context, blocks: this.#blocks })
    this.#averages = new AverageChecks({
      ...dependencies,
      context: options.context,
      fetch: (manifest, part) => this.#fetchPart(manifest, part),
      refuse: (round, code) => void this.#dispatch({ kind: 'average-refused', round, code }),
    })
    this.#replica = start.state
    this.#checkpoint = start.checkpoint
    this.#held = start.held
    this.#state = initialWorkerState({
      self: dependencies.network.self,
      run: options.context.run,
      heads: options.heads,
      term: options.term,
      appliedTerm: start.term,
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
    const rebuilt = await rebuildRun(newest, options.heads, options.context, dependencies, signal)
    const shape = localShape(model, options.context.averaging)
    const manifests = rebuilt.manifests.map(({ manifest }) => manifest)
    const self = dependencies.network.self
    const blocks = new RunBlocks(dependencies)
    const empty = await emptyHeld(blocks, shape)
    const found = await heldAfter({ self, manifests, candidates: [empty], blocks, shape })
    const held = found === null || found === 'unknown' ? empty : found
    if (held !== empty) dependencies.log('LOCAL_STATE_RESTORED', `as of round ${held.round}`)
    const run = new WorkerRun(options, dependencies, { ...rebuilt, held })
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

  /** The newest term heard of, and the newest manifest applied: what a head that takes over has to know. */
  get standing(): { readonly term: number; readonly newest: CidText | null } {
    return { term: this.#state.term, newest: this.#state.newest }
  }

  get #shape(): LocalShape {
    const { model, averaging } = this.#options.context
    return localShape(model, averaging)
  }

  setHeads(heads: readonly WorkerId[]): void {
    this.#dispatch({ kind: 'heads', heads })
  }

  get progress() {
    return { round: this.#state.round, ...this.#trainer.progress, utilization: this.#trainer.utilization }
  }

  outstanding(): Uint8Array {
    const message = outstanding(this.#state)
    return message === null ? new Uint8Array() : encode('Gossip', message)
  }

  offer(author: WorkerId, data: Uint8Array): Verdict {
    if (data.length === 0) return 'ignore'
    try {
      return this.#receive(author, decode('Gossip', data, maxGossipBytes))
    } catch (error) {
      return isMurmurError(error) ? error.verdict : 'reject'
    }
  }

  #receive(author: WorkerId, message: Gossip): Verdict {
    // Refused before it is judged: an accepted message is relayed.
    if (message.body.kind === 'manifest') readManifest(message.body.signedManifest)
    const verdict = this.#dispatch({ kind: 'message', author, message })
    if (verdict === 'accept' && message.body.kind === 'large')
      this.#inBackground(this.#fetchLarge(author, message.body))
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

  /** What was too long for gossip: the author vouches for the block by its CID. */
  async #fetchLarge(author: WorkerId, { cid, bytes }: Extract<GossipBody, { kind: 'large' }>): Promise<void> {
    if (bytes > maxAnnouncementBytes || this.#fetching.has(cid)) return
    this.#fetching.add(cid)
    try {
      const block = await this.#blocks.fetch(cid, bytes, this.#abort.signal, {
        first: author,
        round: this.#state.round,
      })
      const message = decode('Gossip', block, maxAnnouncementBytes)
      if (message.body.kind !== 'large') this.#receive(author, message)
    } catch (error) {
      if (!this.#abort.signal.aborted) this.#dependencies.log('ANNOUNCEMENT_UNAVAILABLE', errorText(error))
    } finally {
      // The head repeats it with every heartbeat: a block that could not be had is asked for again.
      this.#fetching.delete(cid)
    }
  }

  /** Resolves when nothing more is written for the run. */
  async close(): Promise<void> {
    this.#abort.abort(new Error('the worker leaves the run'))
    this.#trainer.stop(new Error('the worker leaves the run'))
    this.#dependencies.network.unsubscribe(this.#options.topic)
    this.#ended.resolve('closed')
    while (this.#underWay.size > 0) await Promise.all(this.#underWay)
    await this.#trainer.close()
  }

  #inBackground(work: Promise<void>): void {
    const settled = work.finally(() => this.#underWay.delete(settled))
    this.#underWay.add(settled)
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
        this.#train(effect)
        return
      case 'stop-training':
        this.#trainer.stop(
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
        this.#inBackground(this.#apply(effect.manifest, effect.admitted))
        return
      case 'catch-up':
        this.#inBackground(this.#catchUp(effect.target))
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

  #train({ round, slot, memberCount, steps }: Extract<WorkerEffect, { kind: 'train' }>): void {
    const { averaging, spec } = this.#options.context
    const place = { slot, memberCount, steps }
    const base = trainingBase(this.#replica, averaging)
    const work = async () => {
      const isLast = round + 1 === spec.train.roundsPerEpoch * spec.train.epochs
      // As the next round will be if this one admits what was trained and nobody comes or goes.
      const following = (after: TrainingJob['held']) => ({
        round: round + 1,
        place,
        base: this.#replica.theta,
        held: after,
      })
      const { trained, held } = await this.#trainer.train(
        { round, place, base, held: this.#held },
        averaging.eager && !isLast ? following : undefined,
      )
      this.#abort.signal.throwIfAborted()
      this.#pending = held
      this.#dispatch({ kind: 'trained', round, trained })
    }
    work().catch((error: unknown) => {
      if (this.#abort.signal.aborted || isMurmurError(error, 'ROUND_OVER')) return
      const code = isMurmurError(error) ? error.code : 'TRAINING_FAILED'
      this.#dispatch({ kind: 'train-failed', round, code, text: errorText(error) })
    })
  }

  async #apply(manifest: RoundManifest, admitted: boolean): Promise<void> {
    const { context } = this.#options
    const { writeCheckpoint } = this.#dependencies
    const { round } = manifest
    const signed = this.#signed
    try {
      await openManifest(signed, this.#state.heads, (...of) => this.#dependencies.network.verify(...of))
      await this.#blocks.put(contentId(signed, 'raw'), signed)
      await this.#blocks.dropBefore(round)
      const { averaging, model } = context
      const updates = await roundUpdates(manifest, {
        ...{ averaging, parameterCount: model.parameterCount },
        fetch: (part) => this.#fetchPart(manifest, part),
        keep: (cid, block) => this.#blocks.keep(round, new Map([[cid, () => block]])),
      })
      const next = applyRound(this.#replica, updates, averaging, round)
      const right = next.stateRoot === manifest.stateRoot
      const checkpoint =
        right && manifest.checkpoint !== null
          ? await writeCheckpoint(next.state, manifest, this.#checkpoint)
          : null
      if (right) {
        this.#replica = next.state
        this.#checkpoint = checkpoint ?? this.#checkpoint
        if (admitted) this.#held = await this.#heldSince(manifest)
        this.#pending = null
        this.#inBackground(this.#averages.perhaps(manifest, this.#abort.signal))
      }
      this.#dispatch({ kind: 'applied', round, stateRoot: next.stateRoot, checkpoint })
    } catch (error) {
      if (!this.#abort.signal.aborted) this.#dispatch({ kind: 'apply-failed', round, text: errorText(error) })
    }
  }

  async #fetchPart(
    { round, term }: RoundManifest,
    { cid, maxBytes, worker }: RoundPart,
  ): Promise<Uint8Array> {
    // An average is the signing head's.
    const first = worker ?? this.#state.heads[leaderIndex(term)]
    return await this.#blocks.fetch(cid, maxBytes, this.#abort.signal, { first, round })
  }

  /** After an admitted round: what it trained, or after a restart what this node has on its disk of it. */
  async #heldSince(manifest: RoundManifest): Promise<Held> {
    if (this.#pending?.round === manifest.round) return this.#pending
    const shape = this.#shape
    const { network } = this.#dependencies
    const blocks = this.#blocks
    const options = { self: network.self, manifests: [manifest], candidates: [this.#held] }
    const found = await heldAfter({ ...options, blocks, shape })
    return found === null || found === 'unknown' ? await emptyHeld(blocks, shape) : found
  }

  async #catchUp(target: CidText | null): Promise<void> {
    try {
      const rebuilt = await rebuildRun(
        target,
        this.#state.heads,
        this.#options.context,
        this.#dependencies,
        this.#abort.signal,
      )
      this.#replica = rebuilt.state
      this.#checkpoint = rebuilt.checkpoint
      await this.#adoptLocalState(rebuilt)
      const { round, stateRoot, newest, term } = rebuilt
      this.#dispatch({ kind: 'caught-up', round, stateRoot, newest, appliedTerm: term })
    } catch (error) {
      if (!this.#abort.signal.aborted) this.#dispatch({ kind: 'catch-up-failed', text: errorText(error) })
    }
  }

  /**
   * After a rebuild: goes on from the local state that this history leaves it with. Where the manifests don't tell, only
   * the empty one is sure to be accepted, unless what it holds is older than all of them and nothing was pending.
   */
  async #adoptLocalState({ manifests, round }: Rebuilt): Promise<void> {
    const pending = this.#pending
    this.#pending = null
    const shape = this.#shape
    const { network, log } = this.#dependencies
    const blocks = this.#blocks
    const found = await heldAfter({
      self: network.self,
      manifests: manifests.map(({ manifest }) => manifest),
      candidates: pending === null ? [this.#held] : [this.#held, pending],
      blocks,
      shape,
    })
    if (found === 'unknown' && pending === null && this.#held.round < round) return
    if (found !== null && found !== 'unknown') {
      this.#held = found
      return
    }
    this.#held = await emptyHeld(blocks, shape)
    log('LOCAL_STATE_RESET', 'starting again from an empty optimizer state and error feedback')
  }
}

type Start = Omit<Rebuilt, 'manifests' | 'starts'> & { readonly held: Held }
