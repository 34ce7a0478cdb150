import type { KeptBlocks, KeptFor } from '../checkpoints/kept-blocks.ts'
import { errorText, isMurmurError } from '../protocol/errors.ts'
import type { RunId } from '../protocol/ids.ts'
import type { Clock } from '../protocol/ports.ts'

/**
 * Checkpoints of a run that a worker keeps: one more than a head needs that lost its own and still audits the epoch before the
 * newest, and as many as a mean is mostly of.
 */
export const newestCheckpoints = 3

/** As long as the escrow of a run may stay open after it was submitted (`coordinator/escrow-watch.ts`). */
export const keptMs = 7 * 86_400_000

const pauseMs = 3_600_000

export interface KeptRunsDependencies {
  readonly kept: KeptBlocks
  readonly clock: Clock
  log(code: string, text: string): void
}

interface Idle {
  /** The newest stamp. */
  readonly lastMs: number
  /** That, or when it was first found, if by then it lay ahead: the clock has been set back. */
  readonly sinceMs: number
}

/** When a worker lets go of what it keeps for its runs; of rounds while a run goes on, see `RunBlocks`. */
export class KeptRuns {
  readonly #dependencies: KeptRunsDependencies
  #nextMs: number
  /** Since when each run lies idle, by the stamps that were found at the last look. */
  #idle: ReadonlyMap<RunId, Idle> = new Map()

  constructor(dependencies: KeptRunsDependencies) {
    this.#dependencies = dependencies
    // The head of a run under way may have to start first, too.
    this.#nextMs = dependencies.clock.now() + pauseMs
  }

  /** A run is over, its epochs settled: nobody audits its rounds any more. */
  async ended(run: RunId): Promise<void> {
    await this.#drop((part) => part.run === run && part.kind === 'round')
  }

  /** A checkpoint of the run was written: older ones than the newest few go. */
  async wroteCheckpoint(run: RunId): Promise<void> {
    const oldest = this.#dependencies.kept.checkpointRounds(run)[newestCheckpoints - 1]
    if (oldest === undefined) return
    await this.#drop((part) => part.run === run && part.kind === 'checkpoint' && part.round < oldest)
  }

  /** Looks once an hour for runs that this worker has had nothing to do with for long, and lets go of all of them. */
  async perhapsForget(current: RunId | null): Promise<void> {
    const { kept, clock } = this.#dependencies
    const now = clock.now()
    // Before the last look: the clock was set back.
    if (now < this.#nextMs && now >= this.#nextMs - pauseMs) return
    this.#nextMs = now + pauseMs
    const idle = new Map<RunId, Idle>()
    const old = new Set<RunId>()
    for (const [run, lastMs] of kept.runs()) {
      const before = this.#idle.get(run)
      const sinceMs = Math.min(now, before?.lastMs === lastMs ? before.sinceMs : lastMs)
      idle.set(run, { lastMs, sinceMs })
      if (run !== current && now - sinceMs >= keptMs) old.add(run)
    }
    this.#idle = idle
    await this.#drop(({ run }) => old.has(run))
  }

  async #drop(isOver: (part: KeptFor) => boolean): Promise<void> {
    const { kept, log } = this.#dependencies
    await letGo(kept, isOver, log)
  }
}

/** A disk that does not let go of blocks keeps no worker from training. */
export async function letGo(
  kept: Pick<KeptBlocks, 'drop'>,
  isOver: (part: KeptFor) => boolean,
  log: (code: string, text: string) => void,
): Promise<void> {
  try {
    await kept.drop(isOver)
  } catch (error) {
    log(isMurmurError(error) ? error.code : 'KEPT_NOT_DROPPED', errorText(error))
  }
}
