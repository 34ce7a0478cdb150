import type { Pins } from 'helia'
import { CID } from 'multiformats/cid'
import { parseCid } from '../protocol/content-id.ts'
import { isMurmurError } from '../protocol/errors.ts'
import type { CidText } from '../protocol/ids.ts'
import type { CheckpointManifest } from './manifest.ts'

export interface PinnedCheckpoint {
  readonly cid: CidText
  readonly manifest: CheckpointManifest
  readonly pinnedAtMs: number
}

/** Marks a manifest's pin among the others. */
const kind = 'checkpoint'

/** The leaves of a file that is here; only its nodes are read. */
type LeavesOf = (file: CidText) => Promise<readonly CidText[]>

/**
 * Pins the files with all their blocks, then the manifest alone: its other links (parent, run, data) have lives
 * of their own. The manifest comes last, so a checkpoint that is listed is whole.
 */
export async function pinCheckpoint(
  pins: Pins,
  cid: CidText,
  manifest: CheckpointManifest,
  { nowMs, leavesOf }: { readonly nowMs: number; readonly leavesOf: LeavesOf },
  signal?: AbortSignal,
): Promise<void> {
  for (const file of [manifest.tensors, ...manifest.vectors]) await pinFile(pins, file, leavesOf, signal)
  await pinOnce(pins, CID.parse(cid), { signal, depth: 0, metadata: { kind, pinnedAtMs: nowMs } })
}

/**
 * The checkpoints that are pinned, and those `kept` for a run, newest first; of those pinned in the same millisecond, the
 * later round first.
 */
export async function pinnedCheckpoints(
  pins: Pins,
  readManifest: (cid: CidText) => Promise<CheckpointManifest>,
  kept: readonly { readonly cid: CidText; readonly atMs: number }[],
): Promise<readonly PinnedCheckpoint[]> {
  const pinned = new Map<CidText, number>()
  for await (const pin of pins.ls())
    if (pin.metadata.kind === kind) pinned.set(parseCid(pin.cid.toString()), Number(pin.metadata.pinnedAtMs))
  const times = new Map([...kept.map(({ cid, atMs }) => [cid, atMs] as const), ...pinned])
  const found: PinnedCheckpoint[] = []
  for (const [cid, pinnedAtMs] of times) {
    try {
      found.push({ cid, manifest: await readManifest(cid), pinnedAtMs })
    } catch (error) {
      const isOfOtherVersion = isMurmurError(error, 'CHECKPOINT_MALFORMED')
      // Since its record was read, by the worker whose folder this is.
      const wasLetGo = isMurmurError(error, 'CHECKPOINT_NOT_FOUND') && !pinned.has(cid)
      if (!isOfOtherVersion && !wasLetGo) throw error
    }
  }
  return found.sort((a, b) => b.pinnedAtMs - a.pinnedAtMs || b.manifest.round - a.manifest.round)
}

/**
 * Pins a file. Leaves that another file has pinned already, as of what is frozen, are pinned on their own instead, once: Helia keeps
 * with each block the list of the pins that hold it, which would grow, and be written anew, with every checkpoint. To
 * unpin a file, its walk has to leave out the same leaves.
 */
async function pinFile(pins: Pins, file: CidText, leavesOf: LeavesOf, signal?: AbortSignal): Promise<void> {
  if (await hasOwnPin(pins, CID.parse(file), signal)) return
  const shared = new Set<string>()
  for (const leaf of await leavesOf(file)) {
    if (leaf === file) continue
    if (!(await pins.isPinned(CID.parse(leaf), { signal }))) continue
    await pinOnce(pins, CID.parse(leaf), { signal, depth: 0 })
    shared.add(leaf)
  }
  await pinOnce(pins, CID.parse(file), { signal, includeChild: (child) => !shared.has(child.toString()) })
}

/** Whether a whole DAG is pinned by its root. `isPinned` tells of single blocks, and so of a pin that was cut off, too. */
async function hasOwnPin(pins: Pins, root: CID, signal?: AbortSignal): Promise<boolean> {
  try {
    await pins.get(root, { signal })
    return true
  } catch (error) {
    if (error instanceof Error && error.name === 'NotFoundError') return false
    throw error
  }
}

interface PinOptions extends NonNullable<Parameters<Pins['add']>[1]> {
  /** Of Helia's walk: whether it goes on to a block. */
  includeChild?(child: CID): boolean
}

async function pinOnce(pins: Pins, cid: CID, options: PinOptions): Promise<void> {
  // Helia's walk hands its options on to the blockstore: a block that is missing is an error, never a wait for peers.
  const offline = { ...options, offline: true }
  try {
    for await (const _block of pins.add(cid, offline)) {
      // Each pinned block passes by; nothing is to be done with it.
    }
  } catch (error) {
    if (!(error instanceof Error && error.name === 'AlreadyPinnedError')) throw error
  }
}
