import type { WorkerId } from '../protocol/ids.ts'
import { outstanding } from '../worker/round/step.ts'
import type { Beat, BeatReply } from './heartbeat.ts'
import type { SimulatedWorker } from './simulated-worker.ts'
import { encodeGossip } from './wire-cache.ts'

const heartbeatMs = 2_000
const warmingHeartbeatMs = 500
const requestTimeoutMs = 3_000
/** Answers missing in a row after which another head is asked. */
const missesBeforeNextHead = 2

/** What the head that leads answers. */
export type Told = BeatReply & { readonly assignment: NonNullable<BeatReply['assignment']> }

/** A worker's heartbeats to the head that leads, as far as it knows; it turns to another when that one is silent. */
export class WorkerLink {
  draining = false
  readonly #worker: SimulatedWorker
  readonly #hear: (told: Told, head: WorkerId) => void
  #head = 0
  #unanswered = 0
  #said: { readonly state: SimulatedWorker['state']; readonly bytes: Uint8Array } | null = null

  constructor(worker: SimulatedWorker, hear: (told: Told, head: WorkerId) => void) {
    this.#worker = worker
    this.#hear = hear
  }

  /** Begins, in every process of the host anew. */
  begin(): void {
    this.#beatAfter(0)
  }

  #beatAfter(delayMs: number): void {
    this.#worker.after(delayMs, () => {
      this.#beat()
      this.#beatAfter(this.#worker.state === null ? warmingHeartbeatMs : heartbeatMs)
    })
  }

  #beat(): void {
    const worker = this.#worker
    const { heads } = worker.simulation
    const head = heads[this.#head % heads.length]!
    const { state, incarnation } = worker
    const message = this.#outstanding()
    const beat: Beat = {
      ...{ incarnation, draining: this.draining, outstanding: message },
      phase: state?.phase.kind ?? 'warming',
      round: state?.round ?? 0,
      term: state?.term ?? 0,
      newest: state?.newest ?? null,
    }
    const bytes = 220 + (message?.length ?? 0)
    const answer = () => head.answer(worker, beat)
    worker.request(head, bytes, requestTimeoutMs, answer, (reply) => {
      if (reply === null) {
        if (++this.#unanswered >= missesBeforeNextHead) this.#turnTo(this.#head + 1)
        return
      }
      this.#unanswered = 0
      const { assignment, leader } = reply
      if (assignment !== null) this.#hear({ ...reply, assignment }, head.id)
      else if (leader !== this.#head) this.#turnTo(leader)
    })
  }

  #turnTo(head: number): void {
    this.#head = head % this.#worker.simulation.heads.length
    this.#unanswered = 0
  }

  /** The worker's own newest message, encoded once. */
  #outstanding(): Uint8Array | null {
    const worker = this.#worker
    const { state, behaviour } = worker
    if (state === null) return null
    if (this.#said?.state === state) return this.#said.bytes
    const message = outstanding(state)
    const said = message === null ? [] : (behaviour.say?.(worker, message) ?? [message])
    if (said.length === 0) return null
    const bytes = encodeGossip(said[0]!)
    worker.simulation.checks.said(worker, said[0]!)
    this.#said = { state, bytes }
    return bytes
  }
}
