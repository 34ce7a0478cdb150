import { timingSafeEqual } from 'node:crypto'
import { errorText, isMurmurError, MurmurError } from '../protocol/errors.ts'
import type { Hash, WorkerId } from '../protocol/ids.ts'
import { maxRequestBytes } from '../protocol/limits.ts'
import type { Clock, Network } from '../protocol/ports.ts'
import { decode, encode, type HeadRequest } from '../protocol/wire.ts'
import { Following } from './journal/following.ts'
import type { Journal } from './journal/journal.ts'
import type { HeadRecord } from './journal/record.ts'
import type { AppendRequest } from './journal/replication.ts'
import { continues, type HeadList, leaderOf, placeOf, withHead } from './lease/head-list.ts'
import { askHead, dialFirst } from './lease/head-requests.ts'
import type { ChainLease, Leader } from './lease/leader.ts'
import { Leadership, type LeadershipDependencies } from './lease/leadership.ts'
import {
  headsFull,
  logNewer,
  noLeader,
  notFollowing,
  notTheLeader,
  tokenRefused,
  tooManyRequests,
} from './lease/refusals.ts'
import { hearsLeader, initialLease, type LeaseEvent, type LeaseState, tickMs } from './lease/state.ts'
import { step } from './lease/step.ts'

export type { ChainLease, Leader }

export interface HeadNodeOptions {
  /** What other heads must present to follow this one, and this one presents to them. */
  readonly token: string
  /** Addresses of heads to join as a standby; none: the first head of a cluster of its own. */
  readonly join: readonly string[]
  readonly incarnation: Uint8Array
}

export interface HeadNodeDependencies {
  readonly network: Network
  readonly clock: Clock
  /** Open, with the records it holds. */
  readonly journal: Journal
  readonly records: readonly HeadRecord[]
  readonly chainLease: ChainLease | null
  /** Whether a peer that is no head may ask now: none is heard more often than any honest one has to say. */
  readonly pace?: (peer: WorkerId) => boolean
  /** Leads from where the records end, which begin a leadership of `term`. */
  readonly createLeader: LeadershipDependencies['createLeader']
  /** A standby was told these records: to fetch the blocks it would need. */
  onRecord(record: HeadRecord): void
  /** Leading is impossible although this head should: the process must end. */
  onFatal(error: unknown): void
  log(code: string, text: string): void
}

const askTimeoutMs = 1_000
/** A new connection takes several times the way there and back, on a slow line more than a second. */
const dialTimeoutMs = 10_000
const leaseTimeoutMs = 120_000
const chainPollMs = 15_000
/** A takeover raises the term by at most 16. No honest head is this far ahead of another. */
const maxTermJump = 2 ** 20

/** A head's life: follows the one that leads, keeps its log, takes over when it is gone, and gives way to a higher term. */
export class HeadNode {
  readonly #options: HeadNodeOptions
  readonly #dependencies: HeadNodeDependencies
  readonly #abort = new AbortController()
  #heads: HeadList
  #lease: LeaseState
  /** Term of the newest leadership in the journal. */
  #logTerm: number
  #leadership: Leadership | null = null
  #following: { readonly term: number; readonly log: Following } | null = null
  /** Leaderships begin and end one after the other. */
  #transition: Promise<void> = Promise.resolve()
  readonly #asking = new Set<string>()
  /** Heads that did not answer the last time, and why: said when it changes. */
  readonly #unanswered = new Map<string, string>()
  #timers: NodeJS.Timeout[] = []

