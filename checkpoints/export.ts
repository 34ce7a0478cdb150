import { join } from 'node:path'
import { MurmurError } from '../protocol/errors.ts'
import { type CidText, cidText, type RunId } from '../protocol/ids.ts'
import { decodeRunSpec, type RunSpec } from '../protocol/run-spec.ts'
import { adapterFile, mergedFile } from './adapter-file.ts'
import { assertAbsent } from './assert-absent.ts'
import { writeDurably } from './durable-file.ts'
import { type StateDictExtras, withStateDictKeys } from './state-dict.ts'
import type { Store } from './store.ts'

export interface ExportOptions {
  readonly overwrite?: boolean
  readonly signal?: AbortSignal
}

export interface ExportedCheckpoint {
  readonly modelFile: string
  /** The low-rank factors alone; null of a run without them. */
  readonly adapterFile: string | null
  readonly descriptionFile: string
}

/**
 * Writes a checkpoint as files of its own: `model.safetensors`, with the keys that the `state_dict` of a PyTorch module
 * of these parameters has, then `checkpoint.json`, which says where it is from. Of a run with low-rank factors the model's
 * weights with the factors merged into them, and `adapter.safetensors`, the factors alone.
 * Everything is checked on the way: blocks against their CIDs, the parameters against the state root.
 * @throws MurmurError EXPORT_EXISTS (exit `usage`), BLOCK_MISSING, or what `readCheckpoint` and writing throw.
 */
export async function exportCheckpoint(
  store: Pick<Store, 'readCheckpoint' | 'blocks'>,
  cid: CidText,
  folder: string,
  options: ExportOptions = {},
): Promise<ExportedCheckpoint> {
  const modelFile = join(folder, 'model.safetensors')
  const descriptionFile = join(folder, 'checkpoint.json')
  const factorsFile = join(folder, 'adapter.safetensors')
  if (options.overwrite !== true) await assertAbsent([modelFile, factorsFile, descriptionFile])
  const checkpoint = await store.readCheckpoint(cid, options.signal)
  const { manifest, state } = checkpoint
  const spec = await specOf(store, manifest.run)
  if (spec === undefined && manifest.table.some(({ name }) => isFactor(name)))
    throw notMergeable(manifest.run)
  const lora = spec?.train.lora ?? null
  const { file, table } =
    lora === null
      ? { file: checkpoint.file, table: manifest.table }
      : mergedFile(state.theta, manifest.table, lora)
  const { table: _, ...described } = manifest
  const description = {
    checkpoint: cid,
    ...described,
    parameters: table.reduce((sum, { shape }) => sum + shape.reduce((a, b) => a * b, 1), 0),
    tensors: table.map(({ name, shape }) => ({ name, shape })),
    file: manifest.tensors,
    ...(lora === null ? {} : { lora: { rank: lora.rank, alpha: lora.alpha } }),
  }
  await writeDurably(modelFile, withStateDictKeys(file, table, { tied: tiedNames(spec) }))
  if (lora !== null) await writeDurably(factorsFile, adapterFile(state.theta, manifest.table, table, lora))
  await writeDurably(descriptionFile, Buffer.from(`${JSON.stringify(description, null, 2)}\n`))
  return { modelFile, adapterFile: lora === null ? null : factorsFile, descriptionFile }
}

/** Of the run that a checkpoint is of; undefined where it is not here. */
async function specOf({ blocks }: Pick<Store, 'blocks'>, run: RunId): Promise<RunSpec | undefined> {
  const spec = await blocks.get(cidText(run))
  return spec === undefined ? undefined : decodeRunSpec(spec)
}

/** Names under which the run's module has a parameter once more; none where its spec is not here to say so. */
const tiedNames = (spec: RunSpec | undefined): StateDictExtras['tied'] =>
  spec?.model.preset === 'onnx' ? spec.model.tied : {}

const isFactor = (name: string): boolean => /\.lora_[AB](\.weight)?$/.test(name)

function notMergeable(run: RunId): MurmurError {
  return new MurmurError('BLOCK_MISSING', {
    message: `the checkpoint has low-rank factors, and its run ${run}, which tells how they are scaled, is not here`,
    next: 'export it from the state folder of a node that took part in the run',
  })
}
