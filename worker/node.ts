import { randomBytes } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import type { LocalAccount } from 'viem'
import { signPayoutBinding } from '../chain/payout-binding.ts'
import type { Store } from '../checkpoints/store.ts'
import { errorText, isMurmurError, MurmurError } from '../protocol/errors.ts'
import type { CidText, Hash, RunId, WorkerId } from '../protocol/ids.ts'
import { maxRequestBytes } from '../protocol/limits.ts'
import type { Clock, Network } from '../protocol/ports.ts'
import { topicOf } from '../protocol/topic.ts'
import { type Assignment, decode, encode, type HeadReply, type HeadRequest } from '../protocol/wire.ts'
import { claimEarnings } from './claim-earnings.ts'
import type { Engine } from './engine/engine.ts'
import { loadRunContext, type RunContext } from './run-context.ts'
import type { trainRound } from './train-round.ts'
import { WorkerRun } from './worker-run.ts'

export interface WorkerNodeOptions {
  /** Addresses of heads: the first that answers is joined. */
  readonly addresses: readonly string[]
  readonly token: string
  readonly agent: string
  /** Who is paid, and signs the claims; null trains without pay. */
  readonly account: LocalAccount | null
}

export interface WorkerNodeDependencies {
  readonly network: Network
  readonly store: Store
  readonly engine: Engine
  readonly clock: Clock
  log(code: string, text: string): void
  /** See WorkerRunDependencies. */
  readonly train?: typeof trainRound
}

const requestTimeoutMs = 10_000
const dialTimeoutMs = 10_000
const warmingHeartbeatMs = 500
const fetchTimeoutMs = 60_000
/** A head that is gone is called again this often, for this long, before the worker gives up. */
const reconnectMs = 2_000
const giveUpMs = 120_000
/** A peer that could not be reached is not dialled with every heartbeat: its address may be anybody's. */
const redialMs = 5_000

/** A worker's life: dial out, join, heartbeat, train what is assigned, claim what was earned. */
export class WorkerNode {
  readonly #options: WorkerNodeOptions
  readonly #dependencies: WorkerNodeDependencies
  readonly #abort = new AbortController()
  readonly #runsDone = new Set<RunId>()
  readonly #claimed = new Set<CidText>()
  #head: WorkerId | null = null
  #heartbeatMs = 1_000
  #run: { readonly id: RunId; readonly context: RunContext | null; readonly run: WorkerRun | null } | null =
    null
  #peers: readonly WorkerId[] = []
  /** When peers were last dialled. */
  #dialled = new Map<WorkerId, number>()
  #claiming: Promise<void> | null = null
  #lastError = ''

  constructor(options: WorkerNodeOptions, dependencies: WorkerNodeDependencies) {
    this.#options = options
    this.#dependencies = dependencies
  }

  /**
   * Joins and stays until `stop`. Resolves when stopped.
   * @throws MurmurError BOOTSTRAP_UNREACHABLE, PROTOCOL_MISMATCH, JOIN_REFUSED, …: when it cannot join at first, or the
   * head stays away for two minutes.
   */
  async live(): Promise<void> {
    const { signal } = this.#abort
    this.#dependencies.network.serveBlocks({ get: (cid) => this.#dependencies.store.blocks.get(cid) })
    await this.#join()
    let lastAnswer = this.#dependencies.clock.now()
    while (!signal.aborted) {
      try {
        await this.#heartbeat()
        lastAnswer = this.#dependencies.clock.now()
        await sleep(this.#pauseMs(), undefined, { signal })
      } catch (error) {
        if (signal.aborted) break
        if (this.#dependencies.clock.now() - lastAnswer > giveUpMs) throw error
        this.#log('HEAD_SILENT', `${errorText(error)}; calling again`)
        await sleep(reconnectMs, undefined, { signal }).catch(() => {})
        if (!signal.aborted) await this.#join().catch(() => {})
      }
    }
  }

  /** While a run warms up the head waits for its workers: they tell it sooner that they are ready. */
  #pauseMs(): number {
    const warming = this.#run !== null && (this.#run.run === null || this.#run.run.phase === 'ready')
    return warming ? Math.min(warmingHeartbeatMs, this.#heartbeatMs) : this.#heartbeatMs
  }

  async stop(): Promise<void> {
    if (this.#abort.signal.aborted) return
    if (this.#head !== null) {
      await this.#request({ body: { kind: 'leave', reason: 'stopped' } }).catch(() => {})
    }
    this.#abort.abort(new Error('stopped'))
    await this.#run?.run?.close()
    await this.#claiming
  }

  async #join(): Promise<void> {
    const { network, engine } = this.#dependencies
    const { account, agent, token, addresses } = this.#options
    this.#head = await this.#dialFirst(addresses)
    const binding = account === null ? new Uint8Array() : await bindingOf(account, network.self)
    const reply = await this.#request({
      body: {
        kind: 'join',
        agent,
        engineClass: engine.engineClass,
        addresses: [...network.addresses()].slice(0, 8),
        payout: account?.address ?? '',
        payoutBinding: binding,
        token,
      },
    })
    if (reply.body.kind !== 'welcome') throw unexpected(reply.body.kind)
    this.#heartbeatMs = Math.min(60_000, Math.max(100, reply.body.heartbeatMs))
    this.#log('JOINED', `the head calls this worker ${reply.body.name}`)
  }

