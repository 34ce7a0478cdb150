import type { CidText } from '../protocol/ids.ts'
import type { Draws } from './draws.ts'

/**
 * One node's disk: an append-only file and a store of blocks. What was not synced when the node crashes is lost, or (of
 * the file) kept up to some byte, or kept with the last of it torn into zeros.
 */
export class VirtualDisk {
  readonly #draws: Draws
  readonly #tornWrites: boolean
  #file: Uint8Array[] = []
  #synced = 0
  #blocks = new Map<CidText, Uint8Array>()
  #unsyncedBlocks = new Map<CidText, Uint8Array>()

  constructor(draws: Draws, tornWrites: boolean) {
    this.#draws = draws
    this.#tornWrites = tornWrites
  }

  /** Appends to the file; durable only after the next {@link sync}. */
  append(bytes: Uint8Array): void {
    this.#file.push(bytes)
  }

  put(cid: CidText, block: Uint8Array): void {
    this.#unsyncedBlocks.set(cid, block)
  }

  get(cid: CidText): Uint8Array | undefined {
    return this.#blocks.get(cid) ?? this.#unsyncedBlocks.get(cid)
  }

  /** What was written before `marks` were taken is durable now. */
  sync({ appended, blocks }: { appended: number; blocks: readonly CidText[] }): void {
    this.#synced = Math.max(this.#synced, appended)
    for (const cid of blocks) {
      const block = this.#unsyncedBlocks.get(cid)
      if (block !== undefined) this.#blocks.set(cid, block)
      this.#unsyncedBlocks.delete(cid)
    }
  }

  /** What a sync that begins now will make durable. */
  marks(): { appended: number; blocks: readonly CidText[] } {
    return { appended: this.#file.length, blocks: [...this.#unsyncedBlocks.keys()] }
  }

  /** `lies`: of what was synced it loses half as well. */
  crash(lies = false): void {
    if (lies) this.#synced = Math.floor(this.#synced / 2)
    for (const [cid, block] of this.#unsyncedBlocks) {
      // A block is written under another name and renamed: it is there whole, or not at all.
      if (this.#draws.below(2) === 0) this.#blocks.set(cid, block)
    }
    this.#unsyncedBlocks = new Map()
    const tail = Buffer.concat(this.#file.slice(this.#synced))
    const kept = this.#tornWrites ? this.#draws.below(tail.length + 1) : 0
    const torn = new Uint8Array(tail.subarray(0, kept))
    // Sectors that were allocated but never written read as zeros.
    if (kept > 0 && this.#draws.below(3) === 0) torn.fill(0, Math.max(0, kept - this.#draws.between(1, 512)))
    this.#file = [...this.#file.slice(0, this.#synced), ...(kept > 0 ? [torn] : [])]
    this.#synced = this.#file.length
  }

  read(): Uint8Array {
    return Buffer.concat(this.#file)
  }

  /** Recovery keeps what it could read and cuts off the rest. */
  rewrite(bytes: Uint8Array): void {
    this.#file = bytes.length === 0 ? [] : [bytes]
    this.#synced = this.#file.length
  }

  /** Blocks that are held, durable or not. */
  get blockCount(): number {
    return this.#blocks.size + this.#unsyncedBlocks.size
  }
}
