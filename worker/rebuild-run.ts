import type { ReplicaState } from '../aggregation/replica-state.ts'
import { type Rebuilt, rebuild } from '../checkpoints/rebuild.ts'
import { startingWeights } from '../checkpoints/starting-weights.ts'
import type { CidText, WorkerId } from '../protocol/ids.ts'
import { RunBlocks, type RunBlocksDependencies } from './run-blocks.ts'
import type { RunContext } from './run-context.ts'

export interface RebuildRunDependencies extends RunBlocksDependencies {
  /** The checkpoint of this round. */
  readCheckpoint(cid: CidText, round: number, signal: AbortSignal): Promise<ReplicaState>
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
  dependencies: RebuildRunDependencies,
  signal: AbortSignal,
): Promise<Rebuilt> {
  const { network, readCheckpoint } = dependencies
  const blocks = new RunBlocks(dependencies)
  const fetch = (cid: CidText, maxBytes: number, round?: number) =>
    blocks.fetch(cid, maxBytes, signal, { round, timeoutMs: fetchTimeoutMs })
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
      keep: (cid, block, round) => blocks.keep(round, new Map([[cid, () => block]])),
      readCheckpoint: (cid, round) => readCheckpoint(cid, round, signal),
      verify: (...of) => network.verify(...of),
    },
  )
}
