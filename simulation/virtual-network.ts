import type { Draws } from './draws.ts'
import type { FaultPlan } from './plan.ts'
import type { VirtualTime } from './virtual-time.ts'

/** Messages that wait in one node's uplink at most; more are dropped, as a bounded socket buffer would. */
export const maxInFlight = 20_000

export interface LinkEnd {
  readonly number: number
  readonly up: boolean
}

/** Bytes and messages that left or reached a node. */
export interface NodeTraffic {
  sentBytes: number
  receivedBytes: number
  sent: number
  received: number
  inFlight: number
}

/**
 * Datagrams between nodes: each copy has its own delay, may be lost or doubled, and overtakes others. A direction can be
 * cut without the other. An uplink of bounded rate sends one after the other.
 */
export class VirtualNetwork {
  readonly traffic = new Map<number, NodeTraffic>()
  readonly #time: VirtualTime
  readonly #draws: Draws
  readonly #cuts = new Map<string, number>()
  readonly #uplinkFreeAt = new Map<number, number>()
  #faults: Pick<FaultPlan, 'lossPermille' | 'duplicationPermille' | 'maxDelayMs' | 'bytesPerMs'>

  constructor(time: VirtualTime, draws: Draws, faults: FaultPlan) {
    this.#time = time
    this.#draws = draws
    this.#faults = faults
  }

  /** From now on nothing is lost, doubled, cut or slow. */
  heal(): void {
    this.#faults = { lossPermille: 0, duplicationPermille: 0, maxDelayMs: 50, bytesPerMs: 0 }
    this.#cuts.clear()
  }

  /** Cuts one direction for a while; `*` is everyone. */
  cut(from: number | '*', to: number | '*', durationMs: number): void {
    this.#cuts.set(`${from}>${to}`, this.#time.now + durationMs)
  }

  isCut(from: number, to: number): boolean {
    if (this.#cuts.size === 0) return false
    const until = (key: string) => this.#cuts.get(key) ?? 0
    const { now } = this.#time
    return until(`${from}>${to}`) > now || until(`${from}>*`) > now || until(`*>${to}`) > now
  }

  trafficOf(node: number): NodeTraffic {
    let found = this.traffic.get(node)
    if (found === undefined) {
      found = { sentBytes: 0, receivedBytes: 0, sent: 0, received: 0, inFlight: 0 }
      this.traffic.set(node, found)
    }
    return found
  }

  /** Sends `bytes` bytes; `deliver` happens once for every copy that arrives. */
  send(from: LinkEnd, to: LinkEnd, bytes: number, deliver: () => void): void {
    if (!from.up) return
    const { lossPermille, duplicationPermille, maxDelayMs, bytesPerMs } = this.#faults
    const copies = this.#draws.chance(duplicationPermille) ? 2 : 1
    for (let copy = 0; copy < copies; copy++) {
      const sender = this.trafficOf(from.number)
      if (sender.inFlight >= maxInFlight) return
      sender.sentBytes += bytes
      sender.sent++
      const lost = this.#draws.chance(lossPermille) || this.isCut(from.number, to.number)
      const delayMs = 1 + this.#draws.below(maxDelayMs)
      if (lost) continue
      sender.inFlight++
      this.#time.after(this.#queued(from.number, bytes, bytesPerMs) + delayMs, () => {
        sender.inFlight--
        if (!to.up) return
        const receiver = this.trafficOf(to.number)
        receiver.receivedBytes += bytes
        receiver.received++
        deliver()
      })
    }
  }

  /** Milliseconds until the uplink has sent what is before this, and this. */
  #queued(from: number, bytes: number, bytesPerMs: number): number {
    if (bytesPerMs === 0) return 0
    const { now } = this.#time
    const done = Math.max(now, this.#uplinkFreeAt.get(from) ?? 0) + Math.ceil(bytes / bytesPerMs)
    this.#uplinkFreeAt.set(from, done)
    return done - now
  }
}
