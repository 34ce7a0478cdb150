import { timingSafeEqual } from 'node:crypto'
import type { ChainConfig } from '../chain/escrow.ts'
import { verifyPayoutBinding } from '../chain/payout-binding.ts'
import type { Store } from '../checkpoints/store.ts'
import { readRunModel } from '../program/run-model.ts'
import { MurmurError } from '../protocol/errors.ts'
import { type Address, type CidText, cidText, type RunId, type WorkerId } from '../protocol/ids.ts'
import { maxRequestBytes } from '../protocol/limits.ts'
import type { Clock, Network } from '../protocol/ports.ts'
import type { ClusterReport, RunReport } from '../protocol/report.ts'
import { decodeRunSpec, type RunSpec } from '../protocol/run-spec.ts'
import { decode, encode, type HeadReply, type HeadRequest } from '../protocol/wire.ts'
import { disconnected, heard, heartbeatMs, isAlive, joined, left, type Members } from './members.ts'
import { type HeadChain, type OpenRunDependencies, openRun } from './open-run.ts'
import type { RunCoordinator } from './run.ts'
import type { RunArchive } from './run-archive.ts'

export interface HeadOptions {
  /** What workers must present to join; empty lets anyone join. */
  readonly token: string
  readonly version: string
  /** Where runs are paid, and by whom epochs are posted; null runs unpaid. */
  readonly chain: HeadChain | null
}

export interface HeadDependencies {
  readonly network: Network
  readonly store: Store
  readonly archive: RunArchive
  readonly clock: Clock
  log(code: string, text: string): void
  readonly createAuditor: OpenRunDependencies['createAuditor']
}

/** Runs waiting for their turn: each holds only its spec. */
const maxQueuedRuns = 64
const livenessMs = 500

/** The head of a cluster: membership, a queue of runs of which one is active, and the reports of all. */
export class Head {
  readonly #options: HeadOptions
  readonly #dependencies: HeadDependencies
  readonly #queue: { readonly run: RunId; readonly spec: RunSpec }[] = []
  readonly #startedAt: number
  #members: Members = new Map()
  #active: RunCoordinator | null = null
  /** Taken from the queue, its programs being loaded. */
  #starting: { readonly run: RunId; readonly spec: RunSpec } | null = null
  #activation: Promise<void> = Promise.resolve()
  #timer: NodeJS.Timeout | undefined
  #closed = false

  constructor(options: HeadOptions, dependencies: HeadDependencies) {
    this.#options = options
    this.#dependencies = dependencies
    this.#startedAt = dependencies.clock.now()
  }

