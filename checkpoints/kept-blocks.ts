import { readdir, readFile, rm } from 'node:fs/promises'
import { join } from 'node:path'
import * as dagCbor from '@ipld/dag-cbor'
import { z } from 'zod'
import { contentId, matchesCid, parseCid } from '../protocol/content-id.ts'
import { contentLink } from '../protocol/content-link.ts'
import type { CidText, RunId } from '../protocol/ids.ts'
import type { Clock } from '../protocol/ports.ts'
import { isMissing, unreadable, writeDurably } from './durable-file.ts'

/** What a worker keeps blocks for: a run as a whole, one of its rounds, or the checkpoint of one. */
export type KeptFor =
  | { readonly run: RunId; readonly kind: 'run' }
  | { readonly run: RunId; readonly kind: 'round' | 'checkpoint'; readonly round: number }

const index = z.int().min(0)
const schema = z.strictObject({
  for: z.discriminatedUnion('kind', [
    z.strictObject({ run: contentLink<RunId>(), kind: z.literal('run') }),
    z.strictObject({ run: contentLink<RunId>(), kind: z.literal(['round', 'checkpoint']), round: index }),
  ]),
  /** When it was written. */
  atMs: z.int(),
  /** What is kept. Written before the blocks are. */
  blocks: z.array(contentLink()),
  /** Of a checkpoint, once all of its blocks are here. */
  manifest: contentLink().nullable(),
})
type Record = z.output<typeof schema>
type StoredRecord = Record & { readonly file: string }

interface Part {
  readonly for: KeptFor
  readonly records: StoredRecord[]
  readonly blocks: Set<CidText>
  /** When something of it was named last. */
  lastMs: number
}

export interface KeptBlocksDependencies {
  readonly clock: Clock
  /** Deletes a block that may not be here; one that is pinned stays. */
  delete(cid: CidText): Promise<void>
  /** Holds up the closing of the store. */
  tracked<T>(work: Promise<T>): Promise<T>
}

const extension = '.kept'
const keyOf = (of: KeptFor): string => `${of.run} ${of.kind === 'run' ? of.kind : `${of.kind} ${of.round}`}`

/**
 * What this node keeps blocks for, on disk, so that a process which starts again knows what it may let go of. A record is
 * there before the blocks that it names, and until after they are gone: whatever happens between, each is found again. A
 * block goes with the last part of a run that names it.
 */
export class KeptBlocks {
  readonly #folder: string
  readonly #dependencies: KeptBlocksDependencies
  readonly #parts = new Map<string, Part>()
  /** By how many parts a block is named. */
  readonly #named = new Map<CidText, number>()
  /** Why nothing may be deleted: what else there is to keep is not known. */
  readonly #unreadable: unknown
  /** What is to be named once the record that is being written is durable: all of a part in one. */
  readonly #waiting = new Map<string, { readonly blocks: Set<CidText>; readonly written: Promise<void> }>()
  #turn: Promise<unknown> = Promise.resolve()

  private constructor(
    folder: string,
    records: readonly StoredRecord[],
    unreadable: unknown,
    dependencies: KeptBlocksDependencies,
  ) {
    this.#folder = folder
    this.#dependencies = dependencies
    this.#unreadable = unreadable
    for (const record of records) this.#add(record)
  }

  /** Never rejects for a record that cannot be read: `drop` then does. */
  static async open(folder: string, dependencies: KeptBlocksDependencies): Promise<KeptBlocks> {
    const records: StoredRecord[] = []
    try {
      for await (const record of readRecords(folder)) records.push(record)
    } catch (error) {
      return new KeptBlocks(folder, records, error, dependencies)
    }
    const kept = new KeptBlocks(folder, records, null, dependencies)
    // On a disk that is full they stay as they are: what is dropped frees it.
    await kept.#merge().catch(() => {})
    return kept
  }

