import { setTimeout as sleep } from 'node:timers/promises'
import { isMurmurError } from '../protocol/errors.ts'
import type { CidText } from '../protocol/ids.ts'
import type { HeadReplica } from './replica.ts'
import type { RunBook } from './run-book.ts'
import type { Settlement } from './settlement.ts'

/** A settlement that cannot reach the chain is tried again this often, this many times: half an hour. */
const retryMs = 5_000
const tries = 360

export interface EpochQueueDependencies {
  readonly settlement: Settlement
  readonly book: RunBook
  readonly replica: HeadReplica
  readonly roundsPerEpoch: number
  readonly signal: AbortSignal
  evaluate(theta: Float32Array): Promise<number>
  note(code: string, text: string): void
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
    const { settlement, book, replica, roundsPerEpoch, signal, evaluate, note, failed } = this.#dependencies
    const next = (epoch + 1) * roundsPerEpoch
    const theta = replica.startOf(next)
    try {
      const settled = await this.#tried(() =>
        settlement.settle(epoch, lastManifest, book.manifestsOf(epoch), signal),
      )
      book.addEpoch(settled.report, settled.tokens, settled.earned)
      replica.forgetBefore(next)
      note('EPOCH_SETTLED', `epoch ${epoch}: ${settled.report.audits.length} audited`)
      if (theta !== undefined) book.addEvaluation(epoch, await evaluate(theta))
    } catch (error) {
      if (!signal.aborted) failed(error)
    }
  }

  /** The chain may be away for a while: settling again what was settled is harmless. */
  async #tried<T>(work: () => Promise<T>): Promise<T> {
    for (let attempt = 1; ; attempt++) {
      try {
        return await work()
      } catch (error) {
        if (!isMurmurError(error, 'RPC_UNREACHABLE') || attempt >= tries) throw error
        this.#dependencies.note(error.code, `${error.message}; trying again`)
        await sleep(retryMs, undefined, { signal: this.#dependencies.signal })
      }
    }
  }
}