  start(): void {
    const { network, store, clock } = this.#dependencies
    network.serveBlocks({ get: (cid) => store.blocks.get(cid) })
    network.handleRequests((peer, payload) => this.#answer(peer, payload))
    network.onDisconnect((peer) => {
      this.#members = disconnected(this.#members, peer, clock.now())
    })
    this.#timer = setInterval(() => this.#checkLiveness(), livenessMs)
  }

  async stop(): Promise<void> {
    this.#closed = true
    clearInterval(this.#timer)
    await this.#activation.catch(() => {})
    await this.#active?.close()
  }

  // ---- runs ---------------------------------------------------------------------------------------------

  /**
   * Takes a run whose blocks (spec, programs, data manifest, shards) are in the store. Submitting one twice is harmless.
   * @throws MurmurError RUN_SPEC_INVALID, BLOCK_MISSING, QUEUE_FULL, NO_CHAIN, and what checking its program throws.
   */
  async submit(run: RunId): Promise<void> {
    if (this.#active?.options.run === run || this.#waiting().some((queued) => queued.run === run)) return
    if (this.#dependencies.archive.has(run)) return
    if (this.#queue.length >= maxQueuedRuns) {
      throw new MurmurError('QUEUE_FULL', {
        message: `${maxQueuedRuns} runs are waiting already`,
        next: 'wait for one to finish, or stop one with `murmur stop RUN`',
        exit: 'infeasible',
      })
    }
    const spec = decodeRunSpec(await this.#block(cidText(run)))
    if (spec.reward !== null && this.#options.chain === null) {
      throw new MurmurError('NO_CHAIN', {
        message: 'the run pays a reward, but this head has no chain to pay it on',
        next: 'start the head with --devnet or --chain FILE, or set `reward: null`',
        exit: 'infeasible',
      })
    }
    readRunModel(await this.#block(spec.programs.training))
    for (const cid of [spec.data, spec.programs.evaluation, spec.programs.sampling]) await this.#block(cid)
    this.#queue.push({ run, spec })
    this.#activateNext()
  }

  async #block(cid: CidText): Promise<Uint8Array> {
    const bytes = await this.#dependencies.store.blocks.get(cid)
    if (bytes !== undefined) return bytes
    throw new MurmurError('BLOCK_MISSING', {
      message: `the submission names ${cid}, which was not uploaded`,
      next: 'submit again with `murmur run`, which uploads every block first',
      exit: 'usage',
    })
  }

  #activateNext(): void {
    if (this.#closed || this.#starting !== null || (this.#active !== null && !this.#active.isOver)) return
    const next = this.#queue.shift()
    if (next === undefined) return
    this.#starting = next
    this.#activation = this.#activate(next.run, next.spec)
      .catch((error: unknown) => {
        this.#dependencies.log(
          'RUN_FAILED',
          `${next.run}: ${error instanceof Error ? error.message : String(error)}`,
        )
      })
      .finally(() => {
        this.#starting = null
        this.#activateNext()
      })
  }

  /** Runs that are not under way yet, the next one first. */
  #waiting(): readonly { readonly run: RunId; readonly spec: RunSpec }[] {
    return this.#starting === null || this.#active?.options.run === this.#starting.run
      ? this.#queue
      : [this.#starting, ...this.#queue]
  }

  async #activate(run: RunId, spec: RunSpec): Promise<void> {
    await this.#active?.close()
    const { clock, archive } = this.#dependencies
    const program = await this.#block(spec.programs.training)
    const coordinator = await openRun(run, spec, program, {
      ...this.#dependencies,
      chain: this.#options.chain,
      members: () => this.#members,
    })
    this.#active = coordinator
    coordinator.start()
    for (const member of this.#members.values()) {
      if (isAlive(member, clock.now())) coordinator.join(member.id)
    }
    void coordinator.finished.then(async () => {
      await archive.keep(await coordinator.report())
      if (this.#queue.length > 0) this.#activateNext()
    })
  }

  async report(run: RunId): Promise<RunReport | undefined> {
    if (this.#active?.options.run === run) return await this.#active.report()
    return this.#dependencies.archive.get(run)
  }

  stopRun(run: RunId): boolean {
    const queued = this.#queue.findIndex((candidate) => candidate.run === run)
    if (queued !== -1) this.#queue.splice(queued, 1)
    if (this.#active?.options.run === run) this.#active.stop('stopped by its owner')
    return queued !== -1 || this.#active?.options.run === run
  }

  cluster(): ClusterReport {
    const { network, clock, archive } = this.#dependencies
    const { chain, version } = this.#options
    const active = this.#active
    return {
      head: network.self,
      version,
      addresses: network.addresses(),
      startedAt: this.#startedAt,
      nodes: [...this.#members.values()].map((member) => ({
        id: member.id,
        name: member.name,
        engineClass: member.engineClass,
        tokensPerSecond: member.telemetry.tokensPerSecond,
        connected: isAlive(member, clock.now()),
        run: member.telemetry.run,
        phase: member.telemetry.phase,
        payout: member.payout,
      })),
      runs: [
        ...archive.list().filter(({ run }) => run !== active?.options.run),
        ...(active === null
          ? []
          : [
              {
                run: active.options.run,
                name: active.options.spec.name,
                phase: active.phase,
                round: active.round,
                roundsTotal: active.options.rules.rounds,
                pending: active.pending,
              },
            ]),
        ...this.#waiting().map(({ run, spec }, index) => ({
          run,
          name: spec.name,
          phase: 'queued' as const,
          round: 0,
          roundsTotal: spec.train.roundsPerEpoch * spec.train.epochs,
          pending: `${index + 1} in the queue; runs are trained one at a time`,
        })),
      ],
      chain: chain === null ? null : pickChain(chain.config),
    }
  }

  // ---- workers ------------------------------------------------------------------------------------------

  async #answer(peer: WorkerId, payload: Uint8Array): Promise<Uint8Array> {
    const request = decode('HeadRequest', payload, maxRequestBytes)
    return encode('HeadReply', await this.#reply(peer, request))
  }

  async #reply(peer: WorkerId, { body }: HeadRequest): Promise<HeadReply> {
    const now = this.#dependencies.clock.now()
    switch (body.kind) {
      case 'join':
        return await this.#join(peer, body)
      case 'leave':
        this.#active?.lost(peer)
        this.#members = left(this.#members, peer)
        return { body: { kind: 'beat', assignment: null, announcement: new Uint8Array() } }
      case 'heartbeat': {
        if (!this.#members.has(peer)) {
          throw new MurmurError('NOT_JOINED', {
            message: 'this head does not know the worker',
            next: 'join again; the worker does so by itself',
            exit: 'auth',
          })
        }
        this.#members = heard(
          this.#members,
          peer,
          {
            run: body.run === '' ? null : (body.run as RunId),
            phase: body.phase,
            round: body.round,
            step: body.step,
            lossNats: body.lossNats,
            tokensPerSecond: body.tokensPerSecond,
            sentBytes: body.sentBytes,
            receivedBytes: body.receivedBytes,
            error: body.error === '' ? null : body.error,
          },
          now,
        )
        const active = this.#active
        if (active === null)
          return { body: { kind: 'beat', assignment: null, announcement: new Uint8Array() } }
        if (!active.knows(peer) && !active.isOver) active.join(peer)
        if (body.run === active.options.run)
          active.heartbeat(peer, this.#members.get(peer)!.telemetry, body.outstanding)
        return {
          body: { kind: 'beat', assignment: active.assignment(peer), announcement: active.announcement },
        }
      }
      default:
        return body satisfies never
    }
  }

