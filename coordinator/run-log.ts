import type { Address, CidText, RunId, Wei } from '../protocol/ids.ts'
import type { AuditReport } from '../protocol/report.ts'
import type { RoundManifest } from '../protocol/wire.ts'
import type { HeadRecord } from './journal/record.ts'
import { type BlockOf, restoreEvent } from './journal/round-event.ts'
import type { StepResult } from './round/open.ts'
import {
  initialRoundState,
  type RoundEffect,
  type RoundEvent,
  type RoundRules,
  type RoundState,
} from './round/state.ts'
import { step } from './round/step.ts'
import { RunBook } from './run-book.ts'

/** A record of one run. */
export type RunRecord = Extract<HeadRecord, { readonly run: RunId }>
export type Intent = Extract<RunRecord, { readonly kind: 'settling' }>

export interface ClosedEpoch {
  readonly epoch: number
  readonly lastManifest: CidText
}

export const auditKey = ({ worker, round }: { readonly worker: string; readonly round: number }): string =>
  `${round}:${worker}`

/**
 * A run as its records tell it. The one way in which a run's state changes: live, a record is applied as it is written to
 * the journal; after a restart, or on a standby, the same records are applied again and lead to the same state.
 */
export class RunLog {
  readonly run: RunId
  readonly book = new RunBook()
  /** Epochs whose last manifest is published, in order. */
  readonly closed: ClosedEpoch[] = []
  readonly audits = new Map<string, AuditReport>()
  readonly intents = new Map<number, Intent>()
  /** Earned so far by account, in settled epochs. */
  cumulative: ReadonlyMap<Address, Wei> = new Map()
  submittedAt = 0
  priority = 0
  owner = ''
  startedAt: number | null = null
  endedAt: number | null = null
  #state: RoundState | null = null

  constructor(run: RunId) {
    this.run = run
  }

  /** Known once its rules are: they follow from the run's spec, which is a block and not a record. */
  get state(): RoundState {
    if (this.#state === null) throw new Error(`the rules of ${this.run} are not set`)
    return this.#state
  }

  setRules(rules: RoundRules): void {
    this.#state = initialRoundState(rules)
  }

  /** Tries an event without applying it: what is refused, or changes nothing, needs no record. */
  peek(event: RoundEvent, now: number): StepResult {
    return step(this.state, event, { now })
  }

  applyRound(event: RoundEvent, now: number, result = this.peek(event, now)): readonly RoundEffect[] {
    const before = this.state
    this.#state = result.state
    if (event.kind === 'published' && before.phase.kind === 'publish' && result.state.round > before.round)
      this.book.addManifest(before.phase.manifest, event.cid)
    if (event.kind === 'adopt')
      for (const { manifest, cid } of event.manifests) this.book.addManifest(manifest, cid)
    for (const effect of result.effects) {
      if (effect.kind === 'close-epoch')
        this.closed.push({ epoch: effect.epoch, lastManifest: effect.lastManifest })
      if (effect.kind === 'broadcast' && effect.message.body.kind === 'roundOpen') this.startedAt ??= now
      if (effect.kind === 'end' || effect.kind === 'fail') this.endedAt ??= now
    }
    return result.effects
  }

  /** `blockOf` gives back the blocks that records name by their CID; those that records carry go to `keep`. */
  async apply(
    record: RunRecord,
    blockOf: BlockOf,
    keep: (cid: CidText, block: Uint8Array) => Promise<void>,
  ): Promise<void> {
    switch (record.kind) {
      case 'submitted':
        this.submittedAt = record.submittedAt
        this.priority = record.priority
        this.owner = record.owner
        return
      case 'round':
        if (record.event.kind === 'published' && record.event.block !== null)
          await keep(record.event.cid, record.event.block)
        this.applyRound(await restoreEvent(record.event, blockOf), record.now)
        return
      case 'audited':
        this.audits.set(auditKey(record.audit), record.audit)
        return
      case 'settling':
        this.intents.set(record.epoch, record)
        return
      case 'settled':
        this.cumulative = new Map(record.cumulative.map(([account, amount]) => [account, BigInt(amount)]))
        this.book.addEpoch(
          record.report,
          new Map(record.tokens),
          new Map(record.earned.map(([worker, amount]) => [worker, BigInt(amount)])),
        )
        return
      case 'measured':
        this.book.addMeasurement(record)
        return
      case 'archived':
        return
      default:
        record satisfies never
    }
  }

  /** Closed epochs that are not settled yet, oldest first. */
  unsettled(): readonly ClosedEpoch[] {
    const settled = new Set(this.book.epochs().map(({ epoch }) => epoch))
    return this.closed.filter(({ epoch }) => !settled.has(epoch))
  }

  manifestsOf(epoch: number): readonly RoundManifest[] {
    return this.book.manifestsOf(epoch)
  }
}