  async #dialFirst(addresses: readonly string[]): Promise<WorkerId> {
    let last: unknown
    for (const address of addresses) {
      try {
        const signal = AbortSignal.any([this.#abort.signal, AbortSignal.timeout(dialTimeoutMs)])
        return await this.#dependencies.network.dial(address, signal)
      } catch (error) {
        last = error
      }
    }
    throw last
  }

  async #request(message: HeadRequest): Promise<HeadReply> {
    const signal = AbortSignal.any([this.#abort.signal, AbortSignal.timeout(requestTimeoutMs)])
    const answer = await this.#dependencies.network.request(
      this.#head!,
      encode('HeadRequest', message),
      signal,
    )
    return decode('HeadReply', answer, maxRequestBytes)
  }

  async #heartbeat(): Promise<void> {
    const run = this.#run?.run ?? null
    const { sentBytes, receivedBytes } = this.#dependencies.network.traffic()
    const reply = await this.#request({
      body: {
        kind: 'heartbeat',
        run: this.#run?.id ?? '',
        phase: run?.phase ?? (this.#run === null ? 'idle' : 'warming'),
        round: run?.progress.round ?? 0,
        step: run?.progress.step ?? 0,
        lossNats: run?.progress.lossNats ?? 0,
        tokensPerSecond: run?.progress.tokensPerSecond ?? 0,
        sentBytes,
        receivedBytes,
        outstanding: run?.outstanding() ?? new Uint8Array(),
        error: this.#lastError.slice(0, 1024),
      },
    })
    if (reply.body.kind !== 'beat') throw unexpected(reply.body.kind)
    const { assignment, announcement } = reply.body
    if (assignment === null) return
    this.#meet(assignment)
    if (assignment.ended) {
      await this.#leaveRun(assignment.run)
      this.#claim(assignment)
      return
    }
    if (this.#runsDone.has(assignment.run)) return
    if (this.#run?.id !== assignment.run) this.#enter(assignment)
    else if (run !== null) run.offer(this.#head!, announcement)
  }

  /** Connects to the other members, so that blocks go between workers and not through the head. */
  #meet({ peers }: Assignment): void {
    const { network } = this.#dependencies
    const connected = new Set(network.connectedPeers())
    this.#peers = [...peers.map(({ id }) => id), this.#head!]
    const now = this.#dependencies.clock.now()
    this.#dialled = new Map([...this.#dialled].filter(([, at]) => now - at < redialMs))
    for (const { id, addresses } of peers) {
      const [address] = addresses
      if (connected.has(id) || address === undefined || id < network.self || this.#dialled.has(id)) continue
      this.#dialled.set(id, now)
      // One side dials: the one with the smaller id. Both would race for the same connection.
      network.dial(address, AbortSignal.timeout(dialTimeoutMs)).catch((error: unknown) => {
        this.#log('PEER_UNREACHABLE', errorText(error))
      })
    }
  }

  /** Warms up for a run, in the background: heartbeats go on meanwhile. */
  #enter(assignment: Assignment): void {
    const { store, network, engine, clock, train } = this.#dependencies
    const id = assignment.run
    const head = this.#head!
    this.#run = { id, context: null, run: null }
    const fetch = (cid: CidText, maxBytes: number) => this.#fetch(cid, maxBytes)
    const work = async () => {
      const context = await loadRunContext(id, fetch)
      const session = await engine.loadTraining(context.trainingProgram, this.#abort.signal)
      const run = await WorkerRun.open(
        { context, head, term: assignment.term, topic: topicOf(id) },
        {
          network,
          blocks: store.blocks,
          session,
          peers: () => this.#peers,
          randomSalt: () => `0x${randomBytes(32).toString('hex')}` as Hash,
          now: () => clock.now(),
          writeCheckpoint: async (theta, { round, epoch }, parent) => {
            const { data, programs } = context.spec
            const links = { run: id, program: programs.training, data, round, epoch, parent }
            return (await store.writeCheckpoint(theta, context.model.table, links)).manifestCid
          },
          readCheckpoint: async (cid, signal) => (await store.fetchCheckpoint(cid, fetch, signal)).theta,
          log: (code, text) => this.#log(code, text),
          train,
        },
        assignment.newestManifest,
        this.#abort.signal,
      )
      this.#run = { id, context, run }
      void run.ended.then((reason) => this.#log('RUN_ENDED', reason))
    }
    work().catch((error: unknown) => {
      if (this.#abort.signal.aborted) return
      this.#log(isMurmurError(error) ? error.code : 'WARM_UP_FAILED', errorText(error))
      // Forgotten, so that the next heartbeat's assignment tries again.
      this.#run = null
    })
  }

  async #fetch(cid: CidText, maxBytes: number): Promise<Uint8Array> {
    const { store, network } = this.#dependencies
    const own = await store.blocks.get(cid)
    if (own !== undefined) return own
    const signal = AbortSignal.any([this.#abort.signal, AbortSignal.timeout(fetchTimeoutMs)])
    const bytes = await network.fetchBlock(this.#peers, cid, { signal, maxBytes })
    await store.blocks.put(cid, bytes)
    return bytes
  }

  async #leaveRun(run: RunId): Promise<void> {
    this.#runsDone.add(run)
    if (this.#run?.id !== run) return
    const current = this.#run.run
    this.#run = null
    await current?.close()
  }

  /** Claims once the newest payout tree is final on chain; tried again with every heartbeat until then. */
  #claim({ escrow, payoutTree }: Assignment): void {
    const { account } = this.#options
    if (escrow === null || payoutTree === null || account === null) return
    if (this.#claimed.has(payoutTree) || this.#claiming !== null) return
    this.#claiming = claimEarnings(escrow, payoutTree, account.address, account, (cid, maxBytes) =>
      this.#fetch(cid, maxBytes),
    )
      .then((claimed) => {
        if (claimed === null) return
        this.#claimed.add(payoutTree)
        this.#log('CLAIMED', `${claimed.amount} wei to ${account.address}, ${claimed.gasUsed} gas`)
      })
      .catch((error: unknown) =>
        this.#log(isMurmurError(error) ? error.code : 'CLAIM_FAILED', errorText(error)),
      )
      .finally(() => {
        this.#claiming = null
      })
  }

  #log(code: string, text: string): void {
    if (code.endsWith('FAILED') || code.endsWith('DIVERGED')) this.#lastError = `${code}: ${text}`
    this.#dependencies.log(code, text)
  }
}

async function bindingOf(account: LocalAccount, peerId: WorkerId): Promise<Uint8Array> {
  return Buffer.from((await signPayoutBinding(account, { peerId })).slice(2), 'hex')
}

function unexpected(kind: string): MurmurError {
  return new MurmurError('PROTOCOL_MISMATCH', {
    message: `the head answered with a ${kind}`,
    next: 'run the same version of murmur on both sides',
    exit: 'version',
  })
}