  async #join(peer: WorkerId, body: Extract<HeadRequest['body'], { kind: 'join' }>): Promise<HeadReply> {
    const { clock, log } = this.#dependencies
    if (!sameToken(body.token, this.#options.token)) {
      throw new MurmurError('JOIN_REFUSED', {
        message: 'the join token is missing or wrong',
        next: 'ask the head’s owner for it, and pass it with --token',
        exit: 'auth',
      })
    }
    const payout = body.payout === '' ? null : (body.payout as Address)
    if (payout !== null) {
      const signature = `0x${Buffer.from(body.payoutBinding).toString('hex')}` as const
      await verifyPayoutBinding({ peerId: peer }, signature, payout)
    }
    const { engineClass, addresses } = body
    const members = joined(this.#members, { id: peer, engineClass, addresses, payout }, clock.now())
    if (members === null) {
      throw new MurmurError('CLUSTER_FULL', {
        message: 'the head remembers as many workers as it can',
        next: 'join another head, or restart this one',
        exit: 'infeasible',
      })
    }
    this.#members = members
    const { name } = members.get(peer)!
    log('WORKER_JOINED', `${name} is ${peer} (${engineClass})`)
    if (this.#active !== null && !this.#active.isOver) this.#active.join(peer)
    return { body: { kind: 'welcome', name, heartbeatMs } }
  }

  #checkLiveness(): void {
    const now = this.#dependencies.clock.now()
    for (const member of this.#members.values()) {
      if (!isAlive(member, now) && this.#active?.knows(member.id)) this.#active.lost(member.id)
    }
  }
}

function sameToken(given: string, expected: string): boolean {
  const [a, b] = [Buffer.from(given), Buffer.from(expected)]
  return expected === '' || (a.length === b.length && timingSafeEqual(a, b))
}

const pickChain = ({ rpcUrl, chainId, escrow, token }: ChainConfig) => ({ rpcUrl, chainId, escrow, token })
