import { invariant, MurmurError } from '../../protocol/errors.ts'
import type { Hash } from '../../protocol/ids.ts'
import { chainAfter, checkEntry, type Entry, entriesOf, recordReader, recordsOf } from './entries.ts'
import { framedBytes, maxFrameBytes } from './frames.ts'
import { batches, JournalFile, type Rewriting } from './journal-file.ts'
import type { LogFile } from './log-file.ts'
import { RecentEntries } from './recent-entries.ts'
import type { HeadRecord } from './record.ts'

/** Entries that wait for the disk: seconds of it. A head that runs ahead further has a broken disk. */
const maxPendingBytes = 64 * 1024 * 1024
/** A run of 1,024 members takes 1.5 MiB a round, one of 32 takes 50 KiB; runs that are archived take nothing. */
const maxJournalBytes = 1024 * 1024 * 1024

export interface JournalOptions {
  /**
   * The disk has failed: nothing that this process holds in memory may be acted on any more. After a failed fsync the
   * kernel may have dropped the pages and call the next one a success; only reading anew tells what is there.
   */
  onFatal(error: unknown): void
}

export interface OpenedJournal {
  readonly journal: Journal
  readonly records: readonly HeadRecord[]
  /** Bytes of a torn write that were cut off: of records that nobody was told to be durable. */
  readonly cutBytes: number
}

interface Waiter {
  readonly ticket: number
  resolve(): void
  reject(error: unknown): void
}

/**
 * The head's write-ahead log. `append` is synchronous and buffers; everything appended while the disk is busy goes to it
 * in one write and one fsync (group commit). `durable` says when something appended may be acted on: it is on this disk
 * and on that of every standby that is in sync.
 *
 * Memory: entries that wait for the disk (≤ 64 MiB, then JOURNAL_OVERRUN), the newest 4 MiB, and a mark each 64 KiB of file.
 */
export class Journal {
  readonly #stored: JournalFile
  readonly #options: JournalOptions
  #recent: RecentEntries
  #chain: Hash
  /** What compaction has taken off the numbers: a ticket is a number that doesn't change. */
  #shift = 0
  #generation = 0
  #replicated = Number.POSITIVE_INFINITY
  #waiters: Waiter[] = []
  #turn: Promise<unknown> = Promise.resolve()
  #flushing = false
  #sealed = false
  #failure: MurmurError | null = null
  readonly #listeners = new Set<() => void>()

  private constructor(stored: JournalFile, options: JournalOptions) {
    this.#stored = stored
    this.#options = options
    this.#recent = new RecentEntries(stored.end.sequence)
    this.#chain = stored.end.chain
  }

  /**
   * Recovers what a crash left: a torn last write is cut off.
   * @throws MurmurError JOURNAL_CORRUPT, JOURNAL_RECORD_INVALID, JOURNAL_DISK_FAILED
   */
  static async open(file: LogFile, options: JournalOptions): Promise<OpenedJournal> {
    const { stored, entries, cutBytes } = await JournalFile.open(file)
    return { journal: new Journal(stored, options), records: recordsOf(entries), cutBytes }
  }

  /** The number that the next entry gets. */
  get next(): number {
    return this.#recent.next
  }

  /** Entries before this one are on this disk. */
  get synced(): number {
    return this.#stored.end.sequence
  }

  /** Hash over all entries (coordinator/journal/entries.ts). */
  get chain(): Hash {
    return this.#chain
  }

  /** Changes when entries got other numbers: whoever follows must begin anew. */
  get generation(): number {
    return this.#generation
  }

  /** Called after each append, sync and rewriting. Returns an unsubscribe function. */
  onChange(listener: () => void): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  // ---- writing ------------------------------------------------------------------------------------------

