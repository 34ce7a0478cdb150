import type { HeadJournal, LogRecord } from './head-journal.ts'
import type { Append } from './replication.ts'

/**
 * The standby's side, as coordinator/journal/following.ts has it: what it is told goes to the end of its log, or, where its
 * log is of another history, into a new one that takes its place once it is as long as the leader's was.
 */
export class SimulatedFollowing {
  readonly #journal: HeadJournal
  #staged: LogRecord[] | null = null

  constructor(journal: HeadJournal) {
    this.#journal = journal
  }

  /** `done` is told the number of the first record that is not durable here. */
  append({ from, records, reset, target }: Append, done: (next: number) => void): void {
    const journal = this.#journal
    if (reset && records.length > 0 && from === 0) this.#staged = []
    const next = this.#staged?.length ?? journal.records.length
    if (from > next || from + records.length <= next) {
      journal.afterSync(() => done(this.#staged?.length ?? journal.synced))
      return
    }
    const entries = records.slice(next - from)
    if (this.#staged === null) journal.appendRecords(entries)
    else {
      this.#staged.push(...entries)
      if (this.#staged.length >= target) {
        journal.replace(this.#staged)
        this.#staged = null
      }
    }
    journal.afterSync(() => done(this.#staged?.length ?? journal.synced))
  }
}
