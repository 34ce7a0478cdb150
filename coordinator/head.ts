import { MurmurError } from '../protocol/errors.ts'
import type { RunId, WorkerId } from '../protocol/ids.ts'
import type { ClusterReport, RunReport } from '../protocol/report.ts'
import type { HeadReply, HeadRequest, PeerAddresses } from '../protocol/wire.ts'
import { type AdmissionRules, admitWorker } from './admit-worker.ts'
import type { HeadControl, SubmitOptions } from './api/head-control.ts'
import { narrate } from './api/report-events.ts'
import { nodeReportOf, nodeViewOf, runViewOf } from './cluster-views.ts'
import type { EventFeed } from './events.ts'
import type { Leader } from './head-node.ts'
import { HeadRuns, type HeadRunsDependencies, type RunEntry } from './head-runs.ts'
import {
  disconnected,
  heard,
  heartbeatMs,
  isAlive,
  joined,
  left,
  type MutableMembers,
  silent,
} from './members.ts'
import type { OpenRunDependencies } from './open-run.ts'
import type { Pending } from './placement/pending.ts'
import { place } from './placement/place.ts'
import type { Quotas } from './placement/views.ts'
import type { Recovered } from './recovery.ts'
import type { RunCoordinator } from './run.ts'

export interface HeadOptions extends AdmissionRules {
  readonly version: string
  readonly quotas: Quotas
}

export interface HeadDependencies
  extends Omit<HeadRunsDependencies, 'members' | 'heads' | 'term' | 'opened' | 'changed' | 'tell'> {
  readonly events: EventFeed
}

const lookMs = 500
const wakeTimeoutMs = 5_000

/** The head that leads a cluster: membership, placement, and the runs. Everything that must outlive it is in the journal. */
export class Head implements HeadControl, Leader {
  readonly events: EventFeed
  readonly #options: HeadOptions
  readonly #dependencies: HeadDependencies
  readonly #term: number
  readonly #startedAt: number
  readonly #runs: HeadRuns
  #heads: readonly PeerAddresses[]
  #members: MutableMembers
  #assigned = new Map<WorkerId, RunId>()
  #pending: ReadonlyMap<RunId, Pending> = new Map()
  #timer: NodeJS.Timeout | undefined
  #unsubscribe: () => void = () => {}

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
    this.#runs = new HeadRuns({
      ...{ ...dependencies, term },
      heads: () => this.#heads.map(({ id }) => id),
      members: () => this.#members,
      opened: (run, coordinator) => {
        for (const worker of coordinator.state.members.keys())
          if (!this.#assigned.has(worker)) this.#assigned.set(worker, run)
      },
      changed: () => this.#place(),
      tell: (entry, report) => this.#tell(entry, report),
    })
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
    await this.#runs.start(runs)
    this.#timer = setInterval(() => this.#look(), lookMs)
  }

  async stop(): Promise<void> {
    clearInterval(this.#timer)
    this.#unsubscribe()
    await this.#runs.stop()
  }

  // ---- runs ---------------------------------------------------------------------------------------------

  submit(run: RunId, options: SubmitOptions): Promise<void> {
    return this.#runs.submit(run, options)
  }

  async report(run: RunId): Promise<RunReport | undefined> {
    const report = await this.#runs.report(run)
    return report && this.#withPlacement(report)
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
    return this.#runs.stopRun(run)
  }

  pauseRun(run: RunId): boolean {
    return this.#runs.pauseRun(run)
  }

  resumeRun(run: RunId): boolean {
    return this.#runs.resumeRun(run)
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
    for (const { coordinator } of this.#runs.entries()) coordinator?.setHeads(heads.map(({ id }) => id))
  }

  cluster(): ClusterReport {
    const { network, clock, chain } = this.#dependencies
    const now = clock.now()
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
      runs: this.#runs.lines((run) => {
        const pending = this.#pending.get(run)
        return pending === undefined ? null : `${pending.text}; ${pending.fix}`
      }),
      chain: chain === null ? null : pickChain(chain.config),
    }
  }

  // ---- placement ----------------------------------------------------------------------------------------

  #coordinatorOf(worker: WorkerId): RunCoordinator | null {
    const run = this.#assigned.get(worker)
    return run === undefined ? null : (this.#runs.get(run)?.coordinator ?? null)
  }

  /** Decides anew who works for what, and tells those whose work changes. */
  #place(): void {
    const now = this.#dependencies.clock.now()
    const views = this.#runs.open().map((entry) => runViewOf(entry, entry.coordinator))
    const nodes = [...this.#members.values()].map((member) => {
      const run = this.#assigned.get(member.id) ?? null
      return nodeViewOf(member, run, this.#coordinatorOf(member.id)?.state ?? null, now)
    })
    const { assignments, pending } = place(nodes, views, this.#options.quotas)
    this.#pending = pending
    const before = this.#assigned
    this.#assigned = new Map(assignments)
    for (const [worker, run] of before) {
      if (assignments.get(worker) !== run) this.#runs.get(run)?.coordinator?.release(worker)
    }
    for (const [worker, run] of assignments) {
      const coordinator = this.#runs.get(run)!.coordinator!
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
    this.#runs.look(now)
    this.#place()
    for (const entry of this.#runs.open())
      void entry.coordinator
        .report({ money: false })
        .then((report) => this.#tell(entry, this.#withPlacement(report)))
  }

  #tell(entry: RunEntry, report: RunReport): void {
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
        run: this.#runs.get(run) === undefined ? null : (run as RunId),
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
    const told = this.#runs.get(run)?.coordinator
    if (told != null && told === coordinator) told.heartbeat(peer, telemetry, body.outstanding, body.newest)
    const asked = known.draining === 'asked'
    // A run that is over says so, and where the pay is, to whoever still works for it.
    if (told?.isOver === true)
      return this.#beat(told.assignment(peer), told.announcementFor(peer, body), asked)
    if (coordinator !== null)
      return this.#beat(coordinator.assignment(peer), coordinator.announcementFor(peer, body), asked)
    const opening = this.#runs.isOpening(run)
    return this.#beat(opening ? null : this.#lastAssignmentOf(peer), new Uint8Array(), asked, opening)
  }

  /** Of a worker without work: the last run it worked for, whose pay may have become claimable since. */
  #lastAssignmentOf(peer: WorkerId) {
    const over = this.#runs
      .entries()
      .findLast(({ coordinator }) => coordinator?.isOver === true && coordinator.knows(peer))
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
      this.#runs.memberRecorded()
    }
    this.#coordinatorOf(peer)?.join(peer, before?.incarnation !== incarnation)
    this.#place()
    return {
      body: { kind: 'welcome', name, heartbeatMs, heads: [...this.#heads], protocol },
    }
  }

  /** Whether it has contributed to a run that is not settled to its end. */
  #isOwed(worker: WorkerId): boolean {
    return this.#runs.open().some(({ coordinator }) => coordinator.hasContributed(worker))
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
