import { randomBytes } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import type { FetchBlock } from '../checkpoints/fetch.ts'
import type { KeptBlocks } from '../checkpoints/kept-blocks.ts'
import type { Store } from '../checkpoints/store.ts'
import { backoffMs } from '../protocol/backoff.ts'
import { errorText, isMurmurError, MurmurError } from '../protocol/errors.ts'
import type { CidText, Hash, RunId, WorkerId } from '../protocol/ids.ts'
import type { Clock, Network } from '../protocol/ports.ts'
import { topicOf } from '../protocol/topic.ts'
import type { Assignment, NodeOffer } from '../protocol/wire.ts'
import { DeclinedRuns, isPermanent } from './declined-runs.ts'
import type { Engine } from './engine/engine.ts'
import { type HeadCache, HeadLink, isFinal, type Payout } from './head-link.ts'
import { KeptRuns } from './kept-runs.ts'
import { RunBlocks } from './run-blocks.ts'
import { RunClaims } from './run-claims.ts'
import { loadRunContext, type RunContext } from './run-context.ts'
import type { trainRound } from './train-round.ts'
import { type FailedWarmUp, failedAgain, isTooSoon } from './warm-up-retry.ts'
import { WorkerRun } from './worker-run.ts'

export interface WorkerNodeOptions {
  /** Addresses of heads: whichever leads is joined. */
  readonly addresses: readonly string[]
  readonly token: string
  readonly agent: string
  /** Who is paid; an account also signs the claims. Null trains without pay. */
  readonly payout: Payout | null
  /** How long the first join is tried before the worker gives up. Once joined it never does. */
  readonly firstJoinMs?: number | undefined
}

export interface WorkerNodeDependencies {
  readonly network: Network
  readonly store: Store
  /** The store's. */
  readonly kept: KeptBlocks
  readonly engine: Engine
  readonly clock: Clock
  /** What this host offers, as far as it is known. */
  offer?(): NodeOffer | null
  readonly headCache?: HeadCache
  log(code: string, text: string): void
  /** See WorkerRunDependencies. */
  readonly train?: typeof trainRound
}

const dialTimeoutMs = 10_000
const warmingHeartbeatMs = 500
/** A head that asks for heartbeats without end gets no more than ten a second. */
const leastPauseMs = 100
const fetchTimeoutMs = 60_000
const defaultFirstJoinMs = 120_000
/** A head that is gone is called again soon, since another may take its place within seconds, then less often. */
const recall = { firstMs: 250, maxMs: 15_000 }
const soonAttempts = 12
/** A peer that could not be reached is not dialled with every heartbeat: its address may be anybody's. */
const redialMs = 5_000

/** The run that this worker is in. */
interface Entered {
  readonly id: RunId
  /** Both null until it is warmed up. */
  readonly context: RunContext | null
  readonly run: WorkerRun | null
  /** It is one that this worker cannot do: it is not loaded again, and the head is told until it gives other work. */
  readonly declined: boolean
}

/** A worker's life: dial out, join, heartbeat, train what is assigned, claim what was earned. */
export class WorkerNode {
  readonly #options: WorkerNodeOptions
  readonly #dependencies: WorkerNodeDependencies
  readonly #link: HeadLink
  readonly #abort = new AbortController()
  readonly #runsDone = new Set<RunId>()
  readonly #declined = new DeclinedRuns()
  readonly #keptRuns: KeptRuns
  readonly #claims: RunClaims
  #run: Entered | null = null
  #failed: FailedWarmUp | null = null
  #peers: readonly WorkerId[] = []
  /** When peers were last dialled. */
  #dialled = new Map<WorkerId, number>()
  /** Told with every heartbeat, until this worker goes on to another run or one loads. */
  #lastError = ''
  /** The run that it entered last. */
  #latest: RunId | null = null
  #draining = false
  #wake = new AbortController()
  /** Resolves when it is drained. */
  readonly #drained = Promise.withResolvers<void>()

