import type { ReplicaState } from '../aggregation/replica-state.ts'
import { type Rebuilt, rebuild } from '../checkpoints/rebuild.ts'
import { startingWeights } from '../checkpoints/starting-weights.ts'
import type { CidText, WorkerId } from '../protocol/ids.ts'
import type { RunBlocksDependencies } from './run-blocks.ts'
import type { RunContext } from './run-context.ts'

export interface RebuildRunDependencies extends RunBlocksDependencies {
  readCheckpoint(cid: CidText, signal: AbortSignal): Promise<ReplicaState>
}

const fetchTimeoutMs = 60_000

/**
 * Rebuilds θ of a run as of the manifest `newest` with what a worker has: its own blocks, and its peers'. Rejects as `rebuild`
 * does.
 */
export function rebuildRun(
  newest: CidText | null,
  heads: readonly WorkerId[],
  { run, spec, model, averaging }: RunContext,
  { blocks, network, peers, readCheckpoint }: RebuildRunDependencies,
  signal: AbortSignal,
): Promise<Rebuilt> {
  const fetch = async (cid: CidText, maxBytes: number) => {
    const own = await blocks.get(cid)
    if (own !== undefined) return own
    const timed = AbortSignal.any([signal, AbortSignal.timeout(fetchTimeoutMs)])
    const bytes = await network.fetchBlock(peers(), cid, { signal: timed, maxBytes })
    await blocks.put(cid, bytes)
    return bytes
  }
  return rebuild(
    newest,
    {
      run,
      heads,
      parameterCount: model.parameterCount,
      averaging,
      initialWeights: () => startingWeights(spec, model, fetch),
    },
    {
      fetch,
      keep: (cid, block) => blocks.put(cid, block),
      readCheckpoint: (cid) => readCheckpoint(cid, signal),
      verify: (...of) => network.verify(...of),
    },
  )
}
