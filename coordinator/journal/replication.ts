import { setTimeout as sleep } from 'node:timers/promises'
import { errorText } from '../../protocol/errors.ts'
import type { Hash, WorkerId } from '../../protocol/ids.ts'
import { maxAppendBytes } from '../../protocol/limits.ts'
import type { HeadReply, HeadRequest } from '../../protocol/wire.ts'
import { keepAliveMs } from '../lease/state.ts'
import type { Entry } from './entries.ts'
import type { Journal } from './journal.ts'

export type AppendRequest = Extract<HeadRequest['body'], { kind: 'append' }>
export type Appended = Extract<HeadReply['body'], { kind: 'appended' }>

/** A standby that doesn't answer for this long is waited for no more, until it has caught up. */
const replicaTimeoutMs = 1_000
/** Entries in one Append (protocol/wire.ts). */
const maxAppendEntries = 4096

export interface ReplicationDependencies {
  readonly journal: Journal
  /** Sends an Append to another head, dialling it where need be. */
  send(head: WorkerId, append: AppendRequest, signal: AbortSignal): Promise<Appended>
  /** Another head knows of a higher term: this one leads no more. */
  onTerm(term: number): void
  log(code: string, text: string): void
}

interface Follower {
  /** The first entry that it has not acknowledged. */
  next: number
  /** Its log is another's up to here: only then it has all that it should. */
  readonly target: number
  readonly generation: number
  /** Its log is begun anew. */
  reset: boolean
}

/**
 * The leader's side of replication, for one leadership: tells every other head that it leads, each 500 ms and with every
 * append, and those that asked to follow what the journal says. A standby that has all and answers within a second is in
 * sync: `durable` waits for it. One that fails to is out of sync until it has caught up, so that a dead one stalls nobody.
 */
export class Replication {
  readonly #dependencies: ReplicationDependencies
  readonly #term: number
  readonly #followers = new Map<WorkerId, Follower>()
  readonly #inSync = new Map<WorkerId, number>()
  readonly #loops = new Map<WorkerId, Promise<void>>()
  readonly #abort = new AbortController()
  readonly #unsubscribe: () => void
  #changed = Promise.withResolvers<void>()

  constructor(term: number, dependencies: ReplicationDependencies) {
    this.#term = term
    this.#dependencies = dependencies
    this.#unsubscribe = dependencies.journal.onChange(() => this.#wake())
  }

  /** The heads whose disks `durable` waits for. */
  get inSync(): readonly WorkerId[] {
    return [...this.#inSync.keys()]
  }

  /** Tells this head from now on that there is a leader. */
  tell(head: WorkerId): void {
    if (this.#loops.has(head) || this.#abort.signal.aborted) return
    this.#loops.set(head, this.#serve(head))
  }

  /**
   * A head asks to follow, with a log of `next` entries whose hash is `chain`: it is told what comes after, or, when its
   * log is of another history, all from the beginning.
   */
  async follow(head: WorkerId, next: number, chain: Hash): Promise<void> {
    const { journal } = this.#dependencies
    const { generation } = journal
    const same = (await journal.chainAt(next)) === chain && journal.generation === generation
    this.#lose(head)
    this.#followers.set(head, {
      next: same ? next : 0,
      target: journal.next,
      generation: journal.generation,
      reset: !same,
    })
    this.tell(head)
    this.#wake()
  }

  async stop(): Promise<void> {
    this.#abort.abort(new Error('leads no more'))
    this.#unsubscribe()
    this.#wake()
    await Promise.all(this.#loops.values())
  }

  #wake(): void {
    const changed = this.#changed
    this.#changed = Promise.withResolvers()
    changed.resolve()
  }

  async #serve(head: WorkerId): Promise<void> {
    const { signal } = this.#abort
    const { journal, log } = this.#dependencies
    while (!signal.aborted) {
      const changed = this.#changed.promise
      try {
        await this.#tellOnce(head)
      } catch (error) {
        if (signal.aborted) return
        if (this.#lose(head)) log('STANDBY_BEHIND', `${head} is out of sync: ${errorText(error)}`)
        await this.#pause()
        continue
      }
      const follower = this.#followers.get(head)
      if (follower === undefined || follower.next >= journal.next)
        await Promise.race([changed, this.#pause()])
    }
  }

  async #tellOnce(head: WorkerId): Promise<void> {
    const { journal, onTerm, log } = this.#dependencies
    const follower = this.#followers.get(head)
    // What it has was numbered anew: it must ask again.
    if (follower !== undefined && follower.generation !== journal.generation) {
      this.#followers.delete(head)
      this.#lose(head)
      return
    }
    const records = follower === undefined ? [] : await this.#entries(follower)
    const reply = await this.#send(head, {
      kind: 'append',
      term: this.#term,
      from: follower?.next ?? 0,
      records: [...records],
      reset: follower === undefined || follower.reset,
    })
    if (reply.term > this.#term) return onTerm(reply.term)
    if (follower === undefined || this.#followers.get(head) !== follower) return
    if (follower.generation !== journal.generation || reply.next > journal.next) return
    if (records.length > 0) follower.reset = false
    follower.next = reply.next
    const known = this.#inSync.get(head)
    const complete = reply.next >= follower.target && reply.next >= (known ?? journal.synced)
    if (!complete) {
      this.#lose(head)
      return
    }
    if (known === undefined) log('STANDBY_IN_SYNC', `${head} has all ${reply.next} entries`)
    this.#inSync.set(head, reply.next)
    this.#report()
  }

  async #entries(follower: Follower): Promise<readonly Entry[]> {
    const entries = await this.#dependencies.journal.read(follower.next, maxAppendBytes)
    return entries.slice(0, maxAppendEntries)
  }

  async #send(head: WorkerId, append: AppendRequest): Promise<Appended> {
    const signal = AbortSignal.any([this.#abort.signal, AbortSignal.timeout(replicaTimeoutMs)])
    return await this.#dependencies.send(head, append, signal)
  }

  /** Whether it was in sync. */
  #lose(head: WorkerId): boolean {
    const lost = this.#inSync.delete(head)
    if (lost) this.#report()
    return lost
  }

  #report(): void {
    if (!this.#abort.signal.aborted)
      this.#dependencies.journal.setReplicated(Math.min(...this.#inSync.values()))
  }

  async #pause(): Promise<void> {
    await sleep(keepAliveMs, undefined, { signal: this.#abort.signal }).catch(() => {})
  }
}
