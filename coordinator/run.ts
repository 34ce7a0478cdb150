import { contentId } from '../protocol/content-id.ts'
import { invariant, isMurmurError, MurmurError, type Verdict } from '../protocol/errors.ts'
import type { Address, CidText, RunId, WorkerId } from '../protocol/ids.ts'
import { maxGossipBytes } from '../protocol/limits.ts'
import { signManifest } from '../protocol/manifest.ts'
import type { BlockStore, Clock, Network } from '../protocol/ports.ts'
import type { AuditReport, RunPhase, RunReport } from '../protocol/report.ts'
import type { RunSpec } from '../protocol/run-spec.ts'
import { topicOf } from '../protocol/topic.ts'
import { type Assignment, decode, encode, type Gossip, type RoundManifest } from '../protocol/wire.ts'
import type { AuditCandidate } from '../verification/draw.ts'
import { EpochQueue } from './epoch-queue.ts'
import { EscrowWatch } from './escrow-watch.ts'
import { isAlive, type Members, type Telemetry } from './members.ts'
import type { HeadReplica } from './replica.ts'
import {
  initialRoundState,
  pendingReason,
  type RoundEffect,
  type RoundEvent,
  type RoundRules,
  type RoundState,
} from './round/state.ts'
import { step } from './round/step.ts'
import { RunBook } from './run-book.ts'
import { type RunMoney, Settlement } from './settlement.ts'

const tickMs = 200
/** Of each peer in an assignment. All eight that a join may bring, of 32 peers, would be longer than an answer may be. */
const addressesTold = 2

export interface RunOptions {
  readonly run: RunId
  readonly spec: RunSpec
  readonly rules: RoundRules
  readonly parameterCount: number
  readonly money:
    | (RunMoney & { readonly rpcUrl: string; readonly chainId: number; readonly token: Address })
    | null
}

/** What the run needs of whoever can execute programs: audits, held-out loss, text. */
export interface RunAuditor {
  audit(
    candidate: AuditCandidate,
    manifests: readonly RoundManifest[],
    theta: Float32Array,
  ): Promise<AuditReport>
  evaluate(theta: Float32Array): Promise<number>
  sample(theta: Float32Array): Promise<string>
  close(): Promise<void>
}

export interface RunDependencies {
  readonly network: Network
  readonly clock: Clock
  readonly blocks: BlockStore
  readonly replica: HeadReplica
  readonly auditor: RunAuditor
  members(): Members
  log(code: string, text: string): void
}

/** One run on the head: feeds the round state machine, performs its effects, settles its epochs, tells its story. */
export class RunCoordinator {
  readonly options: RunOptions
  readonly #dependencies: RunDependencies
  readonly #book = new RunBook()
  readonly #abort = new AbortController()
  readonly #escrow: EscrowWatch | null
  readonly #epochs: EpochQueue
  #state: RoundState
  #stage: 'awaiting-funds' | 'rounds' | 'settling' | 'over' = 'rounds'
  #announcement: Uint8Array = new Uint8Array()
  #error: RunReport['error'] = null
  /** Why a finished round is not published yet. */
  #held: string | null = null
  #timer: NodeJS.Timeout | undefined
  readonly #submittedAt: number
  #startedAt: number | null = null
  #endedAt: number | null = null
  readonly #finished = Promise.withResolvers<void>()

