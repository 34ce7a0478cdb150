import type { Hash } from '../../protocol/ids.ts'
import { chainAfter, type Entry, emptyChain } from './entries.ts'
import { fileHeader } from './frames.ts'

/** A frame's place: the number of its first entry, its offset in the file, the chain before it. */
export interface Mark {
  readonly sequence: number
  readonly offset: number
  readonly chain: Hash
}

/** Finding an entry reads at most this much of the file, and one frame; a journal of 1 GiB has 16,384 marks. */
const markBytes = 64 * 1024

/** Where in the file of a journal its entries are, coarsely, and what its end is. */
export class Marks {
  readonly #marks: Mark[] = []
  #end: Mark = { sequence: 0, offset: fileHeader.length, chain: emptyChain }

  get end(): Mark {
    return this.#end
  }

  /** A frame of `bytes` bytes with these entries has been put at the end. */
  add(entries: readonly Entry[], bytes: number): void {
    const newest = this.#marks.at(-1)
    if (newest === undefined || this.#end.offset - newest.offset >= markBytes) this.#marks.push(this.#end)
    this.#end = {
      sequence: this.#end.sequence + entries.length,
      offset: this.#end.offset + bytes,
      chain: entries.reduce(chainAfter, this.#end.chain),
    }
  }

  /** The stretch of the file that holds entry `sequence`, which must be before the end. */
  around(sequence: number): { readonly from: Mark; readonly to: Mark } {
    let [low, high] = [0, this.#marks.length]
    while (high - low > 1) {
      const half = (low + high) >>> 1
      if (this.#marks[half]!.sequence <= sequence) low = half
      else high = half
    }
    return { from: this.#marks[low]!, to: this.#marks[low + 1] ?? this.#end }
  }
}
