import { applyRound } from '../aggregation/apply-round.ts'
import { type Averaging, initialState, replicaVectors, trainingBase } from '../aggregation/averaging.ts'
import type { ReplicaState } from '../aggregation/replica-state.ts'
import { stateRoot } from '../aggregation/state-root.ts'
import { isMurmurError, MurmurError } from '../protocol/errors.ts'
import type { CidText, Hash, RunId, WorkerId } from '../protocol/ids.ts'
import { maxAnnouncementBytes } from '../protocol/limits.ts'
import { openManifest } from '../protocol/manifest.ts'
import type { RoundManifest } from '../protocol/wire.ts'
import { roundUpdates } from './round-updates.ts'

/** What the history of a run is checked against. */
export interface History {
  readonly run: RunId
  /** In the order of their terms. */
  readonly heads: readonly WorkerId[]
  readonly parameterCount: number
  readonly averaging: Averaging
  initialWeights(): Promise<Float32Array>
}

export interface RebuildDependencies {
  /** A block from this node's store, or from a peer; verified against its CID. `round`: what it is a part of, if of one. */
  fetch(cid: CidText, maxBytes: number, round?: number): Promise<Uint8Array>
  /** Stores a round's average that was made again, since nobody has it any more. */
  keep(cid: CidText, block: Uint8Array, round: number): Promise<unknown>
  /** The checkpoint of a round. */
  readCheckpoint(cid: CidText, round: number): Promise<ReplicaState>
  verify(signer: WorkerId, bytes: Uint8Array, signature: Uint8Array): Promise<boolean>
}

export interface Rebuilt {
  readonly state: ReplicaState
  readonly stateRoot: Hash
  /** The round that starts from θ. */
  readonly round: number
  readonly newest: CidText | null
  /** The term of the newest manifest; 0 when there is none. */
  readonly term: number
  /** The newest checkpoint on the way: the parent of the next. */
  readonly checkpoint: CidText | null
  /** The manifests that were read on the way, oldest first. */
  readonly manifests: readonly { readonly manifest: RoundManifest; readonly cid: CidText }[]
  /** What each round on the way trained from. */
  readonly starts: ReadonlyMap<number, Float32Array>
}

/**
 * Rebuilds a replica as of the manifest `newest`: back along the chain to the newest checkpoint that is not after round
 * `fromRound` (or the beginning), then forward over the contributions since, or their averages, checking every signature, link
 * and root on the way. Trusts nobody: what a peer serves either has the CID that a head signed, or is refused.
 * @throws MurmurError HISTORY_BROKEN, MANIFEST_FORGED, what roundUpdates throws, and what fetching throws.
 */
export async function rebuild(
  newest: CidText | null,
  history: History,
  { fetch, keep, readCheckpoint, verify }: RebuildDependencies,
  fromRound = Number.POSITIVE_INFINITY,
): Promise<Rebuilt> {
  const dependencies = { fetch, keep, readCheckpoint, verify }
  const chain: { readonly manifest: RoundManifest; readonly cid: CidText }[] = []
  for (let cid = newest; cid !== null; ) {
    const manifest = await openManifest(await fetch(cid, maxAnnouncementBytes), history.heads, verify)
    const after = chain[0]?.manifest
    if (
      manifest.run !== history.run ||
      (after !== undefined && (manifest.round !== after.round - 1 || manifest.term > after.term))
    ) {
      throw broken(`the manifest of round ${manifest.round} does not lead to the one after it`)
    }
    chain.unshift({ manifest, cid })
    const enough = manifest.checkpoint !== null && manifest.round < fromRound
    cid = enough ? null : manifest.parent
  }

  const oldest = chain[0]?.manifest
  const base = oldest?.checkpoint != null && oldest.round < fromRound ? oldest : undefined
  let state: ReplicaState
  if (base === undefined) {
    if (oldest !== undefined && oldest.round !== 0) throw broken('it does not begin with round 0')
    state = initialState(await history.initialWeights(), history.averaging)
  } else {
    try {
      state = await readCheckpoint(base.checkpoint!, base.round)
    } catch (error) {
      // Nobody may have kept it: the one before, and more contributions, lead to the same weights.
      if (!isMurmurError(error, 'BLOCK_UNAVAILABLE')) throw error
      return await rebuild(newest, history, dependencies, base.round)
    }
    const fits = state.vectors.length === replicaVectors(history.averaging)
    if (!fits || state.theta.length !== history.parameterCount)
      throw broken('the checkpoint is of another program')
    if (stateRoot(state) !== base.stateRoot)
      throw broken('the checkpoint does not have the root the head signed')
  }
  const starts = new Map<number, Float32Array>([
    [base === undefined ? 0 : base.round + 1, trainingBase(state, history.averaging)],
  ])
  let root = stateRoot(state)
  for (const { manifest } of base === undefined ? chain : chain.slice(1)) {
    if (root !== manifest.baseRoot) throw broken(`round ${manifest.round} starts from another root`)
    const { averaging, parameterCount } = history
    const updates = await roundUpdates(manifest, {
      ...{ averaging, parameterCount },
      fetch: ({ cid, maxBytes }) => fetch(cid, maxBytes, manifest.round),
      keep: (cid, block) => keep(cid, block, manifest.round),
    })
    const next = applyRound(state, updates, averaging, manifest.round)
    if (next.stateRoot !== manifest.stateRoot)
      throw broken(`round ${manifest.round} leads to another root here`)
    state = next.state
    root = next.stateRoot
    starts.set(manifest.round + 1, trainingBase(state, averaging))
  }
  const last = chain.at(-1)?.manifest
  return {
    state,
    stateRoot: root,
    round: last === undefined ? 0 : last.round + 1,
    newest,
    term: last?.term ?? 0,
    checkpoint: chain.findLast(({ manifest }) => manifest.checkpoint !== null)?.manifest.checkpoint ?? null,
    manifests: chain,
    starts,
  }
}

function broken(why: string): MurmurError {
  return new MurmurError('HISTORY_BROKEN', {
    message: `the history of the run does not check out: ${why}`,
    next: 'the head or this replica is faulty; join again, and report it if it stays so',
    exit: 'verification',
  })
}
