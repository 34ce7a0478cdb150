import { access, readdir, readFile, rename } from 'node:fs/promises'
import { join } from 'node:path'
import { FsBlockstore } from 'blockstore-fs'
import { NextToLast } from 'blockstore-fs/sharding'
import { FsDatastore } from 'datastore-fs'
import type { CID } from 'multiformats/cid'
import { matchesCid, parseCid } from '../protocol/content-id.ts'
import { MurmurError } from '../protocol/errors.ts'
import { isMissing, unreadable, writeDurably } from './durable-file.ts'

type Key = Parameters<FsDatastore['put']>[0]
type Query = Parameters<FsDatastore['_all']>[0]
type Options = Parameters<FsDatastore['get']>[1]
type Pair = { readonly key: Key; readonly value: Uint8Array }

const sharding = new NextToLast()

/**
 * Helia's blocks on disk, with two things that `blockstore-fs` lacks: a write is durable when it resolves (it renames,
 * but does not fsync, and two writers of one block share a temporary file), and a read checks the bytes against
 * their CID, so that a damaged disk never reaches a peer or a model.
 */
export class DurableBlockstore extends FsBlockstore {
  readonly #writing = new Set<Promise<unknown>>()

  constructor(folder: string) {
    super(folder, { shardingStrategy: sharding })
  }

  override async put(cid: CID, value: Parameters<FsBlockstore['put']>[1]): Promise<CID> {
    const bytes = value instanceof Uint8Array ? value : await collect(value)
    const work = writeDurably(this.#fileOf(cid), bytes)
    this.#writing.add(work)
    try {
      await work
    } finally {
      this.#writing.delete(work)
    }
    return cid
  }

  /** Whoever puts blocks, bitswap too: when this resolves, none of those that were begun is still being written. */
  override async close(): Promise<void> {
    while (this.#writing.size > 0) await Promise.allSettled(this.#writing)
    await super.close()
  }

  override async *get(cid: CID): AsyncGenerator<Uint8Array> {
    const bytes = await this.read(cid)
    if (bytes === undefined) throw notFound(`block ${cid}`)
    yield bytes
  }

  /**
   * A block's bytes, or undefined when it isn't here.
   * @throws MurmurError BLOCK_CORRUPTED; the file has then been put aside, so that the block can be fetched anew.
   */
  async read(cid: CID): Promise<Uint8Array | undefined> {
    const file = this.#fileOf(cid)
    let bytes: Uint8Array
    try {
      bytes = new Uint8Array(await readFile(file))
    } catch (cause) {
      if (isMissing(cause)) return undefined
      throw unreadable('BLOCK_UNREADABLE', file, cause)
    }
    if (matchesCid(parseCid(cid.toString()), bytes)) return bytes
    await rename(file, `${file}.corrupt`)
    throw new MurmurError('BLOCK_CORRUPTED', {
      message: `the block ${cid} on disk does not match its id`,
      next: `check this disk; the damaged file is now ${file}.corrupt, and the block can be fetched again`,
      exit: 'verification',
    })
  }

  #fileOf(cid: CID): string {
    const { dir, file } = sharding.encode(cid)
    return join(this.path, dir, file)
  }
}

/**
 * Helia's records on disk (pins), durable when a write resolves. Only a record whose file is not there is not there:
 * `datastore-fs` says so of every fault of the disk, and a block whose pin cannot be read would be deleted as one that
 * nobody pinned.
 */
export class DurableDatastore extends FsDatastore {
  override async put(key: Key, value: Uint8Array): Promise<Key> {
    await writeDurably(this._encode(key).file, value)
    return key
  }

  /** @throws MurmurError RECORD_UNREADABLE; NotFoundError */
  override async get(key: Key, options?: Options): Promise<Uint8Array> {
    const bytes = await this.#read(key, options)
    if (bytes === undefined) throw notFound(`record ${key}`)
    return bytes
  }

  /** @throws MurmurError RECORD_UNREADABLE when the disk does not tell. */
  override async has(key: Key, options?: Options): Promise<boolean> {
    options?.signal?.throwIfAborted()
    const { file } = this._encode(key)
    try {
      await access(file)
      return true
    } catch (cause) {
      if (isMissing(cause)) return false
      throw unreadable('RECORD_UNREADABLE', file, cause)
    }
  }

  /** @throws MurmurError RECORD_UNREADABLE for one of them: what is left would look like all. */
  override async *_all({ prefix = '' }: Query, options?: Options): AsyncGenerator<Pair> {
    for (const name of await this.#names()) {
      if (!name.endsWith(recordExtension)) continue
      const key = this._decode(join(this.path, name))
      if (!key.toString().startsWith(prefix)) continue
      const value = await this.#read(key, options)
      // Deleted since it was listed.
      if (value !== undefined) yield { key, value }
    }
  }

  async #read(key: Key, options: Options): Promise<Uint8Array | undefined> {
    const signal = options?.signal
    signal?.throwIfAborted()
    const { file } = this._encode(key)
    try {
      return await readFile(file, { signal })
    } catch (cause) {
      signal?.throwIfAborted()
      if (isMissing(cause)) return undefined
      throw unreadable('RECORD_UNREADABLE', file, cause)
    }
  }

  async #names(): Promise<readonly string[]> {
    try {
      return await readdir(this.path, { recursive: true })
    } catch (cause) {
      throw unreadable('RECORD_UNREADABLE', this.path, cause)
    }
  }
}

/** As `datastore-fs` names its files. */
const recordExtension = '.data'

async function collect(source: Iterable<Uint8Array> | AsyncIterable<Uint8Array>): Promise<Uint8Array> {
  const parts: Uint8Array[] = []
  for await (const part of source) parts.push(part)
  return Buffer.concat(parts)
}

/** The name is the one that Helia looks for. */
function notFound(what: string): Error {
  return Object.assign(new Error(`no ${what} here`), { name: 'NotFoundError' })
}
