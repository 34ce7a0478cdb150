import { checkAveraging } from '../aggregation/averaging.ts'
import { readRunModel } from '../program/run-model.ts'
import { contentId } from '../protocol/content-id.ts'
import { errorText, MurmurError } from '../protocol/errors.ts'
import { type CidText, cidText, type RunId, type WorkerId } from '../protocol/ids.ts'
import { maxMetadataBlockBytes } from '../protocol/limits.ts'
import type { ClusterReport, RunReport } from '../protocol/report.ts'
import { decodeRunSpec, type RunSpec } from '../protocol/run-spec.ts'
import type { HeadReply, HeadRequest, PeerAddresses } from '../protocol/wire.ts'
import { type AdmissionRules, admitWorker } from './admit-worker.ts'
import type { HeadControl, SubmitOptions } from './api/head-control.ts'
import { narrate, type Told } from './api/report-events.ts'
import { nodeReportOf, nodeViewOf, runViewOf } from './cluster-views.ts'
import type { EventFeed } from './events.ts'
import type { Leader } from './head-node.ts'
import {
  disconnected,
  heard,
  heartbeatMs,
  isAlive,
  joined,
  left,
  type MutableMembers,
  maxClusterMembers,
  silent,
} from './members.ts'
import { blockOf, type OpenRunDependencies, openRun, ownOrFetched } from './open-run.ts'
import type { Pending } from './placement/pending.ts'
import { place } from './placement/place.ts'
import type { Quotas } from './placement/views.ts'
import type { Recovered } from './recovery.ts'
import type { RunCoordinator } from './run.ts'
import type { RunArchive } from './run-archive.ts'
import type { RunRecord } from './run-log.ts'

export interface HeadOptions extends AdmissionRules {
  readonly version: string
  readonly quotas: Quotas
}

export interface HeadDependencies extends Omit<OpenRunDependencies, 'members' | 'heads'> {
  readonly archive: RunArchive
  readonly events: EventFeed
}

/** A run that was submitted and is not archived yet, or was a short while ago. */
interface Entry {
  readonly run: RunId
  readonly spec: RunSpec
  /** Grows until it is opened, which reads them. */
  records: readonly RunRecord[]
  readonly submittedAt: number
  readonly options: SubmitOptions
  coordinator: RunCoordinator | null
  told: Told | undefined
  /** Why it could not be opened. */
  failure: MurmurError | null
  /** When opening it is tried again: a head that took over may have to wait for the workers who hold what it lacks. */
  retryAtMs: number
}

/** Runs waiting for their turn: each holds only its spec. */
const maxQueuedRuns = 64
/** Runs that are open at once: each holds a few copies of its weights. */
const maxOpenRuns = 16
/** Runs that are over and still answer workers which have not heard of it. */
const maxOverRuns = 16
/** Joins after which the journal is written anew: what the members of a full cluster said of themselves, four times. */
const maxMemberRecords = 4 * maxClusterMembers
const lookMs = 500
const wakeTimeoutMs = 5_000
const reopenMs = 1_000

/** The head that leads a cluster: membership, placement, and the runs. Everything that must outlive it is in the journal. */
export class Head implements HeadControl, Leader {
  readonly events: EventFeed
  readonly #options: HeadOptions
  readonly #dependencies: HeadDependencies
  readonly #term: number
  readonly #startedAt: number
  readonly #entries = new Map<RunId, Entry>()
  #heads: readonly PeerAddresses[]
  #members: MutableMembers
  #assigned = new Map<WorkerId, RunId>()
  #pending: ReadonlyMap<RunId, Pending> = new Map()
  /** Of runs whose spec is not here yet. */
  #unread = new Map<RunId, readonly RunRecord[]>()
  #readAgainAtMs = 0
  #opening: Promise<void> = Promise.resolve()
  #compacting: Promise<void> = Promise.resolve()
  /** Journaled since it was last compacted. */
  #memberRecords = 0
  #timer: NodeJS.Timeout | undefined
  #unsubscribe: () => void = () => {}
  #closed = false

