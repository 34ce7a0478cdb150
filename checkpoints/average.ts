import type { Parameter } from '../program/parameter-table.ts'
import { readRunModel } from '../program/run-model.ts'
import { isMurmurError, MurmurError } from '../protocol/errors.ts'
import { type CidText, cidText } from '../protocol/ids.ts'
import { decodeRunSpec, type RunSpec } from '../protocol/run-spec.ts'
import { type CheckpointManifest, decodeCheckpointManifest } from './manifest.ts'
import { meanOfVectors } from './mean-of-vectors.ts'
import type { Store } from './store.ts'

/** One of the checkpoints that a mean is of. */
export interface AveragedCheckpoint {
  readonly cid: CidText
  readonly manifest: CheckpointManifest
}

export interface CheckpointAverage {
  /** Newest first: consecutive epochs of one run. */
  readonly averaged: readonly AveragedCheckpoint[]
  /** Their mean: N parameters in the order of `table`. */
  readonly theta: Float32Array
  readonly table: readonly Parameter[]
  readonly spec: RunSpec
}

/** What a safetensors file of a mean says of it: CIDs, newest first, with spaces between. */
export const averageMetadata = (
  averaged: readonly AveragedCheckpoint[],
): readonly (readonly [string, string])[] =>
  averaged.length === 0 ? [] : [['averaged', averaged.map(({ cid }) => cid).join(' ')]]

type AverageStore = Pick<Store, 'readCheckpoint' | 'blocks' | 'list'>

/**
 * The mean of a checkpoint and of the `count` − 1 before it, found by the links from each to its parent, so that the CID
 * and the count alone say which they are. Everything is checked on the way, as `readCheckpoint` does.
 *
 * Frozen parameters come back to the bit. Refused (AVERAGE_UNFIT) are two kinds of run:
 * - with running statistics (BatchNorm): those of the mean weights are other than the mean of the statistics, as layers
 *   before change what goes in. Weight averaging takes them anew in a pass over the training data (Izmailov et al.,
 *   arXiv 1803.05407), which a reader of checkpoints does not make.
 * - with low-rank factors: the mean of A times the mean of B is not the mean of A·B, which in turn has no factors of the
 *   run's rank, so that no program of the run could evaluate it.
 * @throws MurmurError AVERAGE_TOO_FEW | AVERAGE_GAP | AVERAGE_UNFIT (exit `usage`), AVERAGE_NOT_FINITE, BLOCK_MISSING,
 * CHECKPOINT_NOT_FOUND | CHECKPOINT_MALFORMED | CHECKPOINT_MISMATCH, and what reading throws
 */
export async function averageCheckpoints(
  store: AverageStore,
  cid: CidText,
  count: number,
  signal?: AbortSignal,
): Promise<CheckpointAverage> {
  const newest = decodeCheckpointManifest(await blockOf(store, cid))
  const spec = decodeRunSpec(await blockOf(store, cidText(newest.run)))
  const { table } = readRunModel(await blockOf(store, spec.programs.training))
  if (spec.train.lora !== null) throw unfit('low-rank factors, whose products have another mean than they')
  if (table.some(({ role }) => role === 'statistic'))
    throw unfit('running statistics (BatchNorm), which mean weights would need to have taken anew')
  const averaged = await lastCheckpoints(store, { cid, manifest: newest }, count)
  for (const one of averaged) assertTable(one, table)
  const oldestFirst = async function* () {
    for (let age = averaged.length - 1; age >= 0; age--) {
      const { cid, manifest } = averaged[age]!
      const checkpoint = await store.readCheckpoint(cid, signal).catch((error: unknown) => {
        if (age === 0 || !isMurmurError(error, 'CHECKPOINT_NOT_FOUND')) throw error
        const which = `that of epoch ${manifest.epoch + 1} (${cid}) is not all here`
        throw tooFew(averaged.slice(0, age), count, which)
      })
      yield checkpoint.state.theta
    }
  }
  return { averaged, theta: await meanOfVectors(oldestFirst()), table, spec }
}

/** Newest first. Reads manifests only. */
async function lastCheckpoints(
  store: AverageStore,
  newest: AveragedCheckpoint,
  count: number,
): Promise<readonly AveragedCheckpoint[]> {
  const found = [newest]
  while (found.length < count) {
    const { parent, run, epoch } = found.at(-1)!.manifest
    if (parent === null) throw tooFew(found, count, 'there is none before them')
    const block = await store.blocks.get(parent)
    if (block === undefined) {
      const listed = await store.list()
      const isGap = listed.some(({ manifest }) => manifest.run === run && manifest.epoch < epoch - 1)
      // Epochs count from 1 where people read them: that of the parent is the child's own index.
      if (isGap) throw gap(found, `${epoch} (${parent}), though it has earlier ones`)
      throw tooFew(found, count, `that of epoch ${epoch} (${parent}) is not here`)
    }
    const manifest = decodeCheckpointManifest(block)
    if (manifest.run !== run) throw mismatch(parent, 'another run than the one after it')
    if (manifest.epoch !== epoch - 1) throw gap(found, `${epoch}: the one before is of ${manifest.epoch + 1}`)
    found.push({ cid: parent, manifest })
  }
  return found
}

async function blockOf({ blocks }: AverageStore, cid: CidText): Promise<Uint8Array> {
  const block = await blocks.get(cid)
  if (block !== undefined) return block
  throw new MurmurError('BLOCK_MISSING', {
    message: `the store does not have ${cid}, which a mean of checkpoints needs`,
    next: 'use the state folder of a head that led the run',
  })
}

function assertTable({ cid, manifest }: AveragedCheckpoint, table: readonly Parameter[]): void {
  const places = (of: CheckpointManifest['table'] | readonly Parameter[]) =>
    JSON.stringify(of.map(({ name, shape, offset }) => [name, shape, offset]))
  if (places(manifest.table) !== places(table)) throw mismatch(cid, 'other parameters than its run has')
}

function tooFew(found: readonly AveragedCheckpoint[], count: number, why: string): MurmurError {
  const { epoch } = found[0]!.manifest
  const have = found.length
  return new MurmurError('AVERAGE_TOO_FEW', {
    message: `a mean of ${count} checkpoints is asked for, and ${have} in a row up to epoch ${epoch + 1} ${have === 1 ? 'is' : 'are'} here: ${why}`,
    next: have === 1 ? 'leave --average out' : `give --average ${have}, or fewer`,
    exit: 'usage',
    details: { have, asked: count },
  })
}

function gap(found: readonly AveragedCheckpoint[], missing: string): MurmurError {
  const have = found.length
  return new MurmurError('AVERAGE_GAP', {
    message: `the store lacks the checkpoint of epoch ${missing}`,
    next: `use the state folder of a head that led the whole run, or ${have === 1 ? 'leave --average out' : `give --average ${have}, or fewer`}`,
    exit: 'usage',
    details: { have },
  })
}

function unfit(what: string): MurmurError {
  return new MurmurError('AVERAGE_UNFIT', {
    message: `checkpoints of this run have no mean that is a model: it has ${what}`,
    next: 'leave --average out',
    exit: 'usage',
  })
}

function mismatch(cid: CidText, reason: string): MurmurError {
  return new MurmurError('CHECKPOINT_MISMATCH', {
    message: `the checkpoint ${cid} is of ${reason}`,
    next: 'use another checkpoint of the run; whoever wrote this one runs other software or is hostile',
    exit: 'verification',
  })
}
