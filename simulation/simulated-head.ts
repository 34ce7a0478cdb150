import type { StepResult } from '../coordinator/round/open.ts'
import {
  initialRoundState,
  type RoundEffect,
  type RoundEvent,
  type RoundState,
} from '../coordinator/round/state.ts'
import { step } from '../coordinator/round/step.ts'
import { contentId } from '../protocol/content-id.ts'
import { isMurmurError } from '../protocol/errors.ts'
import type { CidText, WorkerId } from '../protocol/ids.ts'
import { type Judgement, rejected } from '../protocol/verdict.ts'
import type { Gossip, RoundManifest } from '../protocol/wire.ts'
import { authorLimit } from './author-limit.ts'
import { Draws } from './draws.ts'
import { EpochSettler } from './epoch-settler.ts'
import type { Server } from './fetch-blocks.ts'
import { HeadJournal } from './head-journal.ts'
import { HeadReplica } from './head-replica.ts'
import { type Beat, type BeatReply, hasHeard } from './heartbeat.ts'
import { type Rebuilt, signedManifest } from './history.ts'
import { Leadership } from './leadership.ts'
import { sabotagedManifest } from './sabotage.ts'
import type { SimulatedWorker } from './simulated-worker.ts'
import type { Simulation } from './simulation.ts'
import { VirtualDisk } from './virtual-disk.ts'
import { VirtualNode } from './virtual-node.ts'
import { decodeGossip, encodeGossip } from './wire-cache.ts'

const tickMs = 200
/** As in coordinator/members.ts. */
const deadMs = 15_000
const beatBytes = 600

/**
 * A head: the real round core on a journal whose records are durable before their effects happen, a replica of θ, and the
 * settlement of its epochs. After a crash it is what its journal says.
 */
export class SimulatedHead extends VirtualNode implements Server {
  readonly index: number
  readonly disk: VirtualDisk
  readonly journal: HeadJournal
  readonly settler: EpochSettler
  readonly leadership: Leadership
  readonly replica: HeadReplica
  state: RoundState
  /** The run has ended and everything of it is settled. */
  finished = false
  readonly #authors = authorLimit(this)
  #announcement: Uint8Array | null = null
  #heard = new Map<WorkerId, number>()
  #incarnations = new Map<WorkerId, number>()

  constructor(simulation: Simulation, index: number) {
    super(simulation, index)
    this.index = index
    const { plan, sabotage } = simulation
    const { syncMs, tornWrites } = plan.faults
    this.disk = new VirtualDisk(new Draws(plan.seed, index, 'disk'), tornWrites)
    this.journal = new HeadJournal(this, this.disk, syncMs, sabotage !== 'forgetful-head')
    this.settler = new EpochSettler(this)
    this.leadership = new Leadership(this)
    this.state = initialRoundState(simulation.rules)
    this.replica = new HeadReplica(this)
  }

  get leads(): boolean {
    return this.up && this.state.leading
  }

