import { join } from 'node:path'
import { setImmediate as nextTurn } from 'node:timers/promises'
import { withBitswap } from '@helia/bitswap'
import { unixfs } from '@helia/unixfs'
import * as dagCbor from '@ipld/dag-cbor'
import type { Libp2p } from '@libp2p/interface'
import type { Helia } from 'helia'
import * as Block from 'multiformats/block'
import { CID } from 'multiformats/cid'
import { floatBytes, floatsOf } from '../aggregation/float-bytes.ts'
import type { ReplicaState } from '../aggregation/replica-state.ts'
import { stateRoot } from '../aggregation/state-root.ts'
import { codecOf, contentId, parseCid } from '../protocol/content-id.ts'
import { MurmurError } from '../protocol/errors.ts'
import type { CidText } from '../protocol/ids.ts'
import type { BlockStore, Clock } from '../protocol/ports.ts'
import { removeUnfinished } from './durable-file.ts'
import { DurableBlockstore, DurableDatastore } from './durable-stores.ts'
import { type FetchBlock, fetchCheckpointBlocks } from './fetch.ts'
import { fileBlocks } from './file-blocks.ts'
import { KeptBlocks, type KeptFor, keptCheckpoints } from './kept-blocks.ts'
import { lightHelia } from './light-helia.ts'
import {
  type CheckpointManifest,
  decodeCheckpointManifest,
  encodeCheckpointManifest,
  vectorBytes,
} from './manifest.ts'
import {
  movingCountOf,
  type ParameterPlace,
  readParameterFile,
  writeParameterFile,
} from './parameter-file.ts'
import { type PinnedCheckpoint, pinCheckpoint, pinnedCheckpoints } from './pins.ts'
import { parameterFileOptions, splitAtFrozen } from './unixfs-file.ts'

/** What a checkpoint says beside its parameters. */
export type CheckpointLinks = Pick<
  CheckpointManifest,
  'run' | 'parent' | 'program' | 'data' | 'round' | 'epoch'
>

export interface WrittenCheckpoint {
  readonly manifestCid: CidText
  /** The UnixFS file: `ipfs cat` of it is the safetensors file. */
  readonly fileCid: CidText
  /** Length of that file. */
  readonly bytes: number
}

export interface Checkpoint {
  readonly cid: CidText
  readonly manifest: CheckpointManifest
  /** The safetensors file. */
  readonly file: Uint8Array
  /** The flat parameter vector, and what replicas carry beside it; the root has been checked against the manifest. */
  readonly state: ReplicaState
}

export interface StoreOptions {
  /** A running libp2p node: blocks are then also served and announced over bitswap. Offline without. */
  readonly libp2p?: Libp2p
  /** Says when a checkpoint was pinned, for the order of `list`. */
  readonly clock?: Clock
}

export interface Store {
  /** All blocks of this node. `get` answers from this disk only, and checks what it reads. */
  readonly blocks: BlockStore
  /**
   * What this node keeps for the runs that it works for, and may let go of. Only the process whose folder it is opens this,
   * and before it writes anything.
   */
  kept(): Promise<KeptBlocks>
  /**
   * Writes a checkpoint and pins it, or keeps it for `keptFor`. Two replicas with the same state and links write the same
   * CIDs.
   */
  writeCheckpoint(
    state: ReplicaState,
    table: readonly ParameterPlace[],
    links: CheckpointLinks,
    keptFor?: KeptFor,
  ): Promise<WrittenCheckpoint>
  /**
   * Reads a checkpoint that is here, whole and checked.
   * @throws MurmurError CHECKPOINT_NOT_FOUND | CHECKPOINT_MALFORMED | CHECKPOINT_MISMATCH | BLOCK_CORRUPTED
   */
  readCheckpoint(cid: CidText, signal?: AbortSignal): Promise<Checkpoint>
  /**
   * Brings a checkpoint here, checks it whole as `readCheckpoint` does, and pins it, or keeps it for `keptFor`. Goes on where
   * it was cut off.
   * @throws what `fetch` and `readCheckpoint` throw, and BLOCK_MISMATCH
   */
  fetchCheckpoint(
    cid: CidText,
    fetch: FetchBlock,
    signal: AbortSignal,
    keptFor?: KeptFor,
  ): Promise<Checkpoint>
  /** Keeps a checkpoint whose blocks are all here, for good. Pinning twice is harmless. */
  pin(cid: CidText, signal?: AbortSignal): Promise<void>
  /** The checkpoints that are pinned or kept, newest first. */
  list(): Promise<readonly PinnedCheckpoint[]>
  /** Waits for what is being written, and for what follows from that at once. */
  close(): Promise<void>
}

