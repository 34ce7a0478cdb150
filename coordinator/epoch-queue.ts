import { setTimeout as sleep } from 'node:timers/promises'
import { isPassing } from '../chain/errors.ts'
import type { CidText, RunId } from '../protocol/ids.ts'
import type { Clock } from '../protocol/ports.ts'
import type { Measurement } from '../protocol/report.ts'
import type { HeadRecord } from './journal/record.ts'
import type { HeadReplica } from './replica.ts'
import type { RunLog } from './run-log.ts'
import type { RunNotes } from './run-notes.ts'
import type { Settlement } from './settlement.ts'

/** A settlement that the chain keeps from its end is tried again this often, for this long after its first failure. */
const defaultRetryMs = 5_000
const patienceMs = 30 * 60_000

export interface EpochQueueDependencies {
  readonly run: RunId
  readonly settlement: Pick<Settlement, 'settle'>
  readonly log: RunLog
  readonly replica: Pick<HeadReplica, 'endOf' | 'forgetBefore'>
  readonly notes: Pick<RunNotes, 'note'>
  readonly clock: Clock
  readonly signal: AbortSignal
  readonly retryMs?: number
  /** Resolves when it is durable. */
  record(entry: HeadRecord): Promise<void>
  evaluate(theta: Float32Array): Promise<Measurement>
  failed(error: unknown): void
}

/** Settles closed epochs one after the other, while training goes on; a chain that is away is waited for. */
export class EpochQueue {
  readonly #dependencies: EpochQueueDependencies
  #work: Promise<void> = Promise.resolve()

  constructor(dependencies: EpochQueueDependencies) {
    this.#dependencies = dependencies
  }

  settle(epoch: number, lastManifest: CidText): void {
    this.afterwards(() => this.#settle(epoch, lastManifest))
  }

  /** Runs `work` when everything before it is done. */
  afterwards(work: () => Promise<void>): void {
    this.#work = this.#work.then(work)
  }

  /** Resolves when nothing is waiting. */
  idle(): Promise<void> {
    return this.#work.catch(() => {})
  }

  async #settle(epoch: number, lastManifest: CidText): Promise<void> {
    const { run, settlement, log, replica, notes, signal, record, evaluate, failed } = this.#dependencies
    const manifests = log.book.manifestsOf(epoch)
    const next = manifests.at(-1)!.round + 1
    const theta = replica.endOf(next - 1)
    try {
      const settled = await this.#tried(() => settlement.settle(epoch, lastManifest, manifests, signal))
      log.book.addEpoch(settled.report, settled.tokens, settled.earned)
      log.cumulative = settled.cumulative
      await record({
        kind: 'settled',
        run,
        report: settled.report,
        tokens: [...settled.tokens],
        earned: [...settled.earned].map(([worker, amount]) => [worker, amount.toString()]),
        cumulative: [...settled.cumulative].map(([account, amount]) => [account, amount.toString()]),
      })
      replica.forgetBefore(next)
      notes.note('EPOCH_SETTLED', null, null, `epoch ${epoch + 1}: ${settled.report.audits.length} audited`)
      if (theta === undefined) return
      const measured = { what: 'epoch', epoch, ...(await evaluate(theta)), text: null }
      log.book.addMeasurement(measured)
      await record({ kind: 'measured', run, ...measured })
    } catch (error) {
      if (!signal.aborted) failed(error)
    }
  }

  /** The chain may be away for a while, or forget what it said: settling again what was settled is harmless. */
  async #tried<T>(work: () => Promise<T>): Promise<T> {
    const { clock, notes, signal, retryMs = defaultRetryMs } = this.#dependencies
    for (let failedAt: number | null = null; ; ) {
      try {
        return await work()
      } catch (error) {
        failedAt ??= clock.now()
        if (!isPassing(error) || clock.now() - failedAt >= patienceMs) throw error
        notes.note(error.code, null, null, `${error.message}; trying again`)
        await sleep(retryMs, undefined, { signal })
      }
    }
  }
}
