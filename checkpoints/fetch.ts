import { codecOf, matchesCid } from '../protocol/content-id.ts'
import { MurmurError } from '../protocol/errors.ts'
import type { CidText } from '../protocol/ids.ts'
import { maxMetadataBlockBytes } from '../protocol/limits.ts'
import type { BlockStore } from '../protocol/ports.ts'
import { type CheckpointManifest, decodeCheckpointManifest, vectorBytes } from './manifest.ts'
import { leafBytes } from './unixfs-file.ts'

/** Gets one block from elsewhere; refuses longer ones than `maxBytes`. */
export type FetchBlock = (cid: CidText, maxBytes: number, signal: AbortSignal) => Promise<Uint8Array>

export interface FetchCheckpointOptions {
  readonly blocks: BlockStore
  /** The links of a dag-pb node. */
  readonly linksOf: (cid: CidText, bytes: Uint8Array) => Promise<readonly CidText[]>
  readonly fetch: FetchBlock
  readonly signal: AbortSignal
}

/** Of a parameter file's DAG (checkpoints/unixfs-file.ts); a node of so many is shorter than a leaf. */
const linksOfNode = 1024
/** Blocks asked for at once. */
const parallel = 8

/**
 * Brings all blocks of a checkpoint here: its manifest, then its files' DAGs level by level. What is already here isn't
 * fetched again, so an interrupted fetch goes on where it was. Every block is checked against its CID; a DAG with more
 * blocks than the manifest's file length accounts for is refused.
 * @throws MurmurError BLOCK_MISMATCH | CHECKPOINT_MALFORMED, or what `fetch` throws.
 */
export async function fetchCheckpointBlocks(
  cid: CidText,
  options: FetchCheckpointOptions,
): Promise<CheckpointManifest> {
  const manifest = decodeCheckpointManifest(await obtain(cid, maxMetadataBlockBytes, options))
  const parts = manifest.version === 3 ? 2 : 1
  await obtainFile(manifest.tensors, blocksOfFile(manifest.tensorBytes, parts), options)
  const vectorBlocks = blocksOfFile(vectorBytes(manifest), parts)
  for (const vector of manifest.vectors) await obtainFile(vector, vectorBlocks, options)
  return manifest
}

async function obtainFile(root: CidText, blocks: number, options: FetchCheckpointOptions): Promise<void> {
  let budget = blocks
  let level: CidText[] = [root]
  while (level.length > 0) {
    budget -= level.length
    if (budget < 0) throw mismatch(root, 'it has more blocks than a file of its length')
    const next: CidText[] = []
    for (let start = 0; start < level.length; start += parallel) {
      const group = level.slice(start, start + parallel)
      for (const links of await Promise.all(group.map((block) => obtainNode(block, options))))
        next.push(...links)
    }
    level = next
  }
}

/** Most blocks of a file's DAG, levels of nodes above the leaves included; each of its parts begins a leaf. */
function blocksOfFile(bytes: number, parts: number): number {
  let level = Math.max(1, Math.ceil(bytes / leafBytes)) + parts - 1
  let blocks = level
  while (level > 1) {
    level = Math.ceil(level / linksOfNode)
    blocks += level
  }
  return blocks
}

async function obtainNode(cid: CidText, options: FetchCheckpointOptions): Promise<readonly CidText[]> {
  const bytes = await obtain(cid, leafBytes, options)
  if (codecOf(cid) !== 'dag-pb') return []
  try {
    return await options.linksOf(cid, bytes)
  } catch (cause) {
    throw mismatch(cid, 'it is not a node of a file', cause)
  }
}

async function obtain(cid: CidText, maxBytes: number, options: FetchCheckpointOptions): Promise<Uint8Array> {
  const here = await options.blocks.get(cid)
  if (here !== undefined) return here
  options.signal.throwIfAborted()
  const bytes = await options.fetch(cid, maxBytes, options.signal)
  if (bytes.length > maxBytes || !matchesCid(cid, bytes))
    throw mismatch(cid, 'other bytes came than it names')
  await options.blocks.put(cid, bytes)
  return bytes
}

function mismatch(cid: CidText, reason: string, cause?: unknown): MurmurError {
  return new MurmurError('BLOCK_MISMATCH', {
    message: `the block ${cid} is refused: ${reason}`,
    next: 'fetch from another peer; this one runs other software or is hostile',
    exit: 'verification',
    cause,
  })
}
