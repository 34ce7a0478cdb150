import { averagingOf, replicaVectors } from '../aggregation/averaging.ts'
import { checkedShare } from '../aggregation/shared-average.ts'
import { averageBytes, contributionBytes } from '../coordinator/placement/round-bytes.ts'
import type { RunFile } from '../protocol/run-spec.ts'
import { localShape, localStateBytes } from '../verification/local-state.ts'
import { newestCheckpoints } from '../worker/kept-runs.ts'
import { keptRounds } from '../worker/run-blocks.ts'
import type { RunNeeds } from './run-needs.ts'

export interface DiskNeeds {
  /** With `workers.min` workers. */
  readonly totalBytes: number
  /** More for each further one. */
  readonly bytesPerFurtherWorker: number
}

/**
 * What a run leaves on a worker's disk, at most: of the rounds that auditors may ask for, the local state at the end of each
 * (the segments between have hashes alone) and what was averaged; the local states that the oldest of them and the run
 * began with; the newest checkpoints, with the one that pushes the oldest out, and the weights that the run started from,
 * which share what is frozen. Program, data and manifests are left out.
 */
export function diskNeeds(
  { model, init, train, averaging: section, workers }: RunFile,
  { parameterCount, movingCount, moments }: Pick<RunNeeds, 'parameterCount' | 'movingCount' | 'moments'>,
): DiskNeeds {
  const averaging = averagingOf({ averaging: section, train }, movingCount)
  const all = train.roundsPerEpoch * train.epochs
  const rounds = Math.min(all, 1 + keptRounds(train, averaging))
  const contribution = contributionBytes(section, movingCount)
  const average = averageBytes(section, movingCount)
  // As often as a worker checks an average it fetches what the others sent.
  const share = average === null ? 1 : checkedShare(workers.min)
  const local = localStateBytes(localShape({ parameterCount, moments }, averaging))
  const localStates = 1 + Math.min(all, 1 + rounds)
  const perRound = contribution * (1 + share * (workers.min - 1)) + (average ?? 0)
  const startsFromWeights = init !== null || model.preset !== 'gpt'
  const checkpoints = Math.min(train.epochs, 1 + newestCheckpoints)
  const copies = checkpoints * (1 + replicaVectors(averaging)) + (startsFromWeights ? 1 : 0)
  const frozenBytes = 4 * (parameterCount - movingCount)
  return {
    totalBytes: Math.ceil(localStates * local + rounds * perRound + 4 * copies * movingCount + frozenBytes),
    bytesPerFurtherWorker: average === null ? rounds * contribution : 0,
  }
}
