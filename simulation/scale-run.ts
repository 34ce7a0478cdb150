import {
  initialRoundState,
  type RoundEffect,
  type RoundEvent,
  type RoundRules,
  type RoundState,
} from '../coordinator/round/state.ts'
import { step } from '../coordinator/round/step.ts'
import { contentId } from '../protocol/content-id.ts'
import { invariant } from '../protocol/errors.ts'
import type { CidText, Hash, WorkerId } from '../protocol/ids.ts'
import { maxGossipBytes } from '../protocol/limits.ts'
import { firstTerm } from '../protocol/term.ts'
import type { Gossip, RoundManifest } from '../protocol/wire.ts'
import {
  initialWorkerState,
  type WorkerEffect,
  type WorkerEvent,
  type WorkerState,
} from '../worker/round/state.ts'
import { outstanding, step as stepWorker } from '../worker/round/step.ts'
import { Draws } from './draws.ts'
import { hasHeard } from './heartbeat.ts'
import { cpuMs, heapBytes } from './measure.ts'
import { peerName, runName } from './names.ts'
import { announcementBytes, MessageSizes, manifestBlock } from './scale-bytes.ts'
import { VirtualTime } from './virtual-time.ts'

const heartbeatMs = 2_000
/** Peers that a node hands a gossip message to: gossipsub's D. */
const meshDegree = 8
/** Real encoded sizes of what the cores do not encode: a heartbeat around its outstanding message, and its answer. */
const beatBytes = 180
const beatReplyBytes = 120
/** Signature, key and topic of a gossip message, and what a stream frame and its encryption add. */
const envelopeBytes = 200
/** A round takes some 15 s of virtual time: what takes longer will not end at all. */
const mostMsPerRound = 120_000

export interface ScaleRow {
  readonly workers: number
  readonly rounds: number
  readonly events: number
  readonly eventsPerCpuSecond: number
  readonly headCpuMsPerRound: number
  readonly headSentBytesPerRound: number
  readonly headReceivedBytesPerRound: number
  readonly manifestBytes: number
  readonly headMemoryBytesPerWorker: number
  readonly workerMemoryBytes: number
}

const root = (round: number): Hash => `0x${round.toString(16).padStart(64, '0')}`

/**
 * The real head core with the real cores of a thousand or ten thousand workers, in virtual time: what the head computes,
 * sends, receives and holds. Not simulated: gossip among workers (each message reaches the head once, and what the head
 * says reaches everyone after a delay), training, contributions, audits, and faults, which simulation.ts has.
 */
export class Scale {
  readonly #rules: RoundRules
  readonly #time = new VirtualTime()
  readonly #draws: Draws
  readonly #sizes = new MessageSizes()
  #workers: WorkerState[]
  #state: RoundState
  #announcement: Gossip | null = null
  #announcementBytes = 0
  #headMs = 0
  #sentBytes = 0
  #receivedBytes = 0
  #manifestBytes = 0

