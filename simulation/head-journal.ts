import { encodeFrame, fileHeader, readFrames } from '../coordinator/journal/frames.ts'
import type { RoundEvent } from '../coordinator/round/state.ts'
import type { Hash, Wei, WorkerId } from '../protocol/ids.ts'
import type { VirtualDisk } from './virtual-disk.ts'
import type { VirtualNode } from './virtual-node.ts'

/** What a head keeps of its life, in order: replaying it is how it restarts. Shapes as in coordinator/journal/record.ts. */
export type LogRecord =
  /** A leadership begins: durable before it does anything. */
  | { readonly kind: 'term'; readonly term: number }
  | { readonly kind: 'round'; readonly now: number; readonly event: RoundEvent }
  | {
      readonly kind: 'audited'
      readonly worker: WorkerId
      readonly round: number
      readonly outcome: 'verified' | 'refuted'
    }
  /** What an epoch will be settled with: durable before its transaction is sent. */
  | {
      readonly kind: 'settling'
      readonly epoch: number
      readonly root: Hash
      readonly cumulative: ReadonlyMap<`0x${string}`, Wei>
    }
  | { readonly kind: 'settled'; readonly epoch: number }

/** Records that wait for the disk or for standbys; far more than arrive in the second that a standby is waited for. */
export const maxUnsynced = 4096

/**
 * The head's log on a virtual disk: the real frames, one a group commit. What is appended while a sync is under way waits
 * for the next. A record is durable when it is on this disk and on those of all standbys in sync; `then` happens then, in
 * the order of the records. An entry is a record's place in a list that the simulation keeps, not its bytes.
 */
export class HeadJournal {
  readonly #node: VirtualNode
  readonly #disk: VirtualDisk
  readonly #syncMs: number
  /** False for a head that forgets: only to show that the checkers see it. */
  readonly #durable: boolean
  readonly #known: LogRecord[]
  readonly #placeOf: Map<LogRecord, number>
  records: LogRecord[] = []
  /** Records before this one are on this disk. */
  synced = 0
  /** Records before this one are on the disks of all standbys in sync. */
  replicated = Number.POSITIVE_INFINITY
  onChange: () => void = () => {}
  #offset = fileHeader.length
  #waiting: { readonly index: number; readonly then: () => void }[] = []
  #afterSync: (() => void)[] = []
  #syncing = false

  constructor(node: VirtualNode, disk: VirtualDisk, syncMs: number, durable: boolean) {
    this.#node = node
    this.#disk = disk
    this.#syncMs = syncMs
    this.#durable = durable
    this.#known = node.simulation.logRecords.all
    this.#placeOf = node.simulation.logRecords.placeOf
    disk.rewrite(fileHeader)
  }

  get unsynced(): number {
    return this.#waiting.length + this.#afterSync.length
  }

  append(record: LogRecord, then: () => void): void {
    this.appendRecords([record])
    this.#waiting.push({ index: this.records.length - 1, then })
    this.onChange()
  }

  /** At the end of a standby's log. */
  appendRecords(records: readonly LogRecord[]): void {
    this.records.push(...records)
    this.#sync()
  }

  /** `then` happens when what is in the block store and in the log by now is on this disk. */
  afterSync(then: () => void): void {
    this.#afterSync.push(then)
    this.#sync()
  }

  /** Another log takes this one's place, at once or not at all. */
  replace(records: readonly LogRecord[]): void {
    this.seal()
    this.records = [...records]
    this.synced = 0
    this.#offset = fileHeader.length
    this.#disk.rewrite(fileHeader)
    const frame = this.#frame(0)
    if (frame !== null) this.#disk.append(frame)
    this.#disk.sync(this.#disk.marks())
    this.synced = this.records.length
  }

  /** Leads no more: nobody hears of what was not durable yet. */
  seal(): void {
    this.#waiting = []
    this.#afterSync = []
    this.replicated = Number.POSITIVE_INFINITY
  }

  /** Lets go of what is durable by now. */
  settle(): void {
    const durable = Math.min(this.synced, this.replicated)
    while (this.#waiting.length > 0 && this.#waiting[0]!.index < durable) this.#waiting.shift()!.then()
  }

  #sync(): void {
    if (this.#syncing || (this.synced === this.records.length && this.#afterSync.length === 0)) return
    this.#syncing = true
    const upTo = this.records.length
    const frame = this.#frame(this.synced)
    if (frame !== null && this.#durable) this.#disk.append(frame)
    const marks = this.#disk.marks()
    const after = this.#afterSync
    const { records } = this
    this.#afterSync = []
    this.#node.after(this.#syncMs, () => {
      this.#disk.sync(marks)
      this.#syncing = false
      // Unless another log took its place meanwhile.
      if (this.records === records) this.synced = Math.max(this.synced, upTo)
      for (const then of after) then()
      this.settle()
      this.onChange()
      this.#sync()
    })
  }

  #frame(from: number): Uint8Array | null {
    if (from === this.records.length) return null
    const frame = encodeFrame(
      this.#offset,
      this.records.slice(from).map((record) => this.#entry(record)),
    )
    this.#offset += frame.length
    return frame
  }

  #entry(record: LogRecord): Uint8Array {
    const place = this.#placeOf.get(record) ?? this.#known.push(record) - 1
    this.#placeOf.set(record, place)
    const entry = new Uint8Array(5)
    new DataView(entry.buffer).setUint32(1, place)
    return entry
  }

  /** After a crash: the records of the frames that are whole. Throws JOURNAL_CORRUPT where a torn write is not the last. */
  recover(): void {
    this.seal()
    this.#syncing = false
    const { frames, validBytes } = readFrames(this.#disk.read())
    this.records = frames.flatMap(({ entries }) =>
      entries.map((entry) => this.#known[new DataView(entry.buffer, entry.byteOffset).getUint32(1)]!),
    )
    this.synced = this.records.length
    this.#offset = Math.max(validBytes, fileHeader.length)
    this.#disk.rewrite(validBytes === 0 ? fileHeader : this.#disk.read().slice(0, validBytes))
  }
}