  constructor(options: WorkerNodeOptions, dependencies: WorkerNodeDependencies) {
    this.#options = options
    this.#dependencies = dependencies
    const { addresses, token, agent, payout } = options
    const { engineClass } = dependencies.engine
    const { kept, clock } = dependencies
    const log = (code: string, text: string) => this.#log(code, text)
    this.#keptRuns = new KeptRuns({ kept, clock, log })
    this.#claims = new RunClaims(payout, { clock, log, fetch: (...of) => this.#fetch(...of) })
    this.#link = new HeadLink(
      { addresses, token, agent, engineClass, payout },
      dependencies.network,
      dependencies.offer ?? (() => null),
      dependencies.headCache ?? null,
    )
  }

  /**
   * Joins and stays until `stop`, or until it is drained. A head that goes away is called until one answers.
   * @throws MurmurError BOOTSTRAP_UNREACHABLE when the first join does not succeed in time; PROTOCOL_MISMATCH,
   * JOIN_REFUSED, …: when a head refuses this worker.
   */
  async live(): Promise<void> {
    const { signal } = this.#abort
    const { clock, network, store } = this.#dependencies
    network.serveBlocks({ get: (cid) => store.blocks.get(cid) })
    network.handleRequests(async (peer, payload) => this.#onRequest(peer, payload))
    const giveUpAtMs = clock.now() + (this.#options.firstJoinMs ?? defaultFirstJoinMs)
    let joined = false
    let joinedOnce = false
    for (let failures = 0; !signal.aborted; ) {
      try {
        if (!joined) {
          await this.#link.join(signal)
          this.#log('JOINED', `the head calls this worker ${this.#link.name}`)
          ;[joined, joinedOnce] = [true, true]
        }
        this.#wake = new AbortController()
        await this.#heartbeat()
        await this.#keptRuns.perhapsForget(this.#run?.id ?? null)
        failures = 0
        if (this.#draining && this.#isIdle()) {
          this.#drained.resolve()
          await this.stop()
        } else await this.#pause()
      } catch (error) {
        if (signal.aborted) break
        if (isFinal(error) || (!joinedOnce && clock.now() >= giveUpAtMs)) throw error
        const attempt = Math.max(0, failures++ - soonAttempts)
        const pauseMs = backoffMs(attempt, draw(), recall)
        this.#log(joinedOnce ? 'HEAD_SILENT' : 'HEAD_UNREACHABLE', `${errorText(error)}; calling again`)
        joined = false
        await sleep(pauseMs, undefined, { signal }).catch(() => {})
      }
    }
  }

  /** Until the next heartbeat is due, or the head asks for one. */
  async #pause(): Promise<void> {
    const either = AbortSignal.any([this.#abort.signal, this.#wake.signal])
    await sleep(leastPauseMs, undefined, { signal: this.#abort.signal })
    await sleep(Math.max(0, this.#pauseMs() - leastPauseMs), undefined, { signal: either }).catch(() => {
      this.#abort.signal.throwIfAborted()
    })
  }

  /** Empty, from the head: there is something to hear, beat now. Nobody else asks a worker anything. */
  #onRequest(peer: WorkerId, payload: Uint8Array): Uint8Array {
    if (peer !== this.#link.head || payload.length > 0) {
      throw new MurmurError('NOT_SERVING', {
        message: 'this node answers no requests',
        next: 'ask the head of the run',
        exit: 'unreachable',
      })
    }
    this.#wake.abort()
    return new Uint8Array()
  }

  /** While a run warms up the head waits for its workers: they tell it sooner that they are ready. */
  #pauseMs(): number {
    const phase = this.#run?.run?.phase ?? phaseWithout(this.#run)
    const warming = phase === 'warming' || phase === 'ready'
    const soon = warming || this.#draining
    return soon ? Math.min(warmingHeartbeatMs, this.#link.heartbeatMs) : this.#link.heartbeatMs
  }

  /** Finishes the round it is in, then leaves. Resolves when it has left, or the signal aborts. */
  async drain(signal: AbortSignal): Promise<void> {
    if (this.#abort.signal.aborted) return
    if (!this.#draining) this.#log('DRAINING', 'finishes its round, then leaves')
    this.#draining = true
    const aborted = new Promise<void>((resolve) => {
      if (signal.aborted) resolve()
      signal.addEventListener('abort', () => resolve(), { once: true })
    })
    await Promise.race([this.#drained.promise, aborted])
  }

  /** Whether no round waits for this worker. */
  #isIdle(): boolean {
    const phase = this.#run?.run?.phase
    return phase === undefined || phase === 'ready' || phase === 'ended'
  }

  async stop(): Promise<void> {
    if (this.#abort.signal.aborted) return
    await this.#link.leave('stopped', this.#abort.signal).catch(() => {})
    this.#abort.abort(new Error('stopped'))
    this.#drained.resolve()
    await this.#run?.run?.close()
    await this.#claims.settled
  }

  async #heartbeat(): Promise<void> {
    const run = this.#run?.run ?? null
    const { sentBytes, receivedBytes } = this.#dependencies.network.traffic()
    const standing = run?.standing ?? { term: 0, newest: null }
    const { assignment, announcement, heads, drain, stay } = await this.#link.beat(
      {
        run: this.#run?.id ?? '',
        phase: run?.phase ?? phaseWithout(this.#run),
        round: run?.progress.round ?? 0,
        step: run?.progress.step ?? 0,
        lossNats: run?.progress.lossNats ?? 0,
        tokensPerSecond: run?.progress.tokensPerSecond ?? 0,
        utilization: run?.progress.utilization ?? 0,
        sentBytes,
        receivedBytes,
        outstanding: run?.outstanding() ?? new Uint8Array(),
        error: printable(this.#lastError).slice(0, 1024),
        ...standing,
        draining: this.#draining,
      },
      this.#abort.signal,
    )
    if (drain) void this.drain(this.#abort.signal)
    if (heads.length > 0) run?.setHeads(heads.map(({ id }) => id))
    if (assignment === null) {
      // The head has no place for this worker any more.
      if (!stay && this.#run !== null && (this.#run.run !== null || this.#run.declined))
        await this.#leaveRun(this.#run.id)
      return
    }
    this.#meet(assignment)
    this.#claims.offer(assignment)
    if (assignment.ended) {
      await this.#leaveRun(assignment.run)
      if (!this.#runsDone.has(assignment.run)) await this.#keptRuns.ended(assignment.run)
      this.#runsDone.add(assignment.run)
      return
    }
    if (this.#runsDone.has(assignment.run)) return
    if (this.#run !== null && this.#run.id !== assignment.run) await this.#leaveRun(this.#run.id)
    if (this.#run === null) {
      if (!isTooSoon(this.#failed, assignment.run, this.#dependencies.clock.now())) this.#enter(assignment)
    } else if (run !== null) run.offer(this.#link.head!, announcement)
  }

  /** Connects to the other members, so that blocks go between workers and not through the head. */
  #meet({ peers }: Assignment): void {
    const { network } = this.#dependencies
    const connected = new Set(network.connectedPeers())
    this.#peers = [...peers.map(({ id }) => id), this.#link.head!]
    const now = this.#dependencies.clock.now()
    this.#dialled = new Map([...this.#dialled].filter(([, at]) => now - at < redialMs))
    for (const { id, addresses } of peers) {
      if (connected.has(id) || addresses.length === 0 || id < network.self || this.#dialled.has(id)) continue
      this.#dialled.set(id, now)
      // One side dials: the one with the smaller id. Both would race for the same connection.
      void this.#dialPeer(addresses)
    }
  }

  /** Tries a peer's addresses in their order: behind one router the local one answers where the public one does not. */
  async #dialPeer(addresses: readonly string[]): Promise<void> {
    let failure: unknown
    for (const address of addresses) {
      try {
        await this.#dependencies.network.dial(address, AbortSignal.timeout(dialTimeoutMs))
        return
      } catch (error) {
        if (this.#abort.signal.aborted) return
        failure = error
      }
    }
    this.#log('PEER_UNREACHABLE', errorText(failure))
  }

  /** Warms up for a run, in the background: heartbeats go on meanwhile. One that it declined before it declines at once. */
  #enter(assignment: Assignment): void {
    const { store, kept, network, engine, clock, train } = this.#dependencies
    const id = assignment.run
    const heads = this.#link.heads.map((head) => head.id)
    const refusal = this.#declined.reasonFor(id)
    const entered: Entered = { id, context: null, run: null, declined: refusal !== undefined }
    this.#run = entered
    // What kept a run from loading is told while it is tried again.
    if (id !== this.#latest) this.#lastError = ''
    this.#latest = id
    if (refusal !== undefined) {
      this.#lastError = refusal
      this.#wake.abort()
      return
    }
    const work = async () => {
      const context = await loadRunContext(id, (cid, maxBytes) => this.#fetch(id, cid, maxBytes))
      const session = await engine.loadTraining(context.trainingProgram, this.#abort.signal)
      const run = await WorkerRun.open(
        { context, heads, term: assignment.term, topic: topicOf(id) },
        {
          ...{ run: id, network, kept, session },
          blocks: store.blocks,
          peers: () => this.#peers,
          randomSalt: () => `0x${randomBytes(32).toString('hex')}` as Hash,
          now: () => clock.now(),
          writeCheckpoint: async (state, { round, epoch }, parent) => {
            const { data, programs } = context.spec
            const links = { run: id, program: programs.training, data, round, epoch, parent }
            const keptFor = { run: id, kind: 'checkpoint', round } as const
            const written = await store.writeCheckpoint(state, context.model.table, links, keptFor)
            await this.#keptRuns.wroteCheckpoint(id)
            return written.manifestCid
          },
          readCheckpoint: async (cid, round, signal) => {
            const keptFor = { run: id, kind: 'checkpoint', round } as const
            const fetch: FetchBlock = (...of) => this.#fetchFromPeers(...of)
            return (await store.fetchCheckpoint(cid, fetch, signal, keptFor)).state
          },
          log: (code, text) => this.#log(code, text),
          train,
        },
        assignment.newestManifest,
        this.#abort.signal,
      )
      // Sent elsewhere, or stopped, while it warmed up.
      if (this.#run !== entered) return await run.close()
      this.#run = { ...entered, context, run }
      this.#failed = null
      this.#lastError = ''
      // The head waits for it.
      this.#wake.abort()
      void run.ended.then((reason) => this.#log('RUN_ENDED', reason))
    }
    work().catch((error: unknown) => {
      if (this.#abort.signal.aborted || this.#run !== entered) return
      this.#log(isMurmurError(error) ? error.code : 'WARM_UP_FAILED', errorText(error))
      this.#run = null
      if (!isPermanent(error)) {
        // The assignment of a later heartbeat tries again.
        this.#failed = failedAgain(this.#failed, id, clock.now(), draw())
        return
      }
      this.#lastError = errorText(error)
      this.#declined.add(id, this.#lastError)
      this.#run = { ...entered, declined: true }
      this.#wake.abort()
    })
  }

  /** What belongs to a run as a whole. */
  #fetch(run: RunId, cid: CidText, maxBytes: number): Promise<Uint8Array> {
    const { network, store, kept } = this.#dependencies
    const log = (code: string, text: string) => this.#log(code, text)
    const blocks = new RunBlocks({
      ...{ run, network, kept, log },
      blocks: store.blocks,
      peers: () => this.#peers,
    })
    return blocks.fetch(cid, maxBytes, this.#abort.signal, { timeoutMs: fetchTimeoutMs })
  }

  #fetchFromPeers(cid: CidText, maxBytes: number, leaving: AbortSignal): Promise<Uint8Array> {
    const signal = AbortSignal.any([leaving, AbortSignal.timeout(fetchTimeoutMs)])
    return this.#dependencies.network.fetchBlock(this.#peers, cid, { signal, maxBytes })
  }

  async #leaveRun(run: RunId): Promise<void> {
    if (this.#run?.id !== run) return
    const current = this.#run.run
    this.#run = null
    await current?.close()
  }

  #log(code: string, text: string): void {
    if (isForHead(code)) this.#lastError = `${code}: ${text}`
    this.#dependencies.log(code, text)
  }
}

const draw = (): number => randomBytes(4).readUInt32LE()

/** Whether the head hears of it with the heartbeats; the rest is for this worker's own log. */
const isForHead = (code: string): boolean =>
  code.endsWith('FAILED') ||
  code.endsWith('DIVERGED') ||
  code.startsWith('AVERAGE_UNCHECK') ||
  code === 'AVERAGE_FALSE'

/** Of a worker that has no run, or one that it has not warmed up for. */
const phaseWithout = (entered: Entered | null): 'idle' | 'warming' | 'declined' => {
  if (entered === null) return 'idle'
  return entered.declined ? 'declined' : 'warming'
}

/** In one line, and without anything that a terminal would act on: the wire carries no other text. */
const printable = (text: string): string => text.replace(/[\p{Cc}\p{Cf}\u2028\u2029]+/gu, ' ')