  constructor(
    options: HeadOptions,
    dependencies: HeadDependencies,
    { heads, members }: Recovered,
    term: number,
  ) {
    this.#options = options
    this.#dependencies = dependencies
    this.#term = term
    this.#heads = heads
    this.events = dependencies.events
    const now = dependencies.clock.now()
    this.#startedAt = now
    // Nobody is counted as gone for the time in which nobody led.
    this.#members = new Map(
      [...members.values()].map((member) => [
        member.id,
        {
          ...{ id: member.id, name: member.name, engineClass: member.engineClass },
          ...{ addresses: member.addresses, payout: member.payout, telemetry: silent },
          ...{ incarnation: String(member.incarnation ?? ''), offer: null, draining: 'no' as const },
          ...{ lastSeenMs: now, disconnectedMs: null },
        },
      ]),
    )
  }

  /** Goes on with every run that the journal tells of. */
  async start({ runs }: Recovered): Promise<void> {
    const { network, clock } = this.#dependencies
    this.#unsubscribe = network.onDisconnect((peer) => {
      this.#members = disconnected(this.#members, peer, clock.now())
    })
    this.#unread = new Map(runs)
    await this.#readSpecs()
    this.#openNext()
    await this.#opening
    this.#timer = setInterval(() => this.#look(), lookMs)
  }

  /** A head that took over may not have every spec yet: those that are missing are asked for again. */
  async #readSpecs(): Promise<void> {
    for (const [run, records] of this.#unread) {
      const [submitted] = records
      try {
        const bytes = await ownOrFetched(cidText(run), maxMetadataBlockBytes, this.#dependencies)
        if (submitted?.kind === 'submitted') this.#enter(run, decodeRunSpec(bytes), records, submitted)
        this.#unread.delete(run)
      } catch (error) {
        this.#dependencies.log('RUN_NOT_OPENED', errorText(error), { run })
      }
    }
    this.#readAgainAtMs = this.#dependencies.clock.now() + reopenMs
  }

  async stop(): Promise<void> {
    this.#closed = true
    clearInterval(this.#timer)
    this.#unsubscribe()
    await this.#opening.catch(() => {})
    await this.#compacting
    for (const { coordinator } of this.#entries.values()) await coordinator?.close()
  }

  // ---- runs ---------------------------------------------------------------------------------------------

  /**
   * Takes a run whose blocks (spec, programs, data manifest, shards) are in the store. Submitting one twice is harmless.
   * @throws MurmurError RUN_SPEC_INVALID, BLOCK_MISSING, QUEUE_FULL, NO_CHAIN, AVERAGING_INVALID, and what checking its program throws.
   */
  async submit(run: RunId, options: SubmitOptions): Promise<void> {
    const { archive, chain, store, journal, clock } = this.#dependencies
    if (this.#entries.has(run) || archive.has(run)) return
    if (
      [...this.#entries.values()].filter(({ coordinator }) => coordinator === null).length >= maxQueuedRuns
    ) {
      throw new MurmurError('QUEUE_FULL', {
        message: `${maxQueuedRuns} runs are waiting already`,
        next: 'wait for one to finish, or stop one with `murmur stop RUN`',
        exit: 'infeasible',
      })
    }
    const spec = decodeRunSpec(await blockOf(store, cidText(run)))
    if (spec.reward !== null && chain === null) {
      throw new MurmurError('NO_CHAIN', {
        message: 'the run pays a reward, but this head has no chain to pay it on',
        next: 'start the head with --devnet or --chain FILE, or set `reward: null`',
        exit: 'infeasible',
      })
    }
    const { parameterCount } = readRunModel(await blockOf(store, spec.programs.training))
    checkAveraging(spec.averaging, parameterCount)
    for (const cid of [spec.data, spec.programs.evaluation, spec.programs.sampling]) await blockOf(store, cid)
    // While the blocks were read, another submission of the same run may have come in.
    if (this.#entries.has(run)) return
    const { priority, owner } = options
    const record = { kind: 'submitted', run, submittedAt: clock.now(), priority, owner } as const
    this.#enter(run, spec, [record], record)
    journal.append(record)
    await journal.durable()
    this.#openNext()
  }

  #enter(
    run: RunId,
    spec: RunSpec,
    records: readonly RunRecord[],
    { submittedAt, priority, owner }: Extract<RunRecord, { kind: 'submitted' }>,
  ): void {
    const options = { priority, owner }
    const entry = {
      run,
      spec,
      records,
      submittedAt,
      options,
      coordinator: null,
      told: undefined,
      failure: null,
      retryAtMs: 0,
    }
    this.#entries.set(run, entry)
  }

  /** Opens runs in queue order, as many as may be open at once. */
  #openNext(): void {
    this.#opening = this.#opening.then(async () => {
      const waiting = [...this.#entries.values()]
        .filter(
          ({ coordinator, failure, retryAtMs }) =>
            coordinator === null && failure === null && retryAtMs <= this.#dependencies.clock.now(),
        )
        .sort((a, b) => b.options.priority - a.options.priority || a.submittedAt - b.submittedAt)
      for (const entry of waiting) {
        const open = [...this.#entries.values()].filter(({ coordinator }) => coordinator?.isOver === false)
        if (this.#closed || open.length >= maxOpenRuns) return
        await this.#open(entry).catch((error: unknown) => this.#openFailed(entry, error))
      }
    })
  }

  async #open(entry: Entry): Promise<void> {
    const { records } = entry
    const coordinator = await openRun(entry.run, records, {
      ...this.#dependencies,
      heads: () => this.#heads.map(({ id }) => id),
      members: () => this.#members,
    })
    if (this.#closed) return await coordinator.close()
    // Its owner may have spoken meanwhile: then it is read again, as whoever leads next would.
    if (entry.records !== records) {
      await coordinator.close()
      return await this.#open(entry)
    }
    entry.coordinator = coordinator
    // Whoever worked for it before goes on with it.
    for (const worker of coordinator.state.members.keys())
      if (!this.#assigned.has(worker)) this.#assigned.set(worker, entry.run)
    coordinator.lead(
      this.#term,
      this.#heads.map(({ id }) => id),
    )
    coordinator.finished
      .then(() => this.#archive(entry))
      .catch((error: unknown) => {
        // It is archived by whoever leads next.
        if (!this.#closed) this.#dependencies.log('ARCHIVE_FAILED', errorText(error), { run: entry.run })
      })
    this.#place()
  }

  #openFailed(entry: Entry, error: unknown): void {
    const { log, clock } = this.#dependencies
    log('RUN_NOT_OPENED', errorText(error), { run: entry.run })
    // What went once goes again when those who hold its blocks are back.
    if (hasBegun(entry.records)) entry.retryAtMs = clock.now() + reopenMs
    else
      entry.failure =
        error instanceof MurmurError
          ? error
          : new MurmurError('RUN_NOT_OPENED', { message: errorText(error), next: 'see the head’s log' })
  }

  async #archive(entry: Entry): Promise<void> {
    const { archive, journal } = this.#dependencies
    if (this.#closed) return
    this.#tell(entry, await entry.coordinator!.report())
    const written = await archive.keep(await entry.coordinator!.report())
    journal.append({ kind: 'archived', run: entry.run, report: await this.#reportBlock(written) })
    await journal.durable()
    await this.#compacted()
    const over = [...this.#entries.values()].filter(({ coordinator }) => coordinator?.isOver === true)
    for (const old of over.slice(0, -maxOverRuns)) {
      this.#entries.delete(old.run)
      await old.coordinator?.close()
    }
    this.#openNext()
    this.#place()
  }

  /** The report of a run that is over, where other heads can fetch it; null when it is too long for that. */
  async #reportBlock(written: Uint8Array): Promise<CidText | null> {
    if (written.length > maxMetadataBlockBytes) return null
    const cid = contentId(written, 'raw')
    await this.#dependencies.store.blocks.put(cid, written)
    return cid
  }

  /** Drops what nobody needs any more: archived runs, and what members said of themselves before. */
  async #compacted(): Promise<void> {
    const { archive, journal } = this.#dependencies
    this.#memberRecords = 0
    const told = new Set<WorkerId>()
    await journal.compact((record) => {
      // What is left of a run that is over: where other heads find its report.
      if (record.kind === 'archived') return record.report !== null
      if (record.kind !== 'member') return !('run' in record) || !archive.has(record.run)
      const { id, incarnation, payout } = record.member
      const known = this.#members.get(id)
      if (known === undefined || told.has(id)) return false
      if (known.incarnation !== incarnation || known.payout !== payout) return false
      told.add(id)
      return true
    })
  }

  #compact(): void {
    this.#compacting = this.#compacting
      .then(() => (this.#closed ? undefined : this.#compacted()))
      .catch((error: unknown) => this.#dependencies.log('JOURNAL_NOT_COMPACTED', errorText(error)))
  }

  async report(run: RunId): Promise<RunReport | undefined> {
    const coordinator = this.#entries.get(run)?.coordinator
    if (coordinator == null) return this.#dependencies.archive.get(run)
    return this.#withPlacement(await coordinator.report())
  }

  /** What keeps it from its workers tells more than that it waits for them. */
  #withPlacement(report: RunReport): RunReport {
    const pending = this.#pending.get(report.run)
    const waits = report.phase === 'forming' || report.phase === 'queued'
    return pending === undefined || !waits
      ? report
      : { ...report, pending: `${pending.text}; ${pending.fix}` }
  }

  stopRun(run: RunId): boolean {
    const entry = this.#entries.get(run)
    if (entry === undefined || entry.coordinator?.isOver === true) return false
    if (entry.coordinator !== null) entry.coordinator.stop('stopped by its owner')
    else {
      this.#entries.delete(run)
      this.#dependencies.journal.append({ kind: 'archived', run, report: null })
    }
    return true
  }

  pauseRun(run: RunId): boolean {
    return this.#control(run, 'pause')
  }

  resumeRun(run: RunId): boolean {
    return this.#control(run, 'resume')
  }

  /** A run that is not open yet has its owner's wish in its records, where opening it finds it. */
  #control(run: RunId, kind: 'pause' | 'resume'): boolean {
    const entry = this.#entries.get(run)
    if (entry === undefined || entry.failure !== null || entry.coordinator?.isOver === true) return false
    if (entry.coordinator !== null) entry.coordinator[kind]()
    else {
      const { journal, clock } = this.#dependencies
      const record = { kind: 'round', run, now: clock.now(), event: { kind } } as const
      entry.records = [...entry.records, record]
      journal.append(record)
    }
    this.#place()
    return true
  }

  drainNode(worker: WorkerId): boolean {
    const member = this.#members.get(worker)
    if (member === undefined || !isAlive(member, this.#dependencies.clock.now())) return false
    this.#members.set(worker, { ...member, draining: member.draining === 'yes' ? 'yes' : 'asked' })
    this.#coordinatorOf(worker)?.drain(worker)
    return true
  }

  headsChanged(heads: readonly PeerAddresses[]): void {
    this.#heads = heads
    for (const { coordinator } of this.#entries.values()) coordinator?.setHeads(heads.map(({ id }) => id))
  }

  cluster(): ClusterReport {
    const { network, clock, archive, chain } = this.#dependencies
    const now = clock.now()
    const entries = [...this.#entries.values()]
    return {
      head: network.self,
      version: this.#options.version,
      addresses: network.addresses(),
      startedAt: this.#startedAt,
      term: this.#term,
      heads: this.#heads.map(({ id, addresses }, index) => ({
        id,
        addresses,
        leads: index === this.#term % 8,
      })),
      nodes: [...this.#members.values()].map((member) =>
        nodeReportOf(member, this.#assigned.get(member.id) ?? null, now),
      ),
      runs: [
        ...archive.list().filter(({ run }) => !this.#entries.has(run)),
        ...entries.map(({ run, spec, coordinator, failure }) => ({
          run,
          name: spec.name,
          phase: failure !== null ? ('failed' as const) : (coordinator?.phase ?? ('queued' as const)),
          round: coordinator?.round ?? 0,
          roundsTotal: spec.train.roundsPerEpoch * spec.train.epochs,
          pending: failure?.message ?? this.#pendingOf(run, coordinator),
        })),
      ],
      chain: chain === null ? null : pickChain(chain.config),
    }
  }

  #pendingOf(run: RunId, coordinator: RunCoordinator | null): string | null {
    if (coordinator === null) {
      if (isPaused(this.#entries.get(run)!.records))
        return 'paused by its owner before it began; `murmur resume` goes on'
      const open = [...this.#entries.values()].filter((entry) => entry.coordinator?.isOver === false).length
      return open < maxOpenRuns
        ? 'its programs are being loaded'
        : `${maxOpenRuns} runs are open; it is opened when one of them is over`
    }
    const pending = this.#pending.get(run)
    if (coordinator.phase === 'forming' && pending !== undefined) return `${pending.text}; ${pending.fix}`
    return coordinator.pending
  }

  // ---- placement ----------------------------------------------------------------------------------------

  #coordinatorOf(worker: WorkerId): RunCoordinator | null {
    const run = this.#assigned.get(worker)
    return run === undefined ? null : (this.#entries.get(run)?.coordinator ?? null)
  }

  /** Decides anew who works for what, and tells those whose work changes. */
  #place(): void {
    const now = this.#dependencies.clock.now()
    const open = [...this.#entries.values()].filter(({ coordinator }) => coordinator?.isOver === false)
    const views = open.map((entry) => runViewOf(entry, entry.coordinator!))
    const nodes = [...this.#members.values()].map((member) => {
      const run = this.#assigned.get(member.id) ?? null
      return nodeViewOf(member, run, this.#coordinatorOf(member.id)?.state ?? null, now)
    })
    const { assignments, pending } = place(nodes, views, this.#options.quotas)
    this.#pending = pending
    const before = this.#assigned
    this.#assigned = new Map(assignments)
    for (const [worker, run] of before) {
      if (assignments.get(worker) !== run) this.#entries.get(run)?.coordinator?.release(worker)
    }
    for (const [worker, run] of assignments) {
      const coordinator = this.#entries.get(run)!.coordinator!
      if (before.get(worker) !== run || !coordinator.knows(worker)) coordinator.join(worker, false)
      if (before.get(worker) !== run) void this.#wake(worker)
    }
  }

  /** An empty request: a worker that has work now need not wait for its next heartbeat to hear of it. */
  async #wake(worker: WorkerId): Promise<void> {
    const { network } = this.#dependencies
    if (!network.connectedPeers().includes(worker)) return
    // Who does not answer hears of it in a heartbeat.
    await network.request(worker, new Uint8Array(), AbortSignal.timeout(wakeTimeoutMs)).catch(() => {})
  }

  /** Looks after everything that no message announces: silence, and what is worth telling. */
  #look(): void {
    const now = this.#dependencies.clock.now()
    for (const member of this.#members.values())
      if (!isAlive(member, now)) this.#coordinatorOf(member.id)?.lost(member.id)
    if (
      [...this.#entries.values()].some(
        ({ retryAtMs, coordinator }) => coordinator === null && retryAtMs > 0 && retryAtMs <= now,
      )
    )
      this.#openNext()
    if (this.#unread.size > 0 && now >= this.#readAgainAtMs) {
      // Until it is done: a peer may take its time to say that it has nothing.
      this.#readAgainAtMs = Number.POSITIVE_INFINITY
      this.#opening = this.#opening.then(() => this.#readSpecs())
      this.#openNext()
    }
    this.#place()
    for (const entry of this.#entries.values()) {
      const { coordinator } = entry
      if (coordinator === null || coordinator.isOver) continue
      void coordinator
        .report({ money: false })
        .then((report) => this.#tell(entry, this.#withPlacement(report)))
    }
  }

  #tell(entry: Entry, report: RunReport): void {
    const { told, events } = narrate(entry.told, report, this.#dependencies.clock.now())
    entry.told = told
    for (const event of events) this.events.append(event)
  }

  // ---- workers ------------------------------------------------------------------------------------------

  async answer(peer: WorkerId, { body }: HeadRequest): Promise<HeadReply> {
    switch (body.kind) {
      case 'join':
        return await this.#join(peer, body)
      case 'leave':
        this.#coordinatorOf(peer)?.lost(peer)
        this.#members = left(this.#members, peer)
        this.#place()
        return this.#beat(null, new Uint8Array(), false)
      case 'heartbeat':
        return this.#heartbeat(peer, body)
      default:
        throw new MurmurError('REQUEST_UNEXPECTED', {
          message: `a ${body.kind} is nothing that a worker asks`,
          next: 'run the same version of murmur on both sides',
          exit: 'version',
        })
    }
  }

  #heartbeat(peer: WorkerId, body: Extract<HeadRequest['body'], { kind: 'heartbeat' }>): HeadReply {
    const known = this.#members.get(peer)
    if (known === undefined) {
      throw new MurmurError('NOT_JOINED', {
        message: 'this head does not know the worker',
        next: 'join again; the worker does so by itself',
        exit: 'auth',
      })
    }
    const { run, phase, round, step, lossNats, tokensPerSecond, utilization } = body
    const { sentBytes, receivedBytes, error } = body
    const telemetry = {
      ...{
        run: this.#entries.has(run as RunId) ? (run as RunId) : null,
        phase,
        round,
        step,
        lossNats,
        tokensPerSecond,
        utilization,
      },
      ...{ sentBytes, receivedBytes, error: error === '' ? null : error },
    }
    const { node: offer, draining } = body
    heard(this.#members, peer, { telemetry, offer, draining }, this.#dependencies.clock.now())
    const coordinator = this.#coordinatorOf(peer)
    if (draining) coordinator?.drain(peer)
    const told = this.#entries.get(run as RunId)?.coordinator
    if (told != null && told === coordinator) told.heartbeat(peer, telemetry, body.outstanding, body.newest)
    const asked = known.draining === 'asked'
    // A run that is over says so, and where the pay is, to whoever still works for it.
    if (told?.isOver === true)
      return this.#beat(told.assignment(peer), told.announcementFor(peer, body), asked)
    if (coordinator !== null)
      return this.#beat(coordinator.assignment(peer), coordinator.announcementFor(peer, body), asked)
    const opening = this.#entries.get(run as RunId)?.coordinator === null || this.#unread.has(run as RunId)
    return this.#beat(opening ? null : this.#lastAssignmentOf(peer), new Uint8Array(), asked, opening)
  }

  /** Of a worker without work: the last run it worked for, whose pay may have become claimable since. */
  #lastAssignmentOf(peer: WorkerId) {
    const over = [...this.#entries.values()].findLast(
      ({ coordinator }) => coordinator?.isOver === true && coordinator.knows(peer),
    )
    return over?.coordinator?.assignment(peer) ?? null
  }

  #beat(
    assignment: Extract<HeadReply['body'], { kind: 'beat' }>['assignment'],
    announcement: Uint8Array,
    drain: boolean,
    stay = false,
  ): HeadReply {
    return { body: { kind: 'beat', assignment, announcement, heads: [...this.#heads], drain, stay } }
  }

  async #join(peer: WorkerId, body: Extract<HeadRequest['body'], { kind: 'join' }>): Promise<HeadReply> {
    const { clock, log, journal } = this.#dependencies
    const { protocol, payout } = await admitWorker(peer, body, this.#options, this.#members)
    const { engineClass, addresses, node: offer } = body
    const incarnation = Buffer.from(body.incarnation).toString('hex')
    const before = this.#members.get(peer)
    const told = { id: peer, engineClass, addresses, payout, incarnation, offer }
    const members = joined(this.#members, told, clock.now(), (worker) => this.#isOwed(worker))
    if (members === null) {
      throw new MurmurError('CLUSTER_FULL', {
        message: 'the head remembers as many workers as it can',
        next: 'join another head, or restart this one',
        exit: 'infeasible',
      })
    }
    this.#members = members
    const { name } = members.get(peer)!
    log('WORKER_JOINED', `${name} is ${peer} (${engineClass})`, { worker: peer })
    if (before?.incarnation !== incarnation || before.payout !== payout) {
      journal.append({
        kind: 'member',
        member: { id: peer, name, engineClass, addresses, payout, incarnation },
      })
      if (++this.#memberRecords > maxMemberRecords) this.#compact()
    }
    this.#coordinatorOf(peer)?.join(peer, before?.incarnation !== incarnation)
    this.#place()
    return {
      body: { kind: 'welcome', name, heartbeatMs, heads: [...this.#heads], protocol },
    }
  }

  /** Whether it has contributed to a run that is not settled to its end. */
  #isOwed(worker: WorkerId): boolean {
    return [...this.#entries.values()].some(
      ({ coordinator }) => coordinator?.isOver === false && coordinator.hasContributed(worker),
    )
  }
}

const pickChain = ({
  rpcUrl,
  chainId,
  escrow,
  token,
  stake,
}: NonNullable<OpenRunDependencies['chain']>['config']) => ({
  ...{ rpcUrl, chainId, escrow, token },
  ...(stake === undefined ? {} : { stake }),
})

function hasBegun(records: readonly RunRecord[]): boolean {
  return records.some((record) => record.kind === 'round' && record.event.kind === 'lead')
}

function isPaused(records: readonly RunRecord[]): boolean {
  const wish = records.findLast(
    (record) => record.kind === 'round' && (record.event.kind === 'pause' || record.event.kind === 'resume'),
  )
  return wish?.kind === 'round' && wish.event.kind === 'pause'
}
