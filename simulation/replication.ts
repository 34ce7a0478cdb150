import { keepAliveMs } from '../coordinator/lease/state.ts'
import type { LogRecord } from './head-journal.ts'
import type { SimulatedHead } from './simulated-head.ts'

/** As coordinator/journal/replication.ts: a standby that doesn't answer for this long is waited for no more. */
const replicaTimeoutMs = 1_000
const maxRecords = 256
const recordBytes = 300

export interface Append {
  readonly term: number
  readonly from: number
  readonly records: readonly LogRecord[]
  readonly reset: boolean
  /** Records that the leader had when it was asked: a log that is begun anew takes effect when it has them. */
  readonly target: number
}

interface Follower {
  next: number
  readonly target: number
  reset: boolean
  inSync: boolean
}

/**
 * The leader's side of replication, for one leadership, as coordinator/journal/replication.ts has it: every other head is
 * told that it leads, each 500 ms and with every append; those that asked to follow are told the log.
 */
export class SimulatedReplication {
  readonly #head: SimulatedHead
  readonly #term: number
  readonly #followers = new Map<number, Follower>()
  readonly #busy = new Set<number>()
  #stopped = false

  constructor(head: SimulatedHead, term: number) {
    this.#head = head
    this.#term = term
    head.journal.onChange = () => this.#tellAll()
    this.#tick()
  }

  stop(): void {
    this.#stopped = true
    this.#head.journal.onChange = () => {}
  }

  #tick(): void {
    if (this.#stopped) return
    for (const other of this.#head.simulation.heads) if (other !== this.#head) this.#tell(other)
    this.#head.after(keepAliveMs, () => this.#tick())
  }

  #tellAll(): void {
    if (this.#stopped) return
    for (const other of this.#head.simulation.heads) {
      const follower = this.#followers.get(other.index)
      if (follower !== undefined && follower.next < this.#head.journal.records.length) this.#tell(other)
    }
  }

  /** A head asks to follow with this log. */
  follow(index: number, log: readonly LogRecord[]): void {
    const { records } = this.#head.journal
    const next = log.length
    // Equal hash chains: the same records up to there.
    const same = next <= records.length && log.every((record, at) => record === records[at])
    this.#followers.set(index, {
      ...{ next: same ? next : 0, target: records.length, reset: !same, inSync: false },
    })
    this.#report()
    this.#tellAll()
  }

  #tell(other: SimulatedHead): void {
    if (this.#busy.has(other.index)) return
    this.#busy.add(other.index)
    const head = this.#head
    const follower = this.#followers.get(other.index)
    const records =
      follower === undefined ? [] : head.journal.records.slice(follower.next, follower.next + maxRecords)
    const append: Append = {
      term: this.#term,
      from: follower?.next ?? 0,
      records,
      reset: follower === undefined || follower.reset,
      target: follower?.target ?? 0,
    }
    let open = true
    const close = (reply: { readonly term: number; readonly next: number } | null) => {
      if (!open || this.#stopped) return
      open = false
      this.#busy.delete(other.index)
      this.#answered(other, follower, records.length, reply)
    }
    head.after(replicaTimeoutMs, () => close(null))
    head.send(other, 60 + records.length * recordBytes, () =>
      other.leadership.append(head.index, append, (reply) => other.send(head, 40, () => close(reply))),
    )
  }

  #answered(
    other: SimulatedHead,
    follower: Follower | undefined,
    told: number,
    reply: { readonly term: number; readonly next: number } | null,
  ): void {
    const { journal } = this.#head
    if (reply !== null && reply.term > this.#term) {
      this.#head.leadership.step({ kind: 'term', term: reply.term })
      return
    }
    if (follower === undefined || this.#followers.get(other.index) !== follower) return
    if (reply === null) {
      follower.inSync = false
      this.#report()
      return
    }
    if (reply.next > journal.records.length) return
    if (told > 0) follower.reset = false
    follower.next = reply.next
    follower.inSync ||= reply.next >= follower.target && reply.next >= journal.synced
    this.#report()
    if (follower.next < journal.records.length) this.#tell(other)
  }

  #report(): void {
    const inSync = [...this.#followers.values()].filter((follower) => follower.inSync)
    this.#head.journal.replicated = Math.min(...inSync.map(({ next }) => next))
    this.#head.journal.settle()
  }
}