  /**
   * Puts a record at the end. Returns a ticket for `durable`.
   * @throws MurmurError JOURNAL_RECORD_INVALID, JOURNAL_SEALED, JOURNAL_FULL, JOURNAL_OVERRUN, JOURNAL_DISK_FAILED
   */
  append(record: HeadRecord): number {
    if (this.#sealed) throw sealed()
    this.appendEntries(entriesOf(record))
    return this.#newestTicket()
  }

  /** Puts entries of the leader's log at the end: for a standby. Throws as `append`. */
  appendEntries(entries: readonly Entry[]): void {
    if (this.#failure !== null) throw this.#failure
    const bytes = entries.reduce((sum, entry) => sum + framedBytes(entry), this.#recent.waitingBytes)
    if (bytes > maxPendingBytes) throw overrun()
    if (this.#stored.end.offset + bytes > maxJournalBytes) throw full()
    for (const entry of entries) checkEntry(entry)
    this.#recent.push(entries)
    this.#chain = entries.reduce(chainAfter, this.#chain)
    this.#flush()
    this.#tell()
  }

  /**
   * Resolves when the record of a ticket (by default: all so far) is on this disk and on those of all standbys in sync.
   * @throws MurmurError JOURNAL_DISK_FAILED: the disk failed. JOURNAL_SEALED: another head leads.
   */
  durable(ticket = this.#newestTicket()): Promise<void> {
    if (this.#failure !== null) return Promise.reject(this.#failure)
    if (this.#isDurable(ticket)) return Promise.resolve()
    if (this.#sealed) return Promise.reject(sealed())
    return new Promise((resolve, reject) => {
      this.#waiters.push({ ticket, resolve, reject })
    })
  }

  /** Resolves when all so far is on this disk, whatever the standbys have. */
  async flushed(): Promise<void> {
    await this.#turn
    if (this.#failure !== null) throw this.#failure
  }

  /** Told by replication: all standbys in sync have the entries before this one. Infinity when there are none. */
  setReplicated(next: number): void {
    this.#replicated = next
    this.#settle()
  }

  /**
   * Another head leads: records are refused from now on, and whoever waits for durability is told so; `appendEntries`
   * still works. `unseal` when this head leads.
   */
  seal(): void {
    this.#sealed = true
    this.#replicated = Number.POSITIVE_INFINITY
    for (const { reject } of this.#waiters) reject(sealed())
    this.#waiters = []
  }

  unseal(): void {
    this.#sealed = false
  }

  #newestTicket = (): number => this.next - 1 + this.#shift

  #isDurable = (ticket: number): boolean => ticket - this.#shift < Math.min(this.synced, this.#replicated)

  #settle(): void {
    const ready = this.#waiters.filter(({ ticket }) => this.#isDurable(ticket))
    if (ready.length === 0) return
    this.#waiters = this.#waiters.filter(({ ticket }) => !this.#isDurable(ticket))
    for (const { resolve } of ready) resolve()
  }

  #tell(): void {
    for (const listener of this.#listeners) listener()
  }

  #flush(): void {
    if (this.#flushing) return
    this.#flushing = true
    this.#exclusively(async () => {
      this.#flushing = false
      await this.#commitWaiting()
    }).catch(() => {})
  }

  async #commitWaiting(): Promise<void> {
    for (;;) {
      const [batch] = batches(this.#recent.waiting(maxFrameBytes))
      if (batch === undefined) return
      await this.#stored.commit(batch)
      this.#recent.written(batch)
      this.#settle()
      this.#tell()
    }
  }

  /** One thing at a time happens to the file, and nothing after one has failed. */
  async #exclusively<Result>(work: () => Promise<Result>): Promise<Result> {
    const mine = this.#turn.then(async () => {
      if (this.#failure !== null) throw this.#failure
      try {
        return await work()
      } catch (error) {
        throw this.#fail(error)
      }
    })
    this.#turn = mine.catch(() => {})
    return await mine
  }

  #fail(error: unknown): MurmurError {
    this.#failure ??= error instanceof MurmurError ? error : diskFailed(error)
    for (const { reject } of this.#waiters) reject(this.#failure)
    this.#waiters = []
    this.#options.onFatal(this.#failure)
    return this.#failure
  }

  // ---- reading ------------------------------------------------------------------------------------------

  /** Entries from `from` on: at least one if there is one, at most `maxBytes` of them (framed) if there are more. */
  async read(from: number, maxBytes: number): Promise<readonly Entry[]> {
    if (from >= this.next) return []
    const entries =
      this.#recent.from(from, maxBytes) ?? (await this.#exclusively(() => this.#stored.entriesFrom(from)))
    let bytes = 0
    const end = entries.findIndex((entry, index) => {
      bytes += framedBytes(entry)
      return index > 0 && bytes > maxBytes
    })
    return end === -1 ? entries : entries.slice(0, end)
  }

  /** The chain before entry `sequence`; null when the log isn't that long. */
  async chainAt(sequence: number): Promise<Hash | null> {
    if (sequence === this.next) return this.#chain
    if (sequence > this.next) return null
    return await this.#exclusively(async () => {
      if (sequence < this.synced) return await this.#stored.chainAt(sequence)
      const waiting = this.#recent.waiting(Number.POSITIVE_INFINITY).slice(0, sequence - this.synced)
      return waiting.reduce(chainAfter, this.#stored.end.chain)
    })
  }

  /** All whole records, those that wait for the disk included. */
  async records(): Promise<readonly HeadRecord[]> {
    const read = recordReader()
    const records: HeadRecord[] = []
    for (let from = 0; from < this.next; ) {
      const entries = await this.read(from, maxFrameBytes)
      records.push(...entries.map(read).filter((record) => record !== null))
      from += entries.length
    }
    return records
  }

  // ---- writing anew -------------------------------------------------------------------------------------

  /** Begins a log that will take this one's place: for a standby whose own is of another history. */
  async rewrite(): Promise<Rewriting> {
    invariant(this.#sealed, 'only a standby takes another log for its own')
    const rewriting = await this.#exclusively(() => this.#stored.rewrite())
    return {
      get next() {
        return rewriting.next
      },
      append: rewriting.append,
      discard: rewriting.discard,
      commit: () =>
        this.#exclusively(async () => {
          await rewriting.commit()
          this.#rewritten([])
        }),
    }
  }

  /**
   * Drops the records that `keep` refuses: those of archived runs. Numbers and chain change, so standbys are told all
   * anew. What is appended meanwhile follows. After a crash it has happened or it has not.
   */
  async compact(keep: (record: HeadRecord) => boolean): Promise<void> {
    await this.#exclusively(async () => {
      await this.#commitWaiting()
      const { sequence: end } = this.#stored.end
      const rewriting = await this.#stored.rewrite()
      const read = recordReader()
      for (let from = 0; from < end; ) {
        const entries = await this.#stored.entriesFrom(from)
        const records = entries.map(read).filter((record) => record !== null)
        await rewriting.append(records.filter(keep).flatMap(entriesOf))
        from += entries.length
      }
      await rewriting.commit()
      this.#shift += end - this.synced
      this.#rewritten(this.#recent.waiting(Number.POSITIVE_INFINITY))
    })
  }

