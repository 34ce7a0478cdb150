import { type ExitKind, isMurmurError, type MurmurError } from '../protocol/errors.ts'
import type { RunId } from '../protocol/ids.ts'

/** What is wrong with the run itself, or with this worker for it. */
const permanentExits: ReadonlySet<ExitKind> = new Set(['usage', 'infeasible'])
/** Of content that the run's id names: whoever it is fetched from, it stays as it is. Other bytes may be a peer's fault. */
const permanentCodes: ReadonlySet<string> = new Set([
  'PROGRAM_MALFORMED',
  'PROGRAM_INVALID',
  'DATA_MANIFEST_MALFORMED',
])

/** Whether warming up for a run again would fail again. */
export const isPermanent = (error: unknown): error is MurmurError =>
  isMurmurError(error) && (permanentExits.has(error.exit) || permanentCodes.has(error.code))

/** A worker that hears of more such runs finds out anew about the oldest. */
const keptRuns = 256

/**
 * The runs that a worker cannot do, as long as its process lives: a head that took over knows nothing of what it told the
 * one before.
 */
export class DeclinedRuns {
  readonly #reasons = new Map<RunId, string>()

  add(run: RunId, reason: string): void {
    this.#reasons.set(run, reason)
    const [oldest] = this.#reasons.keys()
    if (oldest !== undefined && this.#reasons.size > keptRuns) this.#reasons.delete(oldest)
  }

  /** Why it was declined; undefined of a run that was not. */
  reasonFor(run: RunId): string | undefined {
    return this.#reasons.get(run)
  }
}