  /** The process starts. */
  begin(): void {
    this.every(tickMs, () => this.#tick())
    this.every(1_000, () => this.settler.advance())
    this.leadership.begin()
  }

  override crash(): void {
    super.crash()
    this.disk.crash(this.simulation.sabotage === 'lying-disk')
    this.state = { ...this.state, leading: false }
  }

  override restart(): void {
    super.restart()
    this.journal.recover()
    this.simulation.trace(() => `${this.number} recovers ${this.journal.records.length} records`)
    this.begin()
  }

  /** This head is about to lead: it becomes what its log says. */
  remember(): void {
    this.#announcement = null
    this.#heard = new Map()
    this.#incarnations = new Map()
    this.finished = false
    this.state = initialRoundState(this.simulation.rules)
    this.settler.forget()
    for (const record of this.journal.records) {
      if (record.kind === 'round') this.state = step(this.state, record.event, { now: record.now }).state
      else if (record.kind !== 'term') this.settler.replay(record)
    }
    this.state = { ...this.state, leading: false }
  }

  /**
   * Leads from now on, with this history: the log's own (null), or one that goes on from it, or another one, which then
   * takes the log's place.
   */
  lead(term: number, history: Rebuilt | null): void {
    const found = history ?? this.replica.ownHistory()
    const place = found.manifests.findIndex(({ cid }) => cid === this.state.parent)
    if (this.state.parent !== null && place === -1) {
      this.journal.replace([{ kind: 'term', term }])
      this.remember()
    }
    this.replica.adopt(found)
    this.replica.followUnpublished(() => this.#lead(term, found, place))
  }

  #lead(term: number, found: Rebuilt, place: number): void {
    if (!this.leadership.leadsIn(term)) return
    const news = found.manifests.slice(this.state.parent === null ? 0 : place + 1)
    this.journal.afterSync(() => {
      if (!this.leadership.leadsIn(term)) return
      if (news.length > 0) this.tell({ kind: 'adopt', manifests: news })
      this.simulation.trace(
        () => `${this.number} leads in term ${term}, adopts ${news.length} rounds, round ${this.state.round}`,
      )
      // Nobody has been silent while nobody listened.
      for (const [worker, { status }] of this.state.members)
        if (status === 'warming' || status === 'ready' || status === 'draining')
          this.#heard.set(worker, this.clock())
      this.tell({ kind: 'lead', term, heads: this.simulation.heads.map(({ id }) => id) })
    })
  }

  /** Another head leads, or may. */
  stepDown(): void {
    this.simulation.trace(() => `${this.number} leads no more`)
    this.journal.seal()
    this.state = { ...this.state, leading: false }
  }

  serve(cid: CidText): Uint8Array | undefined {
    return this.disk.get(cid)
  }

  // ---- what it hears ------------------------------------------------------------------------------------

  answer(worker: SimulatedWorker, beat: Beat): { readonly value: BeatReply; readonly bytes: number } {
    const { leader } = this.leadership
    this.leadership.heard(beat)
    if (!this.state.leading) return { value: { assignment: null, announcement: null, leader }, bytes: 40 }
    const { id } = worker
    const fresh = this.#incarnations.get(id) !== beat.incarnation
    this.#heard.set(id, this.clock())
    const status = this.state.members.get(id)?.status
    if (status === undefined || status === 'lost' || fresh) this.tell({ kind: 'join', worker: id, fresh })
    this.#incarnations.set(id, beat.incarnation)
    if (beat.draining) this.tell({ kind: 'drain', worker: id })
    if (beat.phase === 'ready') this.tell({ kind: 'ready', worker: id, round: beat.round })
    if (beat.outstanding !== null) this.#judge(id, beat.outstanding)
    const { parent, heads, term } = this.state
    const announcement = hasHeard(this.state, id, beat) ? null : this.#announcement
    const assignment = { newest: parent, heads, term }
    return { value: { assignment, announcement, leader }, bytes: beatBytes + (announcement?.length ?? 0) }
  }

  /** Gossip, of which each author may say so much. */
  receive(author: WorkerId, bytes: Uint8Array): void {
    if (this.#authors.take(author)) this.#judge(author, bytes)
  }

  #judge(author: WorkerId, bytes: Uint8Array): Judgement | null {
    let message: Gossip
    try {
      message = decodeGossip(bytes)
    } catch (error) {
      if (isMurmurError(error)) return null
      throw error
    }
    return this.tell({ kind: 'message', author, message })
  }

  #tick(): void {
    if (!this.state.leading) return
    const now = this.clock()
    for (const [worker, at] of this.#heard) {
      if (now - at <= deadMs) continue
      this.#heard.delete(worker)
      this.tell({ kind: 'lost', worker })
    }
    this.tell({ kind: 'tick' })
  }

  tell(event: RoundEvent): Judgement {
    const before = this.state
    const now = this.clock()
    const result = step(before, event, { now })
    this.state = result.state
    this.simulation.checks.headStep(
      this,
      before,
      event,
      this.simulation.sabotage === 'harsh-head' ? harsh(result) : result,
    )
    if (result.state !== before || result.effects.length > 0) {
      const { effects } = result
      this.journal.append({ kind: 'round', now, event }, () => {
        for (const effect of effects) this.#perform(effect)
      })
    }
    return result.judgement
  }

  // ---- what it does -------------------------------------------------------------------------------------

  #perform(effect: RoundEffect): void {
    switch (effect.kind) {
      case 'broadcast': {
        const bytes = encodeGossip(effect.message)
        this.#announcement = bytes
        this.simulation.gossip(this, effect.message, bytes)
        return
      }
      case 'aggregate':
        this.replica.aggregate(effect, (event) => this.tell(event))
        return
      case 'publish-manifest':
        this.#publish(effect.manifest)
        return
      case 'close-epoch':
      case 'end':
        return
      case 'deposed':
        this.leadership.step({ kind: 'term', term: effect.term })
        return
      case 'fail':
      case 'note':
        this.simulation.trace(
          () => `${this.number} ${effect.code} ${'text' in effect ? effect.text : effect.message}`,
        )
        return
      default:
        effect satisfies never
    }
  }

  /** The manifest that closes an epoch waits until the epochs before it are settled, as in coordinator/run.ts. */
  #publish(due: RoundManifest): void {
    const { phase, leading } = this.state
    if (!leading || phase.kind !== 'publish' || phase.manifest !== due) return
    const manifest = sabotagedManifest(this.simulation.sabotage, due)
    if (manifest.closesEpoch && !this.settler.idle) {
      this.after(500, () => this.#publish(due))
      return
    }
    const block = signedManifest(manifest, this.id)
    const cid = contentId(block, 'raw')
    this.disk.put(cid, block)
    this.journal.afterSync(() => {
      this.simulation.checks.manifest(this, manifest, cid)
      this.simulation.trace(() => `${this.number} signs round ${manifest.round}, root ${manifest.stateRoot}`)
      this.replica.manifests.push({ manifest, cid })
      this.tell({ kind: 'published', round: manifest.round, cid, block })
    })
  }
}

const harsh = (result: StepResult): StepResult =>
  result.judgement.code === 'LATE' ? { ...result, judgement: rejected('LATE') } : result
