import type { Hash } from '../../protocol/ids.ts'
import { chainAfter, type Entry } from './entries.ts'
import {
  corrupt,
  encodeFrame,
  entriesIn,
  fileHeader,
  framedBytes,
  frameHeaderBytes,
  maxFrameBytes,
  payloadAt,
  readFrames,
} from './frames.ts'
import type { LogFile } from './log-file.ts'
import { type Mark, Marks } from './marks.ts'

/** A log that is written beside the one in use, and takes its place all at once. */
export interface Rewriting {
  /** Entries so far: the number of the next one. */
  readonly next: number
  append(entries: readonly Entry[]): Promise<void>
  commit(): Promise<void>
  discard(): Promise<void>
}

/** The entries of a journal that are on the disk. One call at a time, except as told. */
export class JournalFile {
  readonly #file: LogFile
  #marks: Marks

  private constructor(file: LogFile, marks: Marks) {
    this.#file = file
    this.#marks = marks
  }

  /**
   * Recovers what a crash left: a torn last write is cut off.
   * @throws MurmurError JOURNAL_CORRUPT, JOURNAL_RECORD_INVALID, JOURNAL_DISK_FAILED
   */
  static async open(file: LogFile): Promise<{
    readonly stored: JournalFile
    readonly entries: readonly Entry[]
    readonly cutBytes: number
  }> {
    const bytes = await file.read()
    const { frames, validBytes } = readFrames(bytes)
    if (validBytes < bytes.length) await file.truncate(validBytes)
    if (validBytes === 0) {
      await file.append(fileHeader)
      await file.sync()
    }
    const marks = new Marks()
    for (const [index, { offset, entries }] of frames.entries())
      marks.add(entries, (frames[index + 1]?.offset ?? validBytes) - offset)
    return {
      stored: new JournalFile(file, marks),
      entries: frames.flatMap(({ entries }) => entries),
      cutBytes: bytes.length - validBytes,
    }
  }

  /** What comes next: its number, its offset, and the chain over all before. May be read at any time. */
  get end(): Mark {
    return this.#marks.end
  }

  /** One group commit: durable when it resolves. At most `maxFrameBytes` framed. */
  async commit(entries: readonly Entry[]): Promise<void> {
    const frame = encodeFrame(this.end.offset, entries)
    await this.#file.append(frame)
    await this.#file.sync()
    this.#marks.add(entries, frame.length)
  }

  /** Some entries from number `from` on, which must be on the disk. */
  async entriesFrom(from: number): Promise<readonly Entry[]> {
    const stretch = this.#marks.around(from)
    return (await this.#entriesOf(stretch)).slice(from - stretch.from.sequence)
  }

  /** The chain before entry `sequence`, which must be on the disk. */
  async chainAt(sequence: number): Promise<Hash> {
    const stretch = this.#marks.around(sequence)
    const entries = await this.#entriesOf(stretch)
    return entries.slice(0, sequence - stretch.from.sequence).reduce(chainAfter, stretch.from.chain)
  }

  async #entriesOf({ from, to }: { readonly from: Mark; readonly to: Mark }): Promise<readonly Entry[]> {
    const bytes = await this.#file.readAt(from.offset, to.offset - from.offset)
    const entries: Entry[] = []
    for (let at = 0; at < bytes.length; ) {
      const payload = payloadAt(bytes, at, from.offset)
      if (payload === null) throw corrupt(from.offset + at, 'a frame that was good is not any more')
      entries.push(...entriesIn(payload))
      at += frameHeaderBytes + payload.length
    }
    return entries
  }

  /** Begins the log that will take this one's place. Beside it, this one goes on. */
  async rewrite(): Promise<Rewriting> {
    const staged = await this.#file.stage()
    await staged.append(fileHeader)
    const marks = new Marks()
    return {
      get next() {
        return marks.end.sequence
      },
      append: async (entries) => {
        for (const batch of batches(entries)) {
          const frame = encodeFrame(marks.end.offset, batch)
          await staged.append(frame)
          marks.add(batch, frame.length)
        }
      },
      commit: async () => {
        await staged.commit()
        this.#marks = marks
      },
      discard: () => staged.discard(),
    }
  }

  close(): Promise<void> {
    return this.#file.close()
  }
}

/** As many entries together as one frame takes. */
export function* batches(entries: readonly Entry[]): Generator<readonly Entry[]> {
  let start = 0
  let bytes = 0
  for (const [index, entry] of entries.entries()) {
    if (bytes + framedBytes(entry) > maxFrameBytes) {
      yield entries.slice(start, index)
      start = index
      bytes = 0
    }
    bytes += framedBytes(entry)
  }
  if (start < entries.length) yield entries.slice(start)
}
