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
import { DurableBlockstore, DurableDatastore } from './durable-stores.ts'
import { type FetchBlock, fetchCheckpointBlocks } from './fetch.ts'
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
  /** Writes and pins a checkpoint. Two replicas with the same state and links write the same CIDs. */
  writeCheckpoint(
    state: ReplicaState,
    table: readonly ParameterPlace[],
    links: CheckpointLinks,
  ): Promise<WrittenCheckpoint>
  /**
   * Reads a checkpoint that is here, whole and checked.
   * @throws MurmurError CHECKPOINT_NOT_FOUND | CHECKPOINT_MALFORMED | CHECKPOINT_MISMATCH | BLOCK_CORRUPTED
   */
  readCheckpoint(cid: CidText, signal?: AbortSignal): Promise<Checkpoint>
  /**
   * Brings a checkpoint here, checks it whole as `readCheckpoint` does, and pins it. Goes on where it was cut off.
   * @throws what `fetch` and `readCheckpoint` throw, and BLOCK_MISMATCH
   */
  fetchCheckpoint(cid: CidText, fetch: FetchBlock, signal: AbortSignal): Promise<Checkpoint>
  /** Keeps a checkpoint whose blocks are all here. Pinning twice is harmless. */
  pin(cid: CidText, signal?: AbortSignal): Promise<void>
  /** The pinned checkpoints, newest first. */
  list(): Promise<readonly PinnedCheckpoint[]>
  /** Waits for what is being written, and for what follows from that at once. */
  close(): Promise<void>
}

/** Opens the embedded IPFS node (Helia) of a state folder, creating it when missing. */
export async function openStore(folder: string, options: StoreOptions = {}): Promise<Store> {
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

  const readManifest = async (cid: CidText): Promise<CheckpointManifest> => {
    const bytes = await blocks.get(cid)
    if (bytes === undefined) throw notFound(cid)
    return decodeCheckpointManifest(bytes)
  }

  const pin = async (cid: CidText, manifest: CheckpointManifest, signal?: AbortSignal): Promise<void> =>
    tracked(pinCheckpoint(helia.pins, cid, manifest, { nowMs: clock.now(), leavesOf }, signal))

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

  return {
    blocks,
    writeCheckpoint: async (state, table, links) => {
      const { length } = state.theta
      const frozenBytes = 4 * (length - movingCountOf(table, length))
      const add = async (content: Uint8Array) => {
        const parts = splitAtFrozen(content, frozenBytes)
        const added = await tracked(files.addByteStream(parts, parameterFileOptions))
        return added.toString() as CidText
      }
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
      await blocks.put(manifestCid, manifestBytes)
      await pin(manifestCid, manifest)
      return { manifestCid, fileCid, bytes: file.length }
    },
    readCheckpoint,
    fetchCheckpoint: async (cid, fetch, signal) => {
      const manifest = await fetchCheckpointBlocks(cid, { blocks, linksOf, fetch, signal })
      const checkpoint = await readCheckpoint(cid, signal)
      await pin(cid, manifest, signal)
      return checkpoint
    },
    pin: async (cid, signal) => pin(cid, await readManifest(cid), signal),
    list: () => pinnedCheckpoints(helia.pins, readManifest),
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
