import { access } from 'node:fs/promises'
import { join } from 'node:path'
import { MurmurError } from '../protocol/errors.ts'
import { type CidText, cidText, type RunId } from '../protocol/ids.ts'
import { decodeRunSpec } from '../protocol/run-spec.ts'
import { writeDurably } from './durable-file.ts'
import { type StateDictExtras, withStateDictKeys } from './state-dict.ts'
import type { Store } from './store.ts'

export interface ExportOptions {
  readonly overwrite?: boolean
  readonly signal?: AbortSignal
}

export interface ExportedCheckpoint {
  readonly modelFile: string
  readonly descriptionFile: string
}

/**
 * Writes a checkpoint as files of its own: `model.safetensors`, with the keys that the `state_dict` of a PyTorch module
 * of these parameters has, then `checkpoint.json`, which says where it is from.
 * Everything is checked on the way: blocks against their CIDs, the parameters against the state root.
 * @throws MurmurError EXPORT_EXISTS (exit `usage`), or what `readCheckpoint` and writing throw.
 */
export async function exportCheckpoint(
  store: Pick<Store, 'readCheckpoint' | 'blocks'>,
  cid: CidText,
  folder: string,
  options: ExportOptions = {},
): Promise<ExportedCheckpoint> {
  const modelFile = join(folder, 'model.safetensors')
  const descriptionFile = join(folder, 'checkpoint.json')
  if (options.overwrite !== true) {
    for (const file of [modelFile, descriptionFile]) {
      if (await exists(file)) throw inTheWay(file)
    }
  }
  const { manifest, file, state } = await store.readCheckpoint(cid, options.signal)
  const { table, ...described } = manifest
  const description = {
    checkpoint: cid,
    ...described,
    parameters: state.theta.length,
    tensors: table.map(({ name, shape }) => ({ name, shape })),
    file: manifest.tensors,
  }
  await writeDurably(
    modelFile,
    withStateDictKeys(file, table, { tied: await tiedNames(store, manifest.run) }),
  )
  await writeDurably(descriptionFile, Buffer.from(`${JSON.stringify(description, null, 2)}\n`))
  return { modelFile, descriptionFile }
}

/** Names under which the run's module has a parameter once more; none where its spec is not here to say so. */
async function tiedNames({ blocks }: Pick<Store, 'blocks'>, run: RunId): Promise<StateDictExtras['tied']> {
  const spec = await blocks.get(cidText(run))
  if (spec === undefined) return {}
  const { model } = decodeRunSpec(spec)
  return model.preset === 'onnx' ? model.tied : {}
}

const exists = (path: string): Promise<boolean> =>
  access(path).then(
    () => true,
    () => false,
  )

function inTheWay(file: string): MurmurError {
  return new MurmurError('EXPORT_EXISTS', {
    message: `${file} is already there`,
    next: 'choose another folder, or overwrite it with --force',
    exit: 'usage',
  })
}
