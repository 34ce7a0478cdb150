import type { Entry } from './entries.ts'
import { framedBytes } from './frames.ts'

/** Written entries kept for standbys that are up to date; older ones are read from the file. */
const keptBytes = 4 * 1024 * 1024

/** The newest entries of a journal: all that wait for the disk, and before them some that are on it. */
export class RecentEntries {
  #entries: Entry[] = []
  #first: number
  #bytes = 0
  #waiting = 0
  #waitingBytes = 0

  /** `next`: the number of the first entry that will be pushed. */
  constructor(next: number) {
    this.#first = next
  }

  get next(): number {
    return this.#first + this.#entries.length
  }

  get waitingBytes(): number {
    return this.#waitingBytes
  }

  push(entries: readonly Entry[]): void {
    for (const entry of entries) {
      this.#entries.push(entry)
      this.#bytes += framedBytes(entry)
      this.#waitingBytes += framedBytes(entry)
    }
    this.#waiting += entries.length
  }

  /** Those that wait for the disk, oldest first, up to `maxBytes` of them and one more. */
  waiting(maxBytes: number): readonly Entry[] {
    return this.#from(this.#entries.length - this.#waiting, maxBytes)
  }

  /** Entries from number `from` on, up to `maxBytes` of them and one more; null when it isn't among the recent ones. */
  from(from: number, maxBytes: number): readonly Entry[] | null {
    return from < this.#first ? null : this.#from(from - this.#first, maxBytes)
  }

  #from(start: number, maxBytes: number): readonly Entry[] {
    let [end, bytes] = [start, 0]
    while (end < this.#entries.length && bytes <= maxBytes) bytes += framedBytes(this.#entries[end++]!)
    return this.#entries.slice(start, end)
  }

  /** The oldest of those that waited are on the disk now. */
  written(entries: readonly Entry[]): void {
    this.#waiting -= entries.length
    this.#waitingBytes -= entries.reduce((sum, entry) => sum + framedBytes(entry), 0)
    let drop = 0
    while (this.#bytes > keptBytes && drop < this.#entries.length - this.#waiting)
      this.#bytes -= framedBytes(this.#entries[drop++]!)
    if (drop === 0) return
    this.#entries = this.#entries.slice(drop)
    this.#first += drop
  }
}