/** Opens the embedded IPFS node (Helia) of a state folder, creating it when missing. */
export async function openStore(folder: string, options: StoreOptions = {}): Promise<Store> {
  const keptFolder = join(folder, 'kept')
  const blockstore = new DurableBlockstore(join(folder, 'blocks'))
  const datastore = new DurableDatastore(join(folder, 'records'))
  await blockstore.open()
  await datastore.open()
  const helia = await startHelia(blockstore, datastore, options.libp2p)
  const clock = options.clock ?? Date
  const files = unixfs(helia)
  const writing = new Set<Promise<unknown>>()
  const tracked = async <T>(work: Promise<T>): Promise<T> => {
    writing.add(work)
    try {
      return await work
    } finally {
      writing.delete(work)
    }
  }

  const blocks: BlockStore = {
    get: (cid) => blockstore.read(CID.parse(cid)),
    has: (cid) => blockstore.has(CID.parse(cid)),
    put: async (cid, bytes) => {
      await tracked(Promise.resolve(helia.blockstore.put(CID.parse(cid), bytes)))
    },
    delete: async (cid) => {
      await helia.blockstore.delete(CID.parse(cid))
    },
  }

  let opened: Promise<KeptBlocks> | null = null
  const openKept = async (): Promise<KeptBlocks> => {
    for (const name of ['blocks', 'records', 'kept']) await removeUnfinished(join(folder, name))
    const unlessPinned = async (cid: CidText) => {
      try {
        await blocks.delete(cid)
      } catch (error) {
        if (!(error instanceof Error && error.name === 'BlockPinnedError')) throw error
      }
    }
    return await KeptBlocks.open(keptFolder, { clock, tracked, delete: unlessPinned })
  }
  const kept: Store['kept'] = () => {
    opened ??= openKept()
    return opened
  }

  /** The blocks as seen by what is done for `part`: all that is asked for or put is kept for it. */
  const blocksFor = async (part: KeptFor | undefined): Promise<BlockStore> => {
    if (part === undefined) return blocks
    const names = await kept()
    return {
      ...blocks,
      get: async (cid) => {
        await names.name(part, [cid])
        return await blocks.get(cid)
      },
      put: async (cid, bytes) => {
        await names.name(part, [cid])
        await blocks.put(cid, bytes)
      },
    }
  }

  const readManifest = async (cid: CidText): Promise<CheckpointManifest> => {
    const bytes = await blocks.get(cid)
    if (bytes === undefined) throw notFound(cid)
    return decodeCheckpointManifest(bytes)
  }

  const pin = async (cid: CidText, manifest: CheckpointManifest, signal?: AbortSignal): Promise<void> =>
    tracked(pinCheckpoint(helia.pins, cid, manifest, { nowMs: clock.now(), leavesOf }, signal))

  const retain = async (
    cid: CidText,
    manifest: CheckpointManifest,
    keptFor?: KeptFor,
    signal?: AbortSignal,
  ): Promise<void> =>
    keptFor === undefined
      ? await pin(cid, manifest, signal)
      : await (await kept()).nameCheckpoint(keptFor, cid)

  /** A file of a checkpoint that is here, of exactly this length. */
  const readFile = async (
    checkpoint: CidText,
    file: CidText,
    bytes: number,
    signal?: AbortSignal,
  ): Promise<Uint8Array> => {
    const content = new Uint8Array(bytes)
    let length = 0
    try {
      for await (const part of files.cat(CID.parse(file), { offline: true, signal })) {
        if (length + part.length > bytes) throw mismatch(checkpoint, 'a file is longer than it says')
        content.set(part, length)
        length += part.length
      }
    } catch (error) {
      if (error instanceof MurmurError || signal?.aborted) throw error
      throw notFound(checkpoint, error)
    }
    if (length !== bytes) throw mismatch(checkpoint, 'a file is shorter than it says')
    return content
  }

  const readCheckpoint: Store['readCheckpoint'] = async (cid, signal) => {
    const manifest = await readManifest(cid)
    const file = await readFile(cid, manifest.tensors, manifest.tensorBytes, signal)
    const vectors: Float32Array[] = []
    for (const vector of manifest.vectors)
      vectors.push(floatsOf(await readFile(cid, vector, vectorBytes(manifest), signal)))
    const state = { theta: readParameterFile(file, manifest.table), vectors }
    if (stateRoot(state) !== manifest.stateRoot) throw mismatch(cid, 'its parameters have another state root')
    return { cid, manifest, file, state }
  }

  const linksOf = async (cid: CidText, bytes: Uint8Array): Promise<readonly CidText[]> => {
    const codec = await helia.getCodec(CID.parse(cid).code)
    const block = Block.createUnsafe({ bytes, cid: CID.parse(cid), codec })
    return Array.from(block.links(), ([, link]) => parseCid(link.toString()))
  }

  const leavesOf = async (cid: CidText): Promise<readonly CidText[]> => {
    if (codecOf(cid) !== 'dag-pb') return [cid]
    const bytes = await blocks.get(cid)
    if (bytes === undefined) throw notFound(cid)
    return (await Promise.all((await linksOf(cid, bytes)).map(leavesOf))).flat()
  }

  const writeCheckpoint: Store['writeCheckpoint'] = async (state, table, links, keptFor) => {
    const target = await blocksFor(keptFor)
    const { length } = state.theta
    const frozenBytes = 4 * (length - movingCountOf(table, length))
    const add = (content: Uint8Array) =>
      fileBlocks(splitAtFrozen(content, frozenBytes), target.put, parameterFileOptions)
    const file = writeParameterFile(state.theta, table)
    const fileCid = await add(file)
    const vectors: CidText[] = []
    for (const vector of state.vectors) vectors.push(await add(floatBytes(vector)))
    const manifest: CheckpointManifest = {
      version: frozenBytes > 0 ? 3 : 2,
      ...links,
      stateRoot: stateRoot(state),
      vectors,
      tensors: fileCid,
      tensorBytes: file.length,
      table: table.map(({ name, shape, offset }) => ({ name, shape: [...shape], offset })),
    }
    const manifestBytes = encodeCheckpointManifest(manifest)
    const manifestCid = contentId(manifestBytes, 'dag-cbor')
    await target.put(manifestCid, manifestBytes)
    await retain(manifestCid, manifest, keptFor)
    return { manifestCid, fileCid, bytes: file.length }
  }

  return {
    blocks,
    kept,
    writeCheckpoint: (...of) => tracked(writeCheckpoint(...of)),
    readCheckpoint,
    fetchCheckpoint: async (cid, fetch, signal, keptFor) => {
      const target = await blocksFor(keptFor)
      const manifest = await fetchCheckpointBlocks(cid, { blocks: target, linksOf, fetch, signal })
      const checkpoint = await readCheckpoint(cid, signal)
      await retain(cid, manifest, keptFor, signal)
      return checkpoint
    },
    pin: async (cid, signal) => pin(cid, await readManifest(cid), signal),
    list: async () => pinnedCheckpoints(helia.pins, readManifest, await keptCheckpoints(keptFolder)),
    close: async () => {
      while (writing.size > 0) {
        await Promise.allSettled(writing)
        await nextTurn()
      }
      await helia.stop()
      await blockstore.close()
      await datastore.close()
    },
  }
}

/** Without `start: false` and with no routers, Helia talks to nobody; an attached libp2p brings bitswap only. */
async function startHelia(
  blockstore: DurableBlockstore,
  datastore: DurableDatastore,
  libp2p: Libp2p | undefined,
): Promise<Helia> {
  const helia = await lightHelia({ blockstore, datastore, codecs: [dagCbor] })
  if (libp2p === undefined) return helia.start()
  return withBitswap(Object.assign(helia, { libp2p })).start()
}

function notFound(cid: CidText, cause?: unknown): MurmurError {
  return new MurmurError('CHECKPOINT_NOT_FOUND', {
    message: `the checkpoint ${cid} is not here, or not all of it`,
    next: '`murmur checkpoint list` shows those that are; a running worker fetches a run’s newest by itself',
    cause,
  })
}

function mismatch(cid: CidText, reason: string): MurmurError {
  return new MurmurError('CHECKPOINT_MISMATCH', {
    message: `the checkpoint ${cid} does not hold what it says: ${reason}`,
    next: 'use another checkpoint of the run; whoever wrote this one runs other software or is hostile',
    exit: 'verification',
  })
}