  constructor(options: HeadNodeOptions, dependencies: HeadNodeDependencies) {
    this.#options = options
    this.#dependencies = dependencies
    const { records, network, clock, journal } = dependencies
    const known = records.findLast((record) => record.kind === 'heads')?.heads ?? []
    const founds = known.length === 0 && options.join.length === 0
    this.#heads = founds ? [this.#self()] : known
    this.#logTerm = records.findLast((record) => record.kind === 'term')?.term ?? 0
    const index = placeOf(this.#heads, network.self)
    this.#lease = initialLease({ index, heads: this.#heads.length, term: this.#logTerm }, clock.now())
    journal.seal()
  }

  start(): void {
    this.#dependencies.network.handleRequests((peer, payload) => this.#answer(peer, payload))
    this.#timers = [
      setInterval(() => this.#happen({ kind: 'tick' }), tickMs),
      setInterval(() => void this.#askChain(), chainPollMs),
    ]
    this.#happen({ kind: 'tick' })
  }

  async stop(): Promise<void> {
    this.#abort.abort(new Error('stopped'))
    for (const timer of this.#timers) clearInterval(timer)
    this.#endLeadership()
    await this.#transition
    await this.#following?.log.stop()
  }

  /** What this head does in the cluster, for its report. */
  get status(): {
    readonly role: LeaseState['role']['kind']
    readonly term: number
    readonly heads: HeadList
    readonly inSync: readonly WorkerId[]
  } {
    const { role, term } = this.#lease
    return {
      role: role.kind,
      term,
      heads: this.#heads,
      inSync: this.#leadership?.replication.inSync ?? [],
    }
  }

  // ---- who leads ----------------------------------------------------------------------------------------

  #happen(event: LeaseEvent): void {
    if (this.#abort.signal.aborted) return
    const { state, effects } = step(this.#lease, event, { now: this.#dependencies.clock.now() })
    this.#lease = state
    for (const effect of effects) {
      switch (effect.kind) {
        case 'ask':
          this.#askOthers()
          break
        case 'follow':
          this.#followLeader(effect.term)
          break
        case 'take-lease':
          void this.#takeLease(effect.term)
          break
        case 'lead':
          this.#beginLeadership(effect.term)
          break
        case 'step-down':
          this.#dependencies.log('HEAD_DEPOSED', `term ${effect.term} is led by another head`)
          this.#endLeadership()
          break
        default:
          effect satisfies never
      }
    }
  }

  #hearTerm(term: number): void {
    if (term - this.#lease.term <= maxTermJump) this.#happen({ kind: 'term', term })
  }

  async #takeLease(term: number): Promise<void> {
    const { chainLease, log } = this.#dependencies
    try {
      const signal = AbortSignal.any([this.#abort.signal, AbortSignal.timeout(leaseTimeoutMs)])
      const answer = (await chainLease?.take(term, signal)) ?? { taken: true }
      this.#happen(
        answer.taken ? { kind: 'lease-taken', term } : { kind: 'lease-refused', term: answer.term },
      )
    } catch (error) {
      log('LEASE_UNREACHABLE', errorText(error))
      this.#happen({ kind: 'lease-refused', term: 0 })
    }
  }

  async #askChain(): Promise<void> {
    const { chainLease } = this.#dependencies
    if (chainLease === null || this.#leadership === null) return
    try {
      const signal = AbortSignal.any([this.#abort.signal, AbortSignal.timeout(chainPollMs)])
      this.#hearTerm(await chainLease.current(signal))
    } catch {
      // A chain that doesn't answer deposes nobody; it refuses the transactions of whoever doesn't hold the lease.
    }
  }

  #beginLeadership(term: number): void {
    this.#transition = this.#transition.then(async () => {
      try {
        await this.#lead(term)
      } catch (error) {
        if (this.#abort.signal.aborted || isMurmurError(error, 'JOURNAL_SEALED')) return
        this.#dependencies.log('HEAD_CANNOT_LEAD', errorText(error))
        this.#dependencies.onFatal(error)
      }
    })
  }

  async #lead(term: number): Promise<void> {
    const { journal, createLeader, log } = this.#dependencies
    while (this.#following !== null) {
      const { log: following } = this.#following
      this.#following = null
      await following.stop()
    }
    if (!this.#leads(term)) return
    const heads = withHead(this.#heads, this.#self())
    if (heads === null) throw headsFull()
    this.#heads = heads
    this.#logTerm = term
    this.#leadership = new Leadership(term, {
      journal,
      createLeader,
      log,
      onTerm: (higher) => this.#hearTerm(higher),
      send: (head, append, signal) => this.#send(head, append, signal),
    })
    await this.#leadership.begin(this.#self().id, heads, () => this.#heads)
  }

  #leads(term: number): boolean {
    const { role } = this.#lease
    return role.kind === 'leading' && role.term === term && !this.#abort.signal.aborted
  }

  #endLeadership(): void {
    const leadership = this.#leadership
    this.#leadership = null
    if (leadership === null) return
    this.#transition = Promise.all([this.#transition, leadership.end()]).then(() => {})
  }

  // ---- other heads --------------------------------------------------------------------------------------

  #self() {
    const { network } = this.#dependencies
    return { id: network.self, addresses: [...network.addresses()].slice(0, 8) }
  }

