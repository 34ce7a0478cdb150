import { recordReader } from './entries.ts'
import type { Journal } from './journal.ts'
import type { Rewriting } from './journal-file.ts'
import type { HeadRecord } from './record.ts'
import type { AppendRequest } from './replication.ts'

/**
 * The standby's side of replication, under one leader: puts what it is told at the end of its journal, or, where its log is
 * of another history, into a new one that takes its place once it is as long as the leader's was: until then, a standby
 * that must lead after all still has what it had.
 */
export class Following {
  readonly #journal: Journal
  readonly #onRecord: (record: HeadRecord) => void
  /** Entries that the leader's log had when this head asked to follow. */
  readonly #target: number
  #read = recordReader(true)
  #staged: Rewriting | null = null
  #turn: Promise<unknown> = Promise.resolve()
  #stopped = false

  constructor(journal: Journal, target: number, onRecord: (record: HeadRecord) => void) {
    this.#journal = journal
    this.#target = target
    this.#onRecord = onRecord
  }

  /**
   * Takes what an Append says; resolves to the number of the first entry that is not durable here.
   * @throws MurmurError JOURNAL_RECORD_INVALID, JOURNAL_DISK_FAILED, JOURNAL_FULL, JOURNAL_OVERRUN
   */
  append(append: AppendRequest): Promise<number> {
    const mine = this.#turn.then(() => this.#take(append))
    this.#turn = mine.catch(() => {})
    return mine
  }

  async #take({ from, records, reset }: AppendRequest): Promise<number> {
    if (this.#stopped) return this.#journal.next
    if (reset && records.length > 0) await this.#begin()
    const next = this.#staged?.next ?? this.#journal.next
    // A gap is told again; what is here already came twice.
    if (from > next || from + records.length <= next) return next
    const entries = records.slice(next - from)
    const read = entries.map(this.#read).filter((record) => record !== null)
    if (this.#staged === null) {
      this.#journal.appendEntries(entries)
      await this.#journal.flushed()
      for (const record of read) this.#onRecord(record)
      return this.#journal.next
    }
    const rewriting = this.#staged
    await rewriting.append(entries)
    if (rewriting.next < this.#target || this.#stopped) return rewriting.next
    await rewriting.commit()
    this.#staged = null
    for (const record of await this.#journal.records()) this.#onRecord(record)
    return this.#journal.next
  }

  async #begin(): Promise<void> {
    await this.#staged?.discard()
    this.#staged = await this.#journal.rewrite()
    this.#read = recordReader()
  }

  /** This leader is followed no more: a log that isn't whole yet is given up. */
  async stop(): Promise<void> {
    this.#stopped = true
    await this.#turn
    await this.#staged?.discard()
    this.#staged = null
  }
}
