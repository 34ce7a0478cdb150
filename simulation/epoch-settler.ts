import { isOver } from '../coordinator/round/state.ts'
import { verifiedTokens } from '../coordinator/settlement.ts'
import { digestHash } from '../protocol/content-id.ts'
import type { Address, Hash, Wei, WorkerId } from '../protocol/ids.ts'
import { type AuditCandidate, drawAudits } from '../verification/draw.ts'
import { audit, type Outcome } from './audit.ts'
import type { EscrowCall } from './escrow-rules.ts'
import type { LogRecord } from './head-journal.ts'
import { payOf } from './payouts.ts'
import type { SimulatedHead } from './simulated-head.ts'
import type { ChainView } from './virtual-chain.ts'

/** A transaction that is not on chain after this long is sent again. */
const resendMs = 20_000
const auditsPerEpoch = 3
/** Where somebody cheats everything is audited: what then is paid for unverified work would be a fault, not luck. */
const auditsOfCheats = 64

type SettlementRecord = Exclude<LogRecord, { kind: 'round' | 'term' }>

/**
 * Settles a head's epochs in order, each step asked of the chain and of the log before it is taken, so that it can be
 * begun again anywhere: close, wait until that is final, draw by the beacon, audit, log what will be paid, send, wait until
 * that is final, log that it is settled.
 */
export class EpochSettler {
  readonly #head: SimulatedHead
  #settled = 0
  #settling: Extract<LogRecord, { kind: 'settling' }> | null = null
  #cumulative: ReadonlyMap<Address, Wei> = new Map()
  /** Cumulative pay after each epoch. */
  #history: ReadonlyMap<Address, Wei>[] = []
  #audited = new Map<string, Outcome>()
  #auditing = false
  #logging = false
  #sentAt = new Map<string, number>()

  constructor(head: SimulatedHead) {
    this.#head = head
  }

  /** Everything of it is in the log. */
  forget(): void {
    this.#settled = 0
    this.#settling = null
    this.#cumulative = new Map()
    this.#history = []
    this.#audited = new Map()
    this.#auditing = false
    this.#logging = false
    this.#sentAt = new Map()
  }

  replay(record: SettlementRecord): void {
    if (record.kind === 'audited') this.#audited.set(`${record.round} ${record.worker}`, record.outcome)
    else if (record.kind === 'settling') this.#settling = record
    else {
      this.#cumulative = this.#settling?.cumulative ?? this.#cumulative
      this.#history[record.epoch] = this.#cumulative
      this.#settled = record.epoch + 1
      this.#settling = null
    }
  }

  /** What an account was given for one epoch. */
  paid(account: Address, epoch: number): Wei {
    const upTo = (last: number) => this.#history[last]?.get(account) ?? 0n
    return upTo(epoch) - upTo(epoch - 1)
  }

  get settledEpochs(): number {
    return this.#settled
  }

  /** Nothing that is closed waits for its settlement. */
  get idle(): boolean {
    return this.#lastOf(this.#settled) === undefined
  }