  constructor(workers: number, rounds: number) {
    const run = runName(workers)
    this.#draws = new Draws(workers, 0, 'work')
    this.#rules = {
      ...{
        run,
        rounds,
        roundsPerEpoch: rounds + 1,
        traceLeaves: 7,
        innerSteps: 32,
        segments: 4,
        eager: false,
      },
      ...{ adaptive: true, tokensPerStep: 1024, minWorkers: workers, maxWorkers: workers, quorum: 0.67 },
      ...{ missesBeforeDemotion: 3, warmupTimeoutMs: 60_000, trainTimeoutMs: 600_000, commitGraceMs: 60_000 },
      ...{ revealTimeoutMs: 60_000, initialRoot: root(0), emptyLocalState: root(1) },
    }
    this.#state = initialRoundState(this.#rules)
    const heads = [peerName(0)]
    const at = { run, heads, term: firstTerm, appliedTerm: 0, round: 0, stateRoot: root(0), newest: null }
    this.#workers = Array.from({ length: workers }, (_, index) =>
      initialWorkerState({ ...at, self: peerName(index + 1) }),
    )
  }

  play(): ScaleRow {
    const { rounds } = this.#rules
    const workers = this.#workers.length
    const before = heapBytes()
    const started = cpuMs()
    this.#tell({ kind: 'lead', term: firstTerm, heads: [peerName(0)] })
    this.#workers.forEach((worker, index) => {
      this.#tell({ kind: 'join', worker: worker.self, fresh: true })
      this.#time.after(this.#draws.below(heartbeatMs), () => this.#beat(index))
    })
    this.#time.every(200, () => {
      this.#tell({ kind: 'tick' })
      return this.#state.phase.kind !== 'ended'
    })
    while (this.#state.phase.kind !== 'ended' && this.#time.step())
      invariant(this.#time.now < rounds * mostMsPerRound, 'the rounds come to an end')
    const seconds = (cpuMs() - started) / 1000
    const together = heapBytes()
    this.#workers = []
    const head = heapBytes()
    const perRound = (total: number) => Math.round(total / rounds)
    return {
      ...{ workers, rounds, events: this.#time.events },
      eventsPerCpuSecond: Math.round(this.#time.events / seconds),
      headCpuMsPerRound: this.#headMs / rounds,
      headSentBytesPerRound: perRound(this.#sentBytes),
      headReceivedBytesPerRound: perRound(this.#receivedBytes),
      manifestBytes: this.#manifestBytes,
      headMemoryBytesPerWorker: Math.round(Math.max(0, head - before) / workers),
      workerMemoryBytes: Math.round((together - head) / workers),
    }
  }

  #asHead<T>(work: () => T): T {
    const started = cpuMs()
    const result = work()
    this.#headMs += cpuMs() - started
    return result
  }

  #tell(event: RoundEvent): void {
    const { state, effects } = this.#asHead(() => step(this.#state, event, { now: this.#time.now }))
    this.#state = state
    for (const effect of effects) this.#perform(effect)
  }

  #perform(effect: RoundEffect): void {
    if (effect.kind === 'broadcast') this.#broadcast(effect.message)
    else if (effect.kind === 'aggregate') {
      const { round, reveals } = effect
      const admitted = reveals.map(({ worker }) => worker)
      this.#time.after(100, () =>
        this.#tell({
          ...{ kind: 'aggregated', round, admitted, refused: [] },
          ...{ stateRoot: root(round + 2), checkpoint: null, average: null },
        }),
      )
    } else if (effect.kind === 'publish-manifest') {
      const { manifest } = effect
      const { block, cid } = this.#asHead(() => manifestBlock(manifest))
      this.#manifestBytes = block.length
      this.#time.after(10, () => {
        this.#tell({ kind: 'published', round: manifest.round, cid, block })
        this.#deliverManifest(manifest, cid)
      })
    }
  }

  /** To the mesh; what is longer than gossip carries goes as a block, which the mesh fetches from the head. */
  #broadcast(message: Gossip): void {
    const bytes =
      message.body.kind === 'manifest' ? this.#manifestBytes : this.#asHead(() => announcementBytes(message))
    this.#announcement = message
    const isLarge = bytes > maxGossipBytes
    this.#announcementBytes = isLarge ? envelopeBytes : bytes
    const copies = Math.min(meshDegree, this.#workers.length)
    this.#sentBytes += copies * (this.#announcementBytes + envelopeBytes + (isLarge ? bytes : 0))
    for (let index = 0; index < this.#workers.length; index++) {
      this.#time.after(20 + this.#draws.below(500), () => this.#hear(index, message))
    }
  }

  #deliverManifest(manifest: RoundManifest, cid: CidText): void {
    for (let index = 0; index < this.#workers.length; index++)
      this.#time.after(20 + this.#draws.below(500), () =>
        this.#step(index, { kind: 'manifest', manifest, cid }),
      )
  }

  #hear(index: number, message: Gossip): void {
    this.#step(index, { kind: 'message', author: peerName(0), message })
  }

  #beat(index: number): void {
    if (this.#state.phase.kind === 'ended') return
    const { self, phase, round, term, newest } = this.#workers[index]!
    const message = outstanding(this.#workers[index]!)
    this.#receivedBytes += beatBytes + (message === null ? 0 : this.#sizes.of(message))
    if (phase.kind === 'ready') this.#tell({ kind: 'ready', worker: self, round })
    if (message !== null) this.#tell({ kind: 'message', author: self, message })
    this.#sentBytes += beatReplyBytes
    if (
      this.#announcement !== null &&
      !hasHeard(this.#state, self, { phase: phase.kind, round, term, newest })
    ) {
      this.#sentBytes += this.#announcementBytes
      this.#hear(index, this.#announcement)
    }
    this.#time.after(heartbeatMs, () => this.#beat(index))
  }

  #step(index: number, event: WorkerEvent): void {
    const { state, effects } = stepWorker(this.#workers[index]!, event)
    this.#workers[index] = state
    for (const effect of effects) this.#performWorker(index, effect)
  }

  #performWorker(index: number, effect: WorkerEffect): void {
    switch (effect.kind) {
      case 'publish': {
        const { message } = effect
        const author = this.#workers[index]!.self
        this.#receivedBytes += this.#sizes.of(message) + envelopeBytes
        this.#time.after(20 + this.#draws.below(500), () => this.#tell({ kind: 'message', author, message }))
        return
      }
      case 'train': {
        const { round, steps } = effect
        const { self } = this.#workers[index]!
        this.#time.after(5_000 + this.#draws.below(5_000), () =>
          this.#step(index, { kind: 'trained', round, trained: this.#trained(self, round, steps) }),
        )
        return
      }
      case 'apply': {
        const { round, stateRoot } = effect.manifest
        this.#time.after(200 + this.#draws.below(500), () =>
          this.#step(index, { kind: 'applied', round, stateRoot, checkpoint: null }),
        )
        return
      }
      case 'catch-up':
        // An opening that overtook its manifest: what the rebuild fetches is counted with the contributions, elsewhere.
        this.#time.after(500, () => {
          const { round, stateRoot, parent: newest } = this.#state
          this.#step(index, { kind: 'caught-up', round, stateRoot, newest, appliedTerm: firstTerm })
        })
        return
      default:
    }
  }

  #trained(self: WorkerId, round: number, steps: number) {
    const contribution = contentId(new TextEncoder().encode(`${self} ${round}`), 'raw')
    const member = this.#state.members.get(self)!
    const trace = [member.localState, ...Array.from({ length: 6 }, (_, leaf) => root(leaf + 100))]
    const tokens = steps * this.#rules.tokensPerStep
    return { contribution, contributionBytes: 26_000, trace, tokens, lossNats: 3, salt: this.#draws.hash() }
  }
}
