import {
  hearsLeader,
  initialLease,
  type LeaseEvent,
  type LeaseState,
  tickMs,
} from '../coordinator/lease/state.ts'
import { step as stepLease } from '../coordinator/lease/step.ts'
import { digestHash } from '../protocol/content-id.ts'
import type { CidText } from '../protocol/ids.ts'
import { leaderIndex } from '../protocol/term.ts'
import { fetchBlocks } from './fetch-blocks.ts'
import { SimulatedFollowing } from './following.ts'
import type { LogRecord } from './head-journal.ts'
import type { Beat } from './heartbeat.ts'
import { type Rebuilt, rebuild } from './history.ts'
import { type Append, SimulatedReplication } from './replication.ts'
import type { SimulatedHead } from './simulated-head.ts'

const askTimeoutMs = 1_000
const leasePollMs = 1_000
/** How long a head that takes over listens to the workers before it leads: each says what it holds every 2 s. */
const gatherMs = 2_500

type Answer = { readonly kind: 'leader' | 'vouched' | 'assented' | 'objected'; readonly term: number }

/**
 * Who leads: the real lease core, with the log replicated to standbys, the lease on chain, and what a head does between
 * having the lease and leading: it makes its history the newest that any worker holds.
 */
export class Leadership {
  readonly #head: SimulatedHead
  #lease: LeaseState
  #replication: SimulatedReplication | null = null
  #following: SimulatedFollowing
  /** What workers say they hold, while this head gathers. */
  #heard = new Map<CidText, number>()

  constructor(head: SimulatedHead) {
    this.#head = head
    this.#following = new SimulatedFollowing(head.journal)
    this.#lease = this.#initial()
  }

  #initial(): LeaseState {
    const { journal, simulation, index } = this.#head
    const term = Math.max(0, ...journal.records.map((record) => (record.kind === 'term' ? record.term : 0)))
    return initialLease({ index, heads: simulation.plan.heads, term }, this.#head.clock())
  }

  /** The process starts. */
  begin(): void {
    this.#replication?.stop()
    this.#replication = null
    this.#following = new SimulatedFollowing(this.#head.journal)
    this.#lease = this.#initial()
    this.#head.every(tickMs, () => this.step({ kind: 'tick' }))
    this.step({ kind: 'tick' })
  }

  leadsIn(term: number): boolean {
    return this.#lease.role.kind === 'leading' && this.#lease.role.term === term
  }

  get term(): number {
    return this.#lease.term
  }

  /** The head to turn to, as far as this one knows. */
  get leader(): number {
    const { role, term } = this.#lease
    if (role.kind === 'leading') return this.#head.index
    return term === 0 ? this.#head.index : leaderIndex(term)
  }