  constructor(options: RunOptions, dependencies: RunDependencies) {
    this.options = options
    this.#dependencies = dependencies
    this.#state = initialRoundState(options.rules)
    this.#submittedAt = dependencies.clock.now()
    const { money, spec } = options
    this.#escrow = money === null ? null : new EscrowWatch(money, BigInt(spec.train.epochs))
    // From the first moment: workers that join before the escrow is open must not begin unpaid.
    if (this.#escrow !== null) this.#stage = 'awaiting-funds'
    const settlement = new Settlement({
      run: options.run,
      blocks: dependencies.blocks,
      money,
      auditsPerEpoch: spec.audit.roundsPerEpoch,
      expectedTokens: (manifests) =>
        manifests.reduce(
          (sum, { members }) => sum + BigInt(members.length * options.rules.tokensPerRound),
          0n,
        ),
      payoutOf: (worker) => dependencies.members().get(worker)?.payout ?? null,
      audit: (candidate, manifests) => this.#audit(candidate, manifests),
      eject: (worker, code) => this.#dispatch({ kind: 'eject', worker, code }),
      isEjected: (worker) => this.#state.members.get(worker)?.status === 'ejected',
    })
    this.#epochs = new EpochQueue({
      settlement,
      book: this.#book,
      replica: dependencies.replica,
      roundsPerEpoch: options.rules.roundsPerEpoch,
      signal: this.#abort.signal,
      evaluate: (theta) => dependencies.auditor.evaluate(theta),
      note: (code, text) => this.#note(code, null, text),
      failed: (error) => {
        this.#noteError(error)
        this.#error ??= describe(error)
      },
    })
  }

  /** Resolves when everything of the run is over, its last settlement included. Never rejects: see the report. */
  get finished(): Promise<void> {
    return this.#finished.promise
  }

  get isOver(): boolean {
    return this.#stage === 'over'
  }

  /** Begins: waits for the money where the run pays, then forms. Returns at once. */
  start(): void {
    void this.#run().catch((error: unknown) => this.#failWith(error))
  }

  async #run(): Promise<void> {
    const { network } = this.#dependencies
    const { run } = this.options
    await network.subscribe(
      topicOf(run),
      ({ author, data }) => this.offer(author, data),
      () => {},
    )
    this.#timer = setInterval(() => this.#dispatch({ kind: 'tick' }), tickMs)
    if (this.#escrow !== null) {
      await this.#escrow.open(this.options.run, this.options.spec, this.#dependencies.clock.now())
      await this.#escrow.funded(this.#abort.signal)
      this.#note('FUNDED', null, 'the escrow holds what the run can pay')
      this.#stage = 'rounds'
    }
    for (const worker of this.#waiting) this.#dispatch({ kind: 'join', worker })
    this.#waiting.clear()
  }

  /** What the model is before it has learnt anything: measured while the first round trains, which nobody waits for. */
  async #measureBefore(theta: Float32Array): Promise<void> {
    const { auditor } = this.#dependencies
    this.#book.heldOut = { ...this.#book.heldOut, before: await auditor.evaluate(theta) }
    this.#book.samples = { ...this.#book.samples, before: await auditor.sample(theta) }
  }

  /** Workers that came while the run was waiting for its money. */
  readonly #waiting = new Set<WorkerId>()

  join(worker: WorkerId): void {
    if (this.#stage === 'awaiting-funds') this.#waiting.add(worker)
    else this.#dispatch({ kind: 'join', worker })
  }

  lost(worker: WorkerId): void {
    this.#waiting.delete(worker)
    this.#dispatch({ kind: 'lost', worker })
  }

  knows(worker: WorkerId): boolean {
    return this.#waiting.has(worker) || this.#state.members.has(worker)
  }

  heartbeat(worker: WorkerId, telemetry: Telemetry, outstanding: Uint8Array): void {
    const status = this.#state.members.get(worker)?.status
    if (status === 'lost') this.#dispatch({ kind: 'join', worker })
    if (telemetry.phase === 'ready') this.#dispatch({ kind: 'ready', worker, round: telemetry.round })
    if (outstanding.length > 0) this.offer(worker, outstanding)
  }

  /** A gossip message, from gossip or repeated in a heartbeat: judged, and acted on when accepted. */
  offer(author: WorkerId, data: Uint8Array): Verdict {
    let message: Gossip
    try {
      message = decode('Gossip', data, maxGossipBytes)
    } catch (error) {
      return isMurmurError(error) ? error.verdict : 'reject'
    }
    return this.#dispatch({ kind: 'message', author, message })
  }

  assignment(worker: WorkerId): Assignment | null {
    const { run, rules, money } = this.options
    if (!this.knows(worker) && this.#stage === 'over') return null
    const members = this.#dependencies.members()
    const now = this.#dependencies.clock.now()
    // Whoever takes part comes first: strangers who only joined must not crowd them out.
    const ready = (id: WorkerId) => this.#state.members.get(id)?.status === 'ready'
    const ids = [...this.#state.members.keys()].sort((a, b) => Number(ready(b)) - Number(ready(a)))
    const peers = ids.flatMap((id) => {
      const known = members.get(id)
      // Nobody is sent to dial those that are gone; who comes back is in the next assignment.
      if (known === undefined || id === worker || !isAlive(known, now)) return []
      return [{ id, addresses: known.addresses.slice(0, addressesTold) }]
    })
    return {
      run,
      term: rules.term,
      peers: peers.slice(0, rules.maxWorkers),
      newestManifest: this.#state.parent,
      payoutTree: this.#book.newestPayoutTree(),
      escrow:
        money === null
          ? null
          : {
              rpcUrl: money.rpcUrl,
              chainId: money.chainId,
              escrow: money.context.escrow,
              token: money.token,
              run: money.context.escrowRun,
            },
      ended: this.#stage === 'over',
    }
  }

  /** The CID of a round's signed manifest. */
  manifestOf(round: number): CidText {
    const found = this.#book.manifests.find(({ manifest }) => manifest.round === round)
    invariant(found !== undefined, `round ${round} has a manifest`)
    return found.cid
  }

  get announcement(): Uint8Array {
    return this.#announcement
  }

  stop(reason: string): void {
    if (this.#stage === 'awaiting-funds') this.#abort.abort(new Error(reason))
    this.#dispatch({ kind: 'stop', reason })
  }

  /** Ends everything at once, for a head that shuts down. */
  async close(): Promise<void> {
    this.#abort.abort(new Error('the head is shutting down'))
    clearInterval(this.#timer)
    this.#dependencies.network.unsubscribe(topicOf(this.options.run))
    // A transaction that is under way cannot be called back, and a chain that is gone may take long to say so:
    // nobody waits for it here.
    await this.#dependencies.auditor.close()
  }

  #dispatch(event: RoundEvent): Verdict {
    const { state, effects, judgement } = step(this.#state, event, { now: this.#dependencies.clock.now() })
    this.#state = state
    if (judgement.verdict === 'reject' && event.kind === 'message') {
      this.#note(judgement.code, event.author, `a ${event.message.body.kind} is rejected`)
    }
    for (const effect of effects) this.#perform(effect)
    return judgement.verdict
  }

  #perform(effect: RoundEffect): void {
    switch (effect.kind) {
      case 'broadcast':
        this.#broadcast(effect.message)
        return
      case 'aggregate':
        this.#background(async () => {
          const { round, reveals, closesEpoch } = effect
          this.#dispatch(
            await this.#dependencies.replica.aggregate(round, reveals, closesEpoch, this.#abort.signal),
          )
        })
        return
      case 'publish-manifest':
        this.#background(() => this.#publish(effect.manifest))
        return
      case 'close-epoch':
        this.#epochs.settle(effect.epoch, effect.lastManifest)
        return
      case 'end':
        this.#stage = 'settling'
        this.#epochs.afterwards(() => this.#finish())
        return
      case 'fail':
        this.#error = {
          code: effect.code,
          message: effect.message,
          next: 'see `murmur status` and the head’s log',
        }
        this.#stage = 'settling'
        this.#epochs.afterwards(() => this.#finish())
        return
      case 'note':
        this.#note(effect.code, effect.worker, `round ${effect.round}: ${effect.text}`)
        return
      default:
        effect satisfies never
    }
  }

  #broadcast(message: Gossip): void {
    if (message.body.kind === 'roundOpen' && this.#startedAt === null) {
      this.#startedAt = this.#dependencies.clock.now()
      const theta = this.#dependencies.replica.theta
      this.#background(() => this.#measureBefore(theta))
    }
    const data = encode('Gossip', message)
    this.#announcement = data
    // Gossip that fails is repeated in every answer to a heartbeat.
    this.#dependencies.network.publish(topicOf(this.options.run), data).catch((error: unknown) => {
      if (!this.#abort.signal.aborted) this.#note('PUBLISH_FAILED', null, String(error))
    })
  }

  async #publish(manifest: RoundManifest): Promise<void> {
    const { network, blocks } = this.#dependencies
    // Audits lag behind training by one epoch at most: what they ask of workers is kept for two (worker-run.ts).
    if (manifest.closesEpoch) {
      this.#held = `epoch ${manifest.epoch} ends when the epochs before it are audited and settled`
      await this.#epochs.idle()
      this.#held = null
    }
    this.#abort.signal.throwIfAborted()
    const block = await signManifest(manifest, network.self, (bytes) => network.sign(bytes))
    const cid = contentId(block, 'raw')
    await blocks.put(cid, block)
    this.#book.addManifest(manifest, cid)
    this.#dispatch({ kind: 'published', round: manifest.round, cid, block })
  }

  async #audit(candidate: AuditCandidate, manifests: readonly RoundManifest[]): Promise<AuditReport> {
    const theta = this.#dependencies.replica.startOf(candidate.round)
    invariant(theta !== undefined, `θ of round ${candidate.round} is kept until its epoch is settled`)
    return await this.#dependencies.auditor.audit(candidate, manifests, theta)
  }

  async #finish(): Promise<void> {
    const { auditor, replica } = this.#dependencies
    clearInterval(this.#timer)
    try {
      await this.#escrow?.close()
      this.#book.heldOut = { ...this.#book.heldOut, after: await auditor.evaluate(replica.theta) }
      this.#book.samples = { ...this.#book.samples, after: await auditor.sample(replica.theta) }
    } catch (error) {
      this.#noteError(error)
      this.#error ??= describe(error)
    }
    this.#endedAt = this.#dependencies.clock.now()
    this.#stage = 'over'
    this.#finished.resolve()
  }

  #background(work: () => Promise<void>): void {
    void work().catch((error: unknown) => this.#failWith(error))
  }

  #failWith(error: unknown): void {
    if (this.#stage === 'over') return
    if (this.#abort.signal.aborted && this.#stage === 'awaiting-funds') {
      this.#dispatch({ kind: 'stop', reason: 'stopped before it was funded' })
      return
    }
    if (this.#abort.signal.aborted) return
    this.#noteError(error)
    const { code, message, next } = describe(error)
    this.#dispatch({ kind: 'fail', code, message })
    this.#error = { code, message, next }
  }

  #noteError(error: unknown): void {
    const { code, message } = describe(error)
    this.#note(code, null, message)
  }

  #note(code: string, worker: WorkerId | null, text: string): void {
    const name =
      worker === null ? '' : `${this.#dependencies.members().get(worker)?.name ?? worker.slice(-8)}: `
    this.#book.addNote(this.#dependencies.clock.now(), code, `${name}${text}`)
    this.#dependencies.log(code, `${name}${text}`)
  }

  /** The report; reads the escrow afresh at most once a second. */
  async report(): Promise<RunReport> {
    const { options } = this
    const { spec, rules } = options
    const escrow = (await this.#escrow?.snapshot(this.#dependencies.clock.now())) ?? null
    return {
      run: options.run,
      name: spec.name,
      phase: this.phase,
      pending: this.pending,
      error: this.#error,
      submittedAt: this.#submittedAt,
      startedAt: this.#startedAt,
      endedAt: this.#endedAt,
      round: this.#state.round,
      roundsTotal: rules.rounds,
      epochsTotal: spec.train.epochs,
      innerSteps: spec.train.innerSteps,
      parameterCount: options.parameterCount,
      tokensPerRound: rules.tokensPerRound,
      heldOutLossNats: this.#book.heldOut,
      samples: this.#book.samples,
      workers: this.#book.workers(this.#state, this.#dependencies.members(), escrow?.claimedBy ?? new Map()),
      rounds: this.#book.rounds(this.#state),
      epochs: this.#book.epochs(),
      checkpoints: this.#book.checkpoints(),
      escrow: escrow?.report ?? null,
      notes: this.#book.notes(),
    }
  }

  get phase(): RunPhase {
    if (this.#stage === 'awaiting-funds') return 'awaiting-funds'
    const { kind } = this.#state.phase
    if (kind === 'failed') return 'failed'
    if (this.#stage === 'settling') return 'settling'
    if (this.#stage === 'over') {
      if (this.#error !== null) return 'failed'
      return this.#state.round >= this.options.rules.rounds ? 'finished' : 'stopped'
    }
    if (kind === 'publish') return 'aggregate'
    if (kind === 'settle-roots' || kind === 'ended') return 'settling'
    return kind
  }

  get round(): number {
    return this.#state.round
  }

  get pending(): string | null {
    if (this.#stage === 'awaiting-funds') return this.#escrow?.pending() ?? null
    return this.#held ?? pendingReason(this.#state)
  }
}

function describe(error: unknown): { code: string; message: string; next: string } {
  if (error instanceof MurmurError) return { code: error.code, message: error.message, next: error.next }
  return {
    code: 'INTERNAL',
    message: error instanceof Error ? error.message : String(error),
    next: 'this is a fault of the head: see its log, and report it',
  }
}
