import type { Hash, WorkerId } from '../protocol/ids.ts'
import type { BlockStore } from '../protocol/ports.ts'
import type { RoundManifest } from '../protocol/wire.ts'
import {
  blockOf,
  emptyLocalState,
  type LocalShape,
  type LocalState,
  localStateDigest,
  packLocalState,
  unpackLocalState,
} from '../verification/local-state.ts'

/** A local state with the digest that a trace which starts from it begins with. */
export interface Held {
  readonly local: LocalState
  readonly digest: Hash
  /** The round whose admission made it this worker's; −1 for the empty one. */
  readonly round: number
}

/** What every newcomer starts from; its block is stored, since an auditor may ask for it. */
export async function emptyHeld(blocks: Pick<BlockStore, 'put'>, shape: LocalShape): Promise<Held> {
  const local = emptyLocalState(shape)
  const block = packLocalState(local)
  const digest = localStateDigest(block)
  await blocks.put(blockOf(digest), block)
  return { local, digest, round: -1 }
}

export interface HeldAfterOptions {
  readonly self: WorkerId
  /** Oldest first. */
  readonly manifests: readonly RoundManifest[]
  /** What is in memory. */
  readonly candidates: readonly Held[]
  readonly blocks: Pick<BlockStore, 'get'>
  readonly shape: LocalShape
}

/**
 * The local state that a history leaves this worker with: the one at the end of its newest admitted trace, from memory or,
 * after a restart, from this node's own blocks. `unknown` when the manifests don't tell; null when its bytes are gone.
 */
export async function heldAfter(options: HeldAfterOptions): Promise<Held | null | 'unknown'> {
  const { self, manifests, candidates, blocks, shape } = options
  for (const { round, entries } of [...manifests].reverse()) {
    const entry = entries.find(({ worker }) => worker === self)
    if (entry === undefined) continue
    const digest = entry.trace.at(-1)!
    const held = candidates.find((candidate) => candidate.digest === digest)
    if (held !== undefined) return { ...held, round }
    const block = await blocks.get(blockOf(digest))
    if (block === undefined) return null
    return { local: unpackLocalState(block, shape), digest, round }
  }
  return 'unknown'
}