  step(event: LeaseEvent): void {
    const { state, effects } = stepLease(this.#lease, event, { now: this.#head.clock() })
    if (state.role.kind !== this.#lease.role.kind)
      this.#head.simulation.trace(
        () => `${this.#head.number} is ${state.role.kind}, term ${state.term}, after ${event.kind}`,
      )
    this.#lease = state
    for (const effect of effects) {
      switch (effect.kind) {
        case 'ask':
          for (const other of this.#head.simulation.heads) if (other !== this.#head) this.#ask(other)
          break
        case 'follow': {
          const leader = this.#head.simulation.heads[leaderIndex(effect.term)]
          if (leader !== undefined && leader !== this.#head) this.#ask(leader)
          break
        }
        case 'take-lease':
          this.#takeLease(effect.term)
          break
        case 'lead':
          this.#lead(effect.term)
          break
        case 'step-down':
          this.#replication?.stop()
          this.#replication = null
          this.#head.stepDown()
          break
        default:
          effect satisfies never
      }
    }
  }

  #ask(other: SimulatedHead): void {
    const head = this.#head
    const asked = head.clock()
    const answer = () => ({
      value: other.leadership.answer(head.index, this.#lease.term, head.journal.records),
      bytes: 60,
    })
    head.request(other, 120, askTimeoutMs, answer, (reply) => {
      if (reply === null) return
      if (reply.kind === 'leader')
        this.step({ kind: 'heard', term: reply.term, roundTripMs: head.clock() - asked })
      else if (reply.kind === 'vouched') this.step({ kind: 'vouched', term: reply.term })
      else {
        if (reply.term > this.#lease.term) this.step({ kind: 'term', term: reply.term })
        this.step(reply.kind === 'assented' ? { kind: 'assented', by: other.index } : { kind: 'objected' })
      }
    })
  }

  /** Another head asks whether there is a leader, and to follow it. */
  answer(by: number, term: number, log: readonly LogRecord[]): Answer {
    if (term > this.#lease.term) this.step({ kind: 'term', term })
    const known = this.#lease.term
    if (this.#lease.role.kind === 'leading') {
      this.#replication?.follow(by, log)
      return { kind: 'leader', term: known }
    }
    if (hearsLeader(this.#lease, this.#head.clock())) return { kind: 'vouched', term: known }
    return { kind: isNewer(this.#head.journal.records, log) ? 'objected' : 'assented', term: known }
  }

  /** The leader of a term speaks. */
  append(from: number, append: Append, reply: (of: { term: number; next: number }) => void): void {
    const { term } = append
    if (term < this.#lease.term || leaderIndex(term) !== from) {
      reply({ term: this.#lease.term, next: 0 })
      return
    }
    if (this.#lease.role.kind !== 'following' || this.#lease.role.term !== term)
      this.#following = new SimulatedFollowing(this.#head.journal)
    this.step({ kind: 'heard', term, roundTripMs: null })
    this.#following.append(append, (next) => reply({ term: this.#lease.term, next }))
  }

  // ---- taking over ------------------------------------------------------------------------------------------

  /** With rivals the lease is on chain, and taken when that is final; a head that is alone takes it when it settles. */
  #takeLease(term: number): void {
    const head = this.#head
    const { chain, heads } = head.simulation
    const log = () =>
      head.journal.append({ kind: 'term', term }, () => this.step({ kind: 'lease-taken', term }))
    if (heads.length === 1) {
      log()
      return
    }
    const poll = () => {
      if (this.#lease.role.kind !== 'candidate' || this.#lease.role.term !== term) return
      const view = chain.view()
      if (view.final.term === term || view.state.ended) log()
      else if (view.final.term > term) this.step({ kind: 'lease-refused', term: view.final.term })
      else {
        if (view.state.term < term) head.settler.send({ kind: 'takeLease', term })
        head.after(leasePollMs, poll)
      }
    }
    poll()
  }

  #lead(term: number): void {
    const head = this.#head
    this.#replication = new SimulatedReplication(head, term)
    this.#heard.clear()
    head.remember()
    if (head.simulation.heads.length === 1) head.lead(term, null)
    else head.after(gatherMs, () => this.#gather(term))
  }

  /** A worker says what it holds. */
  heard({ newest, round, term }: Beat): void {
    if (term > this.#lease.term) this.step({ kind: 'term', term })
    if (newest !== null) this.#heard.set(newest, round)
  }

  /** Makes the history the newest that is held anywhere, then leads. What the chain anchors must be part of it. */
  #gather(term: number): void {
    const head = this.#head
    const { role } = this.#lease
    if (role.kind !== 'leading' || role.term !== term) return
    const candidates = [...this.#heard].sort((a, b) => b[1] - a[1]).map(([cid]) => cid)
    const own = head.state.parent
    const histories: Rebuilt[] = []
    const each = (rest: readonly (CidText | null)[]) => {
      const [target, ...others] = rest
      if (target === undefined) {
        this.#choose(term, histories)
        return
      }
      this.#fetch(target, (rebuilt) => {
        if (rebuilt !== null) histories.push(rebuilt)
        each(others)
      })
    }
    each([own, ...candidates.filter((cid) => cid !== own).slice(0, 4)])
  }

  #choose(term: number, histories: readonly Rebuilt[]): void {
    const head = this.#head
    const { role } = this.#lease
    if (role.kind !== 'leading' || role.term !== term) return
    const { closures } = head.simulation.chain.view().final
    const anchored = histories.filter(({ manifests }) =>
      closures.every(({ history }, epoch) =>
        manifests.some(
          ({ manifest, cid }) =>
            manifest.closesEpoch && manifest.epoch === epoch && digestHash(cid) === history,
        ),
      ),
    )
    const best = anchored.toSorted((a, b) => b.appliedTerm - a.appliedTerm || b.round - a.round)[0]
    if (best === undefined) head.after(1_000, () => this.#gather(term))
    else head.lead(term, best)
  }

  /** The whole history up to a manifest, its blocks fetched from whoever has them. */
  #fetch(target: CidText | null, done: (rebuilt: Rebuilt | null) => void, remade = false): void {
    const head = this.#head
    const { training, heads, workers } = head.simulation
    const ids = heads.map(({ id }) => id)
    const result = rebuild(training, target, ids, (cid) => head.disk.get(cid), {
      ...{ fromTheBeginning: true, remade },
    })
    if (result.kind !== 'needs') {
      done(result.kind === 'rebuilt' ? result.rebuilt : null)
      return
    }
    const servers = [...head.work.shuffled(workers), ...heads.filter((other) => other !== head)]
    fetchBlocks(
      head,
      servers,
      result.cids,
      (cid, block) => head.disk.put(cid, block),
      (missing) => {
        const [gone, shares] = [missing.length > 0, training.averaging.shared !== undefined]
        if (gone && (remade || !shares)) done(null)
        else this.#fetch(target, done, remade || gone)
      },
    )
  }
}

/** Whether log `a` is newer than `b`: of a higher term, or longer in the same. */
function isNewer(a: readonly LogRecord[], b: readonly LogRecord[]): boolean {
  const term = (log: readonly LogRecord[]) =>
    log.reduce((newest, record) => (record.kind === 'term' ? Math.max(newest, record.term) : newest), 0)
  return term(a) > term(b) || (term(a) === term(b) && a.length > b.length)
}
