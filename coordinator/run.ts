import { setTimeout as sleep } from 'node:timers/promises'
import { isPassing } from '../chain/errors.ts'
import { invariant, isMurmurError, type Verdict } from '../protocol/errors.ts'
import type { CidText, WorkerId } from '../protocol/ids.ts'
import { maxGossipBytes } from '../protocol/limits.ts'
import type { AuditReport, RunPhase, RunReport } from '../protocol/report.ts'
import { topicOf } from '../protocol/topic.ts'
import { type Assignment, decode, type Gossip, type RoundManifest } from '../protocol/wire.ts'
import type { AuditCandidate } from '../verification/draw.ts'
import { assignmentOf } from './assignment.ts'
import { EpochQueue } from './epoch-queue.ts'
import { EscrowWatch } from './escrow-watch.ts'
import type { HeadRecord } from './journal/record.ts'
import { loggedEvent } from './journal/round-event.ts'
import type { Telemetry } from './members.ts'
import { EffectPerformer } from './perform-effects.ts'
import { isOver, type RoundEvent, type RoundState } from './round/state.ts'
import { type Failure, failureOf } from './run-failure.ts'
import type { RunLog } from './run-log.ts'
import type { RunDependencies, RunOptions } from './run-ports.ts'
import { pendingOf, phaseOf, reportOf, type Stage } from './run-report.ts'
import { Settlement } from './settlement.ts'
import { adoptFromWorkers } from './takeover.ts'

const tickMs = 200
const chainRetryMs = 5_000

/** One run on the head that leads: feeds the round state machine, performs its effects, settles its epochs. */
export class RunCoordinator {
  readonly options: RunOptions
  readonly #dependencies: RunDependencies
  readonly #log: RunLog
  readonly #abort = new AbortController()
  readonly #escrow: EscrowWatch | null
  readonly #epochs: EpochQueue
  readonly #performer: EffectPerformer
  /** The lease taken on chain: 0 for the coordinator that opened the run and never lost it. */
  #chainTerm = 0
  /** False until it leads in its own term: a log that it took over says that somebody leads, and that was another. */
  #leads = false
  #stage: Stage = 'rounds'
  #confirming: string | null = null
  #error: Failure | null = null
  #timer: NodeJS.Timeout | undefined
  #rejected = { round: -1, told: new Set<string>() }
  /** The newest manifest that each worker holds, as told before this head leads. */
  readonly #newest = new Map<WorkerId, CidText>()
  /** Workers that came while the run was waiting for its money. */
  readonly #waiting = new Set<WorkerId>()
  /** Workers that said they cannot do this run, and the process that said so: a new one may have another engine. */
  readonly #declined = new Map<WorkerId, string>()
  readonly #finished = Promise.withResolvers<void>()

