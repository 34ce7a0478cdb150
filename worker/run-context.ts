import { type Averaging, averagingOf } from '../aggregation/averaging.ts'
import { assertCompute, type RunModel, readRunModel } from '../program/run-model.ts'
import { contentId } from '../protocol/content-id.ts'
import { MurmurError } from '../protocol/errors.ts'
import { type CidText, cidText, type RunId } from '../protocol/ids.ts'
import { maxMetadataBlockBytes, maxProgramBytes, maxShardBytes } from '../protocol/limits.ts'
import { decodeRunSpec, type RunSpec } from '../protocol/run-spec.ts'
import { assignedShards } from './data/assignment.ts'
import { type BatchSource, batchSource } from './data/batch-source.ts'
import { itemBytes } from './data/format.ts'
import { type DataManifest, parseDataManifest, type ShardEntry } from './data/manifest.ts'

/** Fetches a block by CID from wherever it can be had; verified. */
export type Fetch = (cid: CidText, maxBytes: number) => Promise<Uint8Array>

/** Everything about a run that follows from its CID alone. */
export interface RunContext {
  readonly run: RunId
  readonly spec: RunSpec
  readonly model: RunModel
  readonly trainingProgram: Uint8Array
  readonly data: DataManifest
  readonly batches: BatchSource
  readonly averaging: Averaging
}

/**
 * Loads a run by its CID: spec, training program (checked against the allow-list), data manifest.
 * @throws MurmurError DATA_MISFIT when program and data do not belong together, COMPUTE_DIFFERS when program and spec do
 * not, and what decoding each throws.
 */
export async function loadRunContext(run: RunId, fetch: Fetch): Promise<RunContext> {
  const spec = decodeRunSpec(await fetch(cidText(run), maxMetadataBlockBytes))
  const trainingProgram = await fetch(spec.programs.training, maxProgramBytes)
  const data = parseDataManifest(await fetch(spec.data, maxMetadataBlockBytes))
  const model = readRunModel(trainingProgram)
  assertCompute(model, spec.train.compute)
  const batches = batchSource(data.format, model)
  return {
    ...{ run, spec, model, trainingProgram, data, batches },
    averaging: averagingOf(spec, model.movingCount),
  }
}

/** The shards that slot `slot` of `members` trains on, fetched. */
export async function fetchShards(
  { spec, data }: RunContext,
  place: { readonly slot: number; readonly members: number },
  fetch: Fetch,
): Promise<Uint8Array[]> {
  const indices = assignedShards({
    seed: spec.train.seed,
    members: place.members,
    slot: place.slot,
    shardCount: data.shards.length,
  })
  return await fetchAll(
    data,
    indices.map((index) => data.shards[index]!),
    fetch,
  )
}

/** The shards that are only ever evaluated on. */
export const fetchHeldOut = ({ data }: Pick<RunContext, 'data'>, fetch: Fetch): Promise<Uint8Array[]> =>
  fetchAll(data, data.heldOut, fetch)

/** @throws MurmurError DATA_MANIFEST_MALFORMED: a shard is not as long as the manifest says. */
function fetchAll(
  { format }: DataManifest,
  entries: readonly ShardEntry[],
  fetch: Fetch,
): Promise<Uint8Array[]> {
  return Promise.all(
    entries.map(async ({ cid, count }) => {
      const shard = await fetch(cid, maxShardBytes)
      if (shard.length === count * itemBytes(format)) return shard
      throw new MurmurError('DATA_MANIFEST_MALFORMED', {
        message: `a shard has ${shard.length} bytes, its manifest says ${count} items of ${itemBytes(format)}`,
        next: 'submit the run again; its data manifest was written by other software',
        exit: 'verification',
      })
    }),
  )
}

/** The run id of a spec's bytes. */
export const runIdOf = (specBytes: Uint8Array): RunId => contentId(specBytes, 'dag-cbor') as string as RunId