  /** Resolves once it is durable that these blocks are kept for that; then they may be put. */
  async name(part: KeptFor, blocks: Iterable<CidText>): Promise<void> {
    const key = keyOf(part)
    let next = this.#waiting.get(key)
    if (next === undefined) {
      const gathered = new Set<CidText>()
      const written = this.#inTurn(async () => {
        this.#waiting.delete(key)
        const known = this.#parts.get(key)?.blocks
        const unnamed = [...gathered].filter((cid) => !known?.has(cid))
        if (unnamed.length > 0) await this.#write({ for: part, blocks: unnamed, manifest: null })
      })
      next = { blocks: gathered, written }
      this.#waiting.set(key, next)
    }
    for (const cid of blocks) next.blocks.add(cid)
    await next.written
  }

  /** Lists a checkpoint all of whose blocks are named and here. */
  async nameCheckpoint(part: KeptFor, manifest: CidText): Promise<void> {
    await this.#inTurn(async () => {
      const known = this.#parts.get(keyOf(part))?.records
      if (known?.some((record) => record.manifest === manifest) !== true)
        await this.#write({ for: part, blocks: [], manifest })
    })
  }

  /** Rounds of the checkpoints of a run that are whole, newest first. */
  checkpointRounds(run: RunId): readonly number[] {
    const rounds = [...this.#parts.values()].flatMap(({ for: part, records }) =>
      part.run === run && part.kind === 'checkpoint' && records.some(({ manifest }) => manifest !== null)
        ? [part.round]
        : [],
    )
    return rounds.sort((a, b) => b - a)
  }

  /** Runs of which anything is kept, and when something of theirs was named last. */
  runs(): ReadonlyMap<RunId, number> {
    const runs = new Map<RunId, number>()
    for (const { for: part, lastMs } of this.#parts.values())
      runs.set(part.run, Math.max(runs.get(part.run) ?? 0, lastMs))
    return runs
  }

  /**
   * Lets go of what is over: deletes the blocks that nothing else names, then what named them.
   * @throws MurmurError RECORD_UNREADABLE where the records do not tell all that is kept; then nothing is deleted
   */
  async drop(isOver: (part: KeptFor) => boolean): Promise<void> {
    await this.#inTurn(async () => {
      if (this.#unreadable !== null) throw this.#unreadable
      for (const [key, part] of this.#parts) {
        if (!isOver(part.for)) continue
        await this.#drop(part)
        this.#parts.delete(key)
      }
    })
  }

  async #drop({ records, blocks }: Part): Promise<void> {
    // What is not whole any more is not listed either.
    for (const { file, manifest } of records) if (manifest !== null) await rm(file, { force: true })
    for (const cid of blocks) if (this.#named.get(cid) === 1) await this.#dependencies.delete(cid)
    for (const { file } of records) await rm(file, { force: true })
    for (const cid of blocks) {
      const others = this.#named.get(cid)! - 1
      if (others === 0) this.#named.delete(cid)
      else this.#named.set(cid, others)
    }
  }

  /** A run has a record for each of its manifests: of those that are here at the start it makes one. */
  async #merge(): Promise<void> {
    for (const { for: part, records, blocks, lastMs } of this.#parts.values()) {
      const count = records.length
      if (part.kind !== 'run' || count === 1) continue
      await this.#write({ for: part, blocks: [...blocks].sort(), manifest: null }, lastMs)
      // After a crash it may be one of them.
      const { file } = records[count]!
      for (const old of records.splice(0, count)) if (old.file !== file) await rm(old.file, { force: true })
    }
  }

  async #write(content: Omit<Record, 'atMs'>, atMs = this.#dependencies.clock.now()): Promise<void> {
    const record = { ...content, atMs }
    const bytes = dagCbor.encode(z.encode(schema, record))
    const file = join(this.#folder, `${contentId(bytes, 'dag-cbor')}${extension}`)
    await writeDurably(file, bytes)
    this.#add({ ...record, file })
  }

  #add(record: StoredRecord): void {
    const key = keyOf(record.for)
    const part = this.#parts.get(key) ?? { for: record.for, records: [], blocks: new Set(), lastMs: 0 }
    this.#parts.set(key, part)
    part.records.push(record)
    part.lastMs = Math.max(part.lastMs, record.atMs)
    for (const cid of record.blocks) {
      if (part.blocks.has(cid)) continue
      part.blocks.add(cid)
      this.#named.set(cid, (this.#named.get(cid) ?? 0) + 1)
    }
  }

  /** One after the other: what is named meanwhile is not deleted, and what is being deleted is put again. */
  #inTurn<T>(work: () => Promise<T>): Promise<T> {
    const turn = this.#turn.then(work)
    this.#turn = turn.catch(() => {})
    return this.#dependencies.tracked(turn)
  }
}

/**
 * The checkpoints that a node keeps for runs.
 * @throws MurmurError RECORD_UNREADABLE
 */
export async function keptCheckpoints(
  folder: string,
): Promise<readonly { readonly cid: CidText; readonly atMs: number }[]> {
  const found: { cid: CidText; atMs: number }[] = []
  for await (const { manifest, atMs } of readRecords(folder))
    if (manifest !== null) found.push({ cid: manifest, atMs })
  return found
}

/** Each is named by its content. */
async function* readRecords(folder: string): AsyncGenerator<StoredRecord> {
  let names: readonly string[]
  try {
    names = await readdir(folder)
  } catch (cause) {
    if (isMissing(cause)) return
    throw unreadable('RECORD_UNREADABLE', folder, cause)
  }
  for (const name of names) {
    if (!name.endsWith(extension)) continue
    const file = join(folder, name)
    try {
      const bytes = new Uint8Array(await readFile(file))
      if (!matchesCid(parseCid(name.slice(0, -extension.length)), bytes))
        throw new Error('other bytes than its name says')
      yield { ...z.decode(schema, dagCbor.decode(bytes)), file }
    } catch (cause) {
      // Deleted since it was listed.
      if (!isMissing(cause)) throw unreadable('RECORD_UNREADABLE', file, cause)
    }
  }
}