  #askOthers(): void {
    const others = this.#heads.filter(({ id }) => id !== this.#self().id)
    // Also where this head was told to look: all heads may have been started again at other addresses.
    for (const { id, addresses } of others)
      void this.#ask(id, async () => ({ id, addresses: [...addresses, ...this.#options.join] }))
    if (others.length > 0) return
    for (const address of this.#options.join)
      void this.#ask(address, async (signal) => ({
        id: await dialFirst(this.#dependencies.network, [address], signal),
        addresses: [address],
      }))
  }

  #followLeader(term: number): void {
    const leader = leaderOf(this.#heads, term)
    if (leader !== undefined) void this.#ask(leader.id, async () => leader)
  }

  /** Asks one head to be told its log; whatever it answers says something about who leads. One question at a time. */
  async #ask(
    key: string,
    who: (signal: AbortSignal) => Promise<{ readonly id: WorkerId; readonly addresses: string[] }>,
  ): Promise<void> {
    if (this.#asking.has(key)) return
    this.#asking.add(key)
    const { network, clock, journal } = this.#dependencies
    const within = (ms: number) => AbortSignal.any([this.#abort.signal, AbortSignal.timeout(ms)])
    let asked: WorkerId | null = null
    try {
      const dialling = within(dialTimeoutMs)
      const head = await who(dialling)
      asked = head.id
      if (!network.connectedPeers().includes(head.id))
        await dialFirst(network, head.addresses, dialling, head.id)
      // The leader begins anew when it reads this, even where its answer comes too late: what it then tells is not to be
      // taken for what was agreed before, up to another length.
      if (leaderOf(this.#heads, this.#following?.term ?? 0)?.id === head.id) await this.#stopFollowing()
      const begun = clock.now()
      const { next, chain } = journal
      const { token, incarnation } = this.#options
      const { addresses } = this.#self()
      const reply = await askHead(
        network,
        head,
        { kind: 'follow', token, addresses, next, term: this.#logTerm, incarnation, chain },
        within(askTimeoutMs),
      )
      this.#unanswered.delete(key)
      this.#learnHeads(reply.heads)
      if (reply.term - this.#lease.term > maxTermJump) return
      if (leaderOf(this.#heads, reply.term)?.id !== head.id)
        return this.#happen({ kind: 'vouched', term: reply.term })
      if (reply.term < this.#lease.term) return
      if (!(await this.#startFollowing(reply.term, reply.next, next, chain))) return
      this.#happen({ kind: 'heard', term: reply.term, roundTripMs: clock.now() - begun })
    } catch (error) {
      if (this.#abort.signal.aborted) return
      const by = asked === null ? null : placeOf(this.#heads, asked)
      if (isMurmurError(error, 'NO_LEADER') && by !== null) this.#happen({ kind: 'assented', by })
      else if (isMurmurError(error, 'LOG_NEWER')) this.#happen({ kind: 'objected' })
      else if (this.#unanswered.get(key) !== errorText(error)) {
        this.#unanswered.set(key, errorText(error))
        this.#dependencies.log('HEAD_UNREACHABLE', errorText(error))
      }
    } finally {
      this.#asking.delete(key)
    }
  }

  /**
   * Takes the leader's log from now on, if this head's is still as long as it told the leader: the one followed before may
   * have added to it meanwhile, and then the leader must be asked again.
   */
  async #startFollowing(term: number, target: number, next: number, chain: Hash): Promise<boolean> {
    const { journal, onRecord } = this.#dependencies
    await this.#stopFollowing()
    if (this.#leadership !== null || this.#following !== null) return false
    if (journal.next !== next || journal.chain !== chain) return false
    this.#following = {
      term,
      log: new Following(journal, target, (record) => {
        if (record.kind === 'heads') this.#learnHeads(record.heads)
        if (record.kind === 'term') this.#logTerm = record.term
        onRecord(record)
      }),
    }
    return true
  }

  async #stopFollowing(): Promise<void> {
    const earlier = this.#following
    this.#following = null
    await earlier?.log.stop()
  }

  #learnHeads(heads: HeadList): void {
    if (heads.length === 0 || !continues(this.#heads, heads)) return
    this.#heads = heads
    const index = placeOf(heads, this.#self().id)
    this.#happen({ kind: 'heads', index, heads: heads.length })
  }

  async #send(id: WorkerId, append: AppendRequest, signal: AbortSignal) {
    const head = this.#heads.find((candidate) => candidate.id === id)!
    return await askHead(this.#dependencies.network, head, append, signal)
  }

  // ---- what others ask ----------------------------------------------------------------------------------

  async #answer(peer: WorkerId, payload: Uint8Array): Promise<Uint8Array> {
    // Before a byte of it is read: reading is what a flood would cost.
    const { pace } = this.#dependencies
    if (placeOf(this.#heads, peer) === null && pace?.(peer) === false) throw tooManyRequests()
    const request = decode('HeadRequest', payload, maxRequestBytes)
    const { body } = request
    if (body.kind === 'append') return encode('HeadReply', { body: await this.#onAppend(peer, body) })
    if (body.kind === 'follow') return encode('HeadReply', { body: await this.#onFollow(peer, body) })
    const leader = this.#leadership?.leader
    if (leader) return encode('HeadReply', await leader.answer(peer, request))
    throw this.#notLeading()
  }

  async #onAppend(peer: WorkerId, append: AppendRequest) {
    const { term } = append
    const reply = (next: number) => ({
      kind: 'appended' as const,
      term: this.#lease.term,
      next,
      index: this.#lease.index ?? 0,
      heads: [],
    })
    if (leaderOf(this.#heads, term)?.id !== peer || term - this.#lease.term > maxTermJump)
      throw notTheLeader(peer, term)
    if (term < this.#lease.term) return reply(0)
    this.#happen({ kind: 'heard', term, roundTripMs: null })
    const asksAgain = append.reset && append.records.length === 0
    if (this.#following?.term !== term || asksAgain) this.#followLeader(term)
    if (asksAgain) return reply(0)
    if (this.#following?.term !== term) throw notFollowing()
    return reply(await this.#following.log.append(append))
  }

  async #onFollow(peer: WorkerId, body: Extract<HeadRequest['body'], { kind: 'follow' }>) {
    if (!sameToken(body.token, this.#options.token)) throw tokenRefused()
    this.#hearTerm(body.term)
    const { journal, clock } = this.#dependencies
    const reply = (term: number) => ({
      kind: 'appended' as const,
      term,
      next: journal.next,
      index: placeOf(this.#heads, peer) ?? 0,
      heads: [...this.#heads],
    })
    const leadership = this.#leadership
    if (leadership !== null) {
      await this.#admit({ id: peer, addresses: body.addresses })
      await leadership.replication.follow(peer, body.next, body.chain)
      return reply(leadership.term)
    }
    const { role, index } = this.#lease
    const leader = role.kind === 'following' ? leaderOf(this.#heads, role.term) : undefined
    if (role.kind === 'following' && leader?.id !== peer && hearsLeader(this.#lease, clock.now()))
      return reply(role.term)
    const newer = this.#logTerm > body.term || (this.#logTerm === body.term && journal.next > body.next)
    throw newer && index !== null ? logNewer() : noLeader()
  }

  /** A head is told its place only once that is durable: no other must ever be given it. */
  async #admit(head: { readonly id: WorkerId; readonly addresses: string[] }): Promise<void> {
    const { journal } = this.#dependencies
    const heads = withHead(this.#heads, head)
    if (heads === null) throw headsFull()
    if (heads !== this.#heads) {
      this.#learnHeads(heads)
      journal.append({ kind: 'heads', heads: [...heads] })
      this.#leadership?.leader?.headsChanged(heads)
      this.#dependencies.log('HEAD_JOINED', `${head.id} is head ${placeOf(heads, head.id)}`)
    }
    await journal.durable()
  }

  #notLeading(): MurmurError {
    const { role, term } = this.#lease
    if (role.kind === 'leading')
      return new MurmurError('HEAD_STARTING', {
        message: 'this head leads, but has not read its journal to the end yet',
        next: 'ask again in a second',
        exit: 'unreachable',
      })
    const leader = role.kind === 'following' ? leaderOf(this.#heads, term) : undefined
    return new MurmurError('NOT_LEADING', {
      message:
        leader === undefined ? 'this head does not lead, and hears no head that does' : 'another head leads',
      next: leader === undefined ? 'ask again in some seconds' : `ask ${leader.addresses.join(' or ')}`,
      exit: 'unreachable',
    })
  }
}

function sameToken(given: string, expected: string): boolean {
  const [a, b] = [Buffer.from(given), Buffer.from(expected)]
  return expected === '' || (a.length === b.length && timingSafeEqual(a, b))
}
