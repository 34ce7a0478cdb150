import { checkedShare, type RoundPart } from '../aggregation/shared-average.ts'
import { errorText } from '../protocol/errors.ts'
import type { Hash } from '../protocol/ids.ts'
import type { RoundManifest } from '../protocol/wire.ts'
import type { RunContext } from './run-context.ts'
import { isTrueAverage } from './true-average.ts'

export interface AverageChecksDependencies {
  readonly context: Pick<RunContext, 'averaging' | 'model'> & {
    readonly spec: { readonly workers: { readonly max: number } }
  }
  /** 32 random bytes. */
  randomSalt(): Hash
  fetch(manifest: RoundManifest, part: RoundPart): Promise<Uint8Array>
  /** This worker goes on with that head no longer. */
  refuse(round: number, code: 'AVERAGE_FALSE' | 'AVERAGE_UNCHECKABLE'): void
  log(code: string, text: string): void
}

/**
 * The head has every contribution that it admitted, and can serve it. That one cannot be had may be the line's fault; so many
 * times in a row it is the head's.
 */
const mostUnchecked = 4

/** A worker's checks of the averages that it applied: in rounds that it draws, so that no head knows when it may lie. */
export class AverageChecks {
  readonly #dependencies: AverageChecksDependencies
  /** In a row, that were to be checked and could not be. */
  #unchecked = 0

  constructor(dependencies: AverageChecksDependencies) {
    this.#dependencies = dependencies
  }

  /** Checks a round's average if it has one and the lot falls on it. Never rejects; says nothing any more once aborted. */
  async perhaps(manifest: RoundManifest, signal: AbortSignal): Promise<void> {
    if (manifest.average === null || !this.#draws(manifest)) return
    const { context, fetch, log, refuse } = this.#dependencies
    const { round } = manifest
    try {
      const isTrue = await isTrueAverage(manifest, context, (part) => fetch(manifest, part))
      if (signal.aborted) return
      this.#unchecked = 0
      if (isTrue) log('AVERAGE_CHECKED', `round ${round}`)
      else refuse(round, 'AVERAGE_FALSE')
    } catch (error) {
      if (signal.aborted) return
      log('AVERAGE_UNCHECKED', errorText(error))
      this.#unchecked++
      if (this.#unchecked === mostUnchecked) refuse(round, 'AVERAGE_UNCHECKABLE')
    }
  }

  /** One that could not be checked is made up for by the next. */
  #draws({ entries }: RoundManifest): boolean {
    const { context, randomSalt } = this.#dependencies
    const share = checkedShare(Math.min(entries.length, context.spec.workers.max))
    const drawn = Number.parseInt(randomSalt().slice(2, 10), 16) < share * 2 ** 32
    return drawn || this.#unchecked > 0
  }
}