  constructor(options: RunOptions, dependencies: RunDependencies) {
    this.options = options
    this.#dependencies = dependencies
    this.#log = dependencies.log
    const { spec, run } = options
    const waiting = (text: string | null) => {
      this.#confirming = text
    }
    const money = options.money === null ? null : { ...options.money, waiting, term: () => this.#chainTerm }
    this.#escrow = money === null ? null : new EscrowWatch(money, BigInt(spec.train.epochs))
    // From the first moment: workers that join before the escrow is open must not begin unpaid.
    if (this.#escrow !== null) this.#stage = 'awaiting-funds'
    const { log, journal, notes } = dependencies
    const record = async (entry: HeadRecord) => {
      journal.append(entry)
      await journal.durable()
    }
    const settlement = new Settlement({
      run,
      blocks: dependencies.blocks,
      money,
      auditsPerEpoch: spec.audit.roundsPerEpoch,
      tokensPerStep: log.state.rules.tokensPerStep,
      roundsPerEpoch: log.state.rules.roundsPerEpoch,
      log,
      record,
      payoutOf: (worker) => dependencies.members().get(worker)?.payout ?? null,
      audit: (candidate, manifests) => this.#audit(candidate, manifests),
      eject: (worker, code) => this.#dispatch({ kind: 'eject', worker, code }),
      isEjected: (worker) => this.#state.members.get(worker)?.status === 'ejected',
      note: (code, text) => notes.note(code, null, null, text),
    })
    this.#epochs = new EpochQueue({
      run,
      settlement,
      log,
      record,
      replica: dependencies.replica,
      notes,
      clock: dependencies.clock,
      signal: this.#abort.signal,
      evaluate: (theta) => dependencies.auditor.evaluate(theta),
      failed: (error) => {
        if (!this.#isSuperseded(error)) this.#fault(error)
      },
    })
    this.#performer = new EffectPerformer({
      ...dependencies,
      run,
      epochs: this.#epochs,
      signal: this.#abort.signal,
      dispatch: (event) => this.#dispatch(event),
      background: (work) => this.#background(work),
      ended: (failure) => {
        this.#error ??= failure
        this.#stage = 'settling'
        this.#epochs.afterwards(() => this.#finish())
      },
    })
  }

  get #state(): RoundState {
    return this.#log.state
  }

  get state(): RoundState {
    return this.#log.state
  }

  get log(): RunLog {
    return this.#log
  }

  /** Resolves when everything of the run is over, its last settlement included. Never rejects: see the report. */
  get finished(): Promise<void> {
    return this.#finished.promise
  }

  get isOver(): boolean {
    return this.#stage === 'over'
  }

  get error(): Failure | null {
    return this.#error
  }

  /** Begins, or goes on from where its log ends: waits for the money where the run pays, then forms. Returns at once. */
  lead(term: number, heads: readonly WorkerId[]): void {
    void this.#lead(term, heads).catch((error: unknown) => {
      // It fails as a run that is led does: its workers are told, and its end is journaled.
      if (!this.#leads && !this.#abort.signal.aborted && !this.#isSuperseded(error)) {
        this.#leads = true
        this.#dispatch({ kind: 'lead', term, heads })
      }
      this.#failWith(error)
    })
  }

  async #lead(term: number, heads: readonly WorkerId[]): Promise<void> {
    const { network, clock, notes } = this.#dependencies
    const { run, spec } = this.options
    await network.subscribe(
      topicOf(run),
      ({ author, data }) => this.offer(author, data),
      () => {},
    )
    const first = this.#state.term === 0
    const escrow = this.#escrow
    if (escrow !== null) {
      const concludes = isOver(this.#state) || this.#log.unsettled().length > 0
      const ended = await this.#onceReached(() => escrow.open(run, spec, clock.now(), concludes))
      // Whoever led before, a process of this very head included, can settle nothing from here on.
      if (!first) this.#chainTerm = await this.#onceReached(() => escrow.takeLease(term))
      if (!ended) await escrow.funded(this.#abort.signal)
      if (first) notes.note('FUNDED', null, null, 'the escrow holds what the run can pay')
      this.#stage = 'rounds'
    }
    if (!first && !isOver(this.#state)) await this.#adopt(heads)
    this.#timer = setInterval(() => this.#dispatch({ kind: 'tick' }), tickMs)
    for (const { epoch, lastManifest } of this.#log.unsettled()) this.#epochs.settle(epoch, lastManifest)
    this.#leads = true
    this.#dispatch({ kind: 'lead', term, heads })
    for (const worker of this.#waiting) this.#dispatch({ kind: 'join', worker, fresh: false })
    this.#waiting.clear()
  }

  /** A chain that is away or slow is waited for: nothing is lost by leading later. */
  async #onceReached<T>(call: () => Promise<T>): Promise<T> {
    for (;;) {
      try {
        return await call()
      } catch (error) {
        this.#abort.signal.throwIfAborted()
        if (!isPassing(error)) throw error
        this.#dependencies.notes.note(error.code, null, null, `${error.message}; trying again`)
        await sleep(chainRetryMs, undefined, { signal: this.#abort.signal })
      }
    }
  }

  /** Before it leads in another's place: what workers hold and the log lacks. */
  async #adopt(heads: readonly WorkerId[]): Promise<void> {
    const { clock, journal, notes } = this.#dependencies
    await adoptFromWorkers({
      ...this.#dependencies,
      heads,
      signal: this.#abort.signal,
      told: this.#newest,
      closedOnChain: await this.#onceReached(async () => (await this.#escrow?.epochsClosed()) ?? 0),
      adopt: (manifests) => {
        const now = clock.now()
        const event = { kind: 'adopt', manifests } as const
        journal.append({ kind: 'round', run: this.options.run, now, event: loggedEvent(event) })
        this.#log.applyRound(event, now)
        notes.note('ROUNDS_ADOPTED', null, null, `${manifests.length} rounds that only workers held`)
      },
    })
  }

  setHeads(heads: readonly WorkerId[]): void {
    if (this.#state.leading) this.#dispatch({ kind: 'heads', heads })
  }

  join(worker: WorkerId, fresh: boolean): void {
    if (!this.#leads) this.#waiting.add(worker)
    else this.#dispatch({ kind: 'join', worker, fresh })
  }

  lost(worker: WorkerId): void {
    this.#waiting.delete(worker)
    this.#dispatch({ kind: 'lost', worker })
  }

  drain(worker: WorkerId): void {
    this.#dispatch({ kind: 'drain', worker })
  }

  /** Placement has given it other work. */
  release(worker: WorkerId): void {
    this.drain(worker)
    this.lost(worker)
  }

  /** Whether a contribution of it was admitted: what it earned is paid to the account that the head remembers. */
  hasContributed(worker: WorkerId): boolean {
    return this.#log.book.tokensOf(worker) > 0
  }

  knows(worker: WorkerId): boolean {
    return this.#waiting.has(worker) || this.#state.members.has(worker)
  }

  heartbeat(worker: WorkerId, telemetry: Telemetry, outstanding: Uint8Array, newest: CidText | null): void {
    if (newest !== null && !this.#leads) this.#newest.set(worker, newest)
    const status = this.#state.members.get(worker)?.status
    if (status === 'lost') this.#dispatch({ kind: 'join', worker, fresh: false })
    if (telemetry.phase === 'declined') this.#decline(worker, telemetry.error)
    if (telemetry.phase === 'ready' && status === 'warming')
      this.#dispatch({ kind: 'ready', worker, round: telemetry.round })
    if (outstanding.length > 0) this.offer(worker, outstanding)
  }

  /** Who declined by processes that the head still remembers: they are given other work. Known to this head alone. */
  get declined(): readonly WorkerId[] {
    const members = this.#dependencies.members()
    return [...this.#declined.keys()].filter(
      (worker) => members.get(worker)?.incarnation === this.#declined.get(worker),
    )
  }

  #decline(worker: WorkerId, why: string | null): void {
    const members = this.#dependencies.members()
    const incarnation = members.get(worker)?.incarnation
    if (incarnation === undefined || this.#declined.get(worker) === incarnation) return
    // Peers that come and go with fresh ids do not grow it.
    for (const old of this.#declined.keys()) if (!members.has(old)) this.#declined.delete(old)
    this.#declined.set(worker, incarnation)
    this.#dependencies.notes.note(
      'WORKER_DECLINED',
      null,
      worker,
      why === null
        ? 'it cannot do this run; its own log says why'
        : `it cannot do this run: ${why.slice(0, 300)}`,
    )
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
    if (!this.knows(worker) && this.#stage === 'over') return null
    return assignmentOf(worker, {
      state: this.#state,
      members: this.#dependencies.members(),
      now: this.#dependencies.clock.now(),
      payoutTree: this.#log.book.newestPayoutTree(),
      money: this.options.money,
      ended: this.#stage === 'over',
    })
  }

  /** The CID of a round's signed manifest. */
  manifestOf(round: number): CidText {
    const found = this.#log.book.manifests.find(({ manifest }) => manifest.round === round)
    invariant(found !== undefined, `round ${round} has a manifest`)
    return found.cid
  }

  announcementFor(...told: Parameters<EffectPerformer['announcementFor']>): Uint8Array {
    return this.#performer.announcementFor(...told)
  }

  stop(reason: string): void {
    if (this.#stage !== 'awaiting-funds') this.#dispatch({ kind: 'stop', reason })
    else this.#abort.abort(new StoppedUnfunded(reason))
  }

  pause(): void {
    this.#dispatch({ kind: 'pause' })
  }

  resume(): void {
    this.#dispatch({ kind: 'resume' })
  }

  /** Ends everything at once, for a head that shuts down or leads no more: the journal has all that counts. */
  async close(): Promise<void> {
    this.#abort.abort(new Error('the head is shutting down'))
    clearInterval(this.#timer)
    this.#dependencies.network.unsubscribe(topicOf(this.options.run))
    // A transaction that is under way cannot be called back, and a chain that is gone may take long to say so:
    // nobody waits for it here.
    await this.#dependencies.auditor.close()
  }

  #dispatch(event: RoundEvent): Verdict {
    const { clock, journal } = this.#dependencies
    if (!this.#leads || this.#abort.signal.aborted) return 'ignore'
    const now = clock.now()
    const before = this.#state
    const result = this.#log.peek(event, now)
    const { judgement } = result
    if (judgement.verdict === 'reject' && event.kind === 'message') this.#noteRejected(event, judgement.code)
    if (result.state === before && result.effects.length === 0) return judgement.verdict
    try {
      journal.append({ kind: 'round', run: this.options.run, now, event: loggedEvent(event) })
    } catch (error) {
      // Another head leads: what happens here is nobody's history any more.
      if (isMurmurError(error, 'JOURNAL_SEALED')) return 'ignore'
      throw error
    }
    const effects = this.#log.applyRound(event, now, result)
    // What others see of it happens only when it can't be forgotten any more.
    if (effects.length > 0) this.#background(() => this.#performer.perform(effects))
    return judgement.verdict
  }

  /** Once a round for each member and reason: who says such things often must not push out what else there is to tell. */
  #noteRejected({ author, message }: Extract<RoundEvent, { kind: 'message' }>, code: string): void {
    const { round, members } = this.#state
    if (this.#rejected.round !== round) this.#rejected = { round, told: new Set() }
    const { told } = this.#rejected
    const key = `${code} ${author}`
    // Strangers come in any number; gossip itself names them in the log.
    if (told.has(key) || !members.has(author)) return
    told.add(key)
    this.#dependencies.notes.note(code, round, author, `a ${message.body.kind} is rejected`)
  }

  async #audit(candidate: AuditCandidate, manifests: readonly RoundManifest[]): Promise<AuditReport> {
    const theta = this.#dependencies.replica.startOf(candidate.round)
    invariant(theta !== undefined, `θ of round ${candidate.round} is kept until its epoch is settled`)
    return await this.#dependencies.auditor.audit(candidate, manifests, theta)
  }

  async #finish(): Promise<void> {
    if (this.#abort.signal.aborted && this.#state.phase.kind !== 'ended') return
    clearInterval(this.#timer)
    try {
      await this.#escrow?.close()
      if (this.#log.book.heldOut.after === null)
        await this.#performer.measure('after', this.#dependencies.replica.theta)
    } catch (error) {
      if (this.#abort.signal.aborted) return
      this.#fault(error)
    }
    this.#stage = 'over'
    this.#finished.resolve()
  }

  #background(work: () => Promise<void>): void {
    void work().catch((error: unknown) => this.#failWith(error))
  }

  #failWith(error: unknown): void {
    if (this.#stage === 'over') return
    // What waited throws an AbortError of its own: why is the reason that the signal gave.
    if (this.#abort.signal.reason instanceof StoppedUnfunded) {
      this.#log.endedAt ??= this.#dependencies.clock.now()
      this.#epochs.afterwards(async () => {
        await this.#escrow?.close().catch((cause: unknown) => this.#fault(cause))
        this.#stage = 'over'
        this.#finished.resolve()
      })
      return
    }
    if (this.#abort.signal.aborted) return
    if (this.#isSuperseded(error)) return
    this.#fault(error)
    const { code, message } = failureOf(error)
    this.#dispatch({ kind: 'fail', code, message })
  }

  /** Whether it failed because another head leads; then this one is to learn so. */
  #isSuperseded(error: unknown): boolean {
    if (isMurmurError(error, 'JOURNAL_SEALED')) return true
    if (!isMurmurError(error, 'LEASE_LOST')) return false
    const { deposed } = this.#dependencies
    void this.#escrow?.leaseTerm().then(
      (term) => term > this.#state.term && deposed(term),
      () => {},
    )
    return true
  }

  #fault(error: unknown): void {
    const failure = failureOf(error)
    this.#error ??= failure
    this.#dependencies.notes.note(failure.code, this.#state.round, null, failure.message)
  }

  /** The report; reads the escrow afresh at most once a second, and not at all without `money`. */
  async report({ money = true }: { readonly money?: boolean } = {}): Promise<RunReport> {
    const { clock, members, notes } = this.#dependencies
    const fresh = money ? await this.#escrow?.snapshot(clock.now()) : this.#escrow?.latest()
    return reportOf({
      options: this.options,
      log: this.#log,
      stage: this.#stage,
      error: this.#error,
      held: this.#performer.held,
      confirming: this.#confirming,
      funding: this.#escrow?.pending() ?? null,
      escrow: fresh ?? null,
      members: members(),
      notes: notes.list(),
    })
  }

  get phase(): RunPhase {
    return phaseOf(this.#stage, this.#state, this.#error)
  }

  get round(): number {
    return this.#state.round
  }

  get pending(): string | null {
    const funding = this.#escrow?.pending() ?? null
    return pendingOf({
      ...{ stage: this.#stage, log: this.#log, held: this.#performer.held },
      ...{ confirming: this.#confirming, funding },
    })
  }
}

/** The owner ends a run that nobody has paid for yet. */
class StoppedUnfunded extends Error {}
