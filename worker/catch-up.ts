import { applyRound, decodeContributions } from '../aggregation/apply-round.ts'
import { stateRoot } from '../aggregation/state-root.ts'
import { MurmurError } from '../protocol/errors.ts'
import type { CidText, Hash } from '../protocol/ids.ts'
import { maxGossipBytes } from '../protocol/limits.ts'
import { openManifest } from '../protocol/manifest.ts'
import type { RoundManifest } from '../protocol/wire.ts'
import type { WorkerRunDependencies, WorkerRunOptions } from './worker-run.ts'

export interface Rebuilt {
  readonly theta: Float32Array
  readonly stateRoot: Hash
  /** The round that starts from θ. */
  readonly round: number
  readonly newest: CidText | null
  /** The newest checkpoint on the way: the parent of the next. */
  readonly checkpoint: CidText | null
  /** The manifests that were read on the way, oldest first. */
  readonly manifests: readonly RoundManifest[]
}

const fetchTimeoutMs = 60_000

/**
 * Rebuilds θ as of the manifest `newest`: back along the chain to the newest checkpoint (or the beginning), then
 * forward over the contributions since, checking every signature, link and root on the way. Trusts nobody: what a
 * peer serves either has the CID that the head signed, or is refused.
 */
export async function rebuild(
  newest: CidText | null,
  {
    options,
    dependencies,
    signal,
  }: { options: WorkerRunOptions; dependencies: WorkerRunDependencies; signal: AbortSignal },
): Promise<Rebuilt> {
  const { context, head } = options
  const { blocks, network, peers } = dependencies
  const fetch = async (cid: CidText, maxBytes: number): Promise<Uint8Array> => {
    const own = await blocks.get(cid)
    if (own !== undefined) return own
    const timed = AbortSignal.any([signal, AbortSignal.timeout(fetchTimeoutMs)])
    const bytes = await network.fetchBlock(peers(), cid, { signal: timed, maxBytes })
    await blocks.put(cid, bytes)
    return bytes
  }

  const read: RoundManifest[] = []
  const chain: RoundManifest[] = []
  for (let cid = newest; cid !== null; ) {
    const manifest = await openManifest(await fetch(cid, maxGossipBytes), head, (...of) =>
      network.verify(...of),
    )
    const expected = chain.at(-1)
    if (manifest.run !== context.run || (expected !== undefined && manifest.round !== expected.round - 1)) {
      throw broken(`the manifest of round ${manifest.round} does not lead to the one after it`)
    }
    chain.push(manifest)
    read.unshift(manifest)
    cid = manifest.checkpoint === null ? manifest.parent : null
  }

  const oldest = chain.at(-1)
  let theta: Float32Array
  if (oldest === undefined || oldest.checkpoint === null) {
    theta = context.model.initialWeights(context.spec.train.seed)
  } else {
    theta = await dependencies.readCheckpoint(oldest.checkpoint, signal)
    if (theta.length !== context.model.parameterCount) throw broken('the checkpoint is of another program')
    if (stateRoot(theta) !== oldest.stateRoot)
      throw broken('the checkpoint does not have the root the head signed')
    chain.pop()
  }
  for (const manifest of chain.reverse()) {
    if (stateRoot(theta) !== manifest.baseRoot)
      throw broken(`round ${manifest.round} starts from another root`)
    const contributions = await Promise.all(
      manifest.entries.map(async ({ contribution, contributionBytes, tokens }) => ({
        bytes: await fetch(contribution, contributionBytes),
        tokens,
      })),
    )
    const updates = decodeContributions(context.compressor, theta.length, contributions)
    const next = applyRound(theta, updates, context.spec.averaging.outerLearningRate)
    if (next.stateRoot !== manifest.stateRoot)
      throw broken(`round ${manifest.round} leads to another root here`)
    theta = next.theta
  }
  const last = chain.at(-1) ?? oldest
  return {
    theta,
    stateRoot: stateRoot(theta),
    round: last === undefined ? 0 : last.round + 1,
    newest,
    checkpoint: oldest?.checkpoint ?? null,
    manifests: read,
  }
}

function broken(why: string): MurmurError {
  return new MurmurError('HISTORY_BROKEN', {
    message: `the history of the run does not check out: ${why}`,
    next: 'the head or this replica is faulty; join again, and report it if it stays so',
    exit: 'verification',
  })
}