  #lastOf(epoch: number) {
    return this.#head.replica.manifests.find(
      ({ manifest }) => manifest.epoch === epoch && manifest.closesEpoch,
    )
  }

  /** One look at the chain, and the next step if there is one. */
  advance(): void {
    const head = this.#head
    if (!head.state.leading || head.finished) return
    const { chain } = head.simulation
    const view = chain.view()
    const { term } = head.state
    // A lagging node may not know of this head's lease yet.
    if (view.state.term < term && !view.state.ended) {
      this.send({ kind: 'takeLease', term })
      return
    }
    if (view.state.term > term) {
      head.leadership.step({ kind: 'term', term: view.state.term })
      return
    }
    // Another head ended the run, and this one's log does not know: nothing can be paid any more.
    if (view.final.ended && !isOver(head.state)) {
      head.tell({ kind: 'stop', reason: 'the escrow of the run has ended' })
      return
    }
    const last = this.#lastOf(this.#settled)
    if (view.final.ended && view.final.settlements.length <= this.#settled) this.#finish(view)
    else if (last !== undefined) this.#settle(view, this.#settled, digestHash(last.cid))
    else if (isOver(head.state)) this.#finish(view)
  }

  #finish({ final, state }: ChainView): void {
    if (final.ended) this.#head.finished = true
    else if (!state.ended) this.send({ kind: 'finish', term: this.#head.state.term })
  }

  #settle(view: ChainView, epoch: number, history: Hash): void {
    const { term } = this.#head.state
    const hasty = this.#head.simulation.sabotage === 'hasty-draw'
    const closure = (hasty ? view.state : view.final).closures[epoch]
    if (closure === undefined) {
      if (view.state.closures.length === epoch) this.send({ kind: 'closeEpoch', epoch, history, term })
      return
    }
    const other = view.final.settlements[epoch]
    if (other !== undefined && other.root !== this.#settling?.root) {
      // Another head settled it, and its log never came here: what is on chain stands.
      const known = this.#head.simulation.payoutTrees.get(other.root)
      if (known !== undefined) this.#log({ kind: 'settling', epoch, root: other.root, cumulative: known })
      return
    }
    if (this.#settling === null) {
      const beacon = view.hashOf(closure.block + 1)
      if (beacon !== undefined) this.#prepare(epoch, beacon)
      return
    }
    const { root, cumulative } = this.#settling
    const settled = view.final.settlements[epoch]
    if (settled !== undefined) {
      this.#head.simulation.checks.expect(settled.root === root, 'settled-once', () => [
        `epoch ${epoch} is settled on chain under ${settled.root}, head ${this.#head.number} meant ${root}`,
      ])
      this.#log({ kind: 'settled', epoch })
    } else if (view.state.settlements.length === epoch) {
      const total = [...cumulative.values()].reduce((sum, amount) => sum + amount, 0n)
      const stale = this.#head.simulation.sabotage === 'unfenced-escrow' ? term - 8 : term
      this.send({ kind: 'settleEpoch', epoch, root, total, term: stale })
    }
  }

  #log(record: SettlementRecord): void {
    if (this.#logging) return
    this.#logging = true
    this.#head.journal.append(record, () => {
      this.#logging = false
      this.replay(record)
    })
  }

  /** Sends a call, unless it was sent a moment ago. */
  send(call: EscrowCall): void {
    const { simulation, index } = this.#head
    const key = JSON.stringify(call, (_, value) => (typeof value === 'bigint' ? String(value) : value))
    const at = this.#sentAt.get(key)
    if (at !== undefined && simulation.time.now - at < resendMs) return
    if (this.#sentAt.size > 64) this.#sentAt.clear()
    const heard = simulation.chain.send(simulation.headAccount(index), call)
    simulation.trace(() => `${this.#head.number} sends ${key}${heard ? '' : ' (and hears nothing of it)'}`)
    // Without an answer it is sent again at the next look: the contract takes it once.
    if (heard) this.#sentAt.set(key, simulation.time.now)
  }

  /** Audits what the beacon draws, then logs what will be paid. */
  #prepare(epoch: number, beacon: Hash): void {
    if (this.#auditing || this.#logging) return
    const head = this.#head
    const manifests = head.replica.manifests
      .filter(({ manifest }) => manifest.epoch === epoch)
      .map(({ manifest }) => manifest)
    const candidates = manifests.flatMap(({ round, entries }) =>
      entries.map(({ worker }) => ({ worker, round })),
    )
    const drawn = drawAudits(
      beacon,
      candidates,
      head.simulation.plan.adversary === null ? auditsPerEpoch : auditsOfCheats,
    )
    const open = drawn.filter(({ worker, round }) => !this.#audited.has(`${round} ${worker}`))
    if (open.length > 0) {
      this.#auditing = true
      const { worker, round } = open[0]!
      const manifest = manifests.find((one) => one.round === round)!
      audit(head, manifest, worker, (outcome) => {
        this.#auditing = false
        this.#judged(open[0]!, outcome)
      })
      return
    }
    const refuted = new Set(
      drawn
        .filter(({ worker, round }) => this.#audited.get(`${round} ${worker}`) === 'refuted')
        .map(({ worker }) => worker),
    )
    const isEjected = (worker: WorkerId) => head.state.members.get(worker)?.status === 'ejected'
    const proven = manifests.map((manifest) => ({
      ...manifest,
      entries: manifest.entries.filter(
        ({ worker }) => this.#audited.get(`${manifest.round} ${worker}`) !== 'unavailable',
      ),
    }))
    const tokens = verifiedTokens(proven, (worker) => refuted.has(worker) || isEjected(worker))
    const tree = payOf(head.simulation, manifests, tokens, this.#cumulative)
    head.simulation.checks.drawn(epoch, beacon, tree.root)
    this.#log({ kind: 'settling', epoch, root: tree.root, cumulative: tree.entries })
  }

  #judged({ worker, round }: AuditCandidate, outcome: Outcome): void {
    const head = this.#head
    head.simulation.checks.audited(worker, round, outcome)
    // Not proven either way, and so not paid; not logged either, so that a head that restarts asks again.
    if (outcome === 'unavailable') {
      this.#audited.set(`${round} ${worker}`, outcome)
      return
    }
    this.#log({ kind: 'audited', worker, round, outcome })
    if (outcome === 'refuted') head.tell({ kind: 'eject', worker, code: 'SEGMENT_MISMATCH' })
  }
}