  #rewritten(waiting: readonly Entry[]): void {
    this.#generation += 1
    this.#recent = new RecentEntries(this.synced)
    this.#recent.push(waiting)
    this.#chain = waiting.reduce(chainAfter, this.#stored.end.chain)
    if (waiting.length > 0) this.#flush()
    this.#settle()
    this.#tell()
  }

  /** Writes what waits, and closes the file. */
  async close(): Promise<void> {
    this.seal()
    await this.#turn
    await this.#stored.close()
  }
}

const sealed = () =>
  new MurmurError('JOURNAL_SEALED', {
    message: 'another head leads, so this one writes nothing of its own',
    next: 'ask the head that leads',
    exit: 'unreachable',
  })

const overrun = () =>
  new MurmurError('JOURNAL_OVERRUN', {
    message: `${maxPendingBytes} bytes wait for the journal’s disk`,
    next: 'check that disk: it takes seconds for what should take milliseconds',
  })

const full = () =>
  new MurmurError('JOURNAL_FULL', {
    message: `the journal has reached ${maxJournalBytes} bytes`,
    next: 'stop a run that is not needed: what is over leaves the journal',
  })

const diskFailed = (cause: unknown) =>
  new MurmurError('JOURNAL_DISK_FAILED', {
    message: `the journal cannot be written (${String(cause).slice(0, 200)})`,
    next: 'check the disk; then start the head again: what was durable is kept',
    cause,
  })
