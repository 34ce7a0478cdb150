import { join } from 'node:path'
import type { CidText } from '../protocol/ids.ts'
import { assertAbsent } from './assert-absent.ts'
import { type AveragedCheckpoint, averageCheckpoints, averageMetadata } from './average.ts'
import { writeDurably } from './durable-file.ts'
import type { ExportOptions } from './export.ts'
import { writeParameterFile } from './parameter-file.ts'
import { readSafetensors, writeSafetensors } from './safetensors.ts'
import { withStateDictKeys } from './state-dict.ts'
import type { Store } from './store.ts'

export interface ExportedAverage {
  /** Newest first. */
  readonly averaged: readonly AveragedCheckpoint[]
  readonly modelFile: string
  readonly descriptionFile: string
}

/**
 * Writes the mean of a checkpoint and of the `count` − 1 before it as `exportCheckpoint` writes one: `model.safetensors`,
 * whose metadata has under `averaged` the CIDs that it is of, newest first and with spaces between, then `checkpoint.json`.
 * No checkpoint has these weights, so that the description names no CID or state root but those of the averaged.
 * @throws MurmurError EXPORT_EXISTS (exit `usage`), or what `averageCheckpoints` and writing throw.
 */
export async function exportAverage(
  store: Pick<Store, 'readCheckpoint' | 'blocks' | 'list'>,
  { cid, count }: { readonly cid: CidText; readonly count: number },
  folder: string,
  options: ExportOptions = {},
): Promise<ExportedAverage> {
  const modelFile = join(folder, 'model.safetensors')
  const descriptionFile = join(folder, 'checkpoint.json')
  if (options.overwrite !== true) await assertAbsent([modelFile, descriptionFile])
  const { averaged, theta, table, spec } = await averageCheckpoints(store, cid, count, options.signal)
  const tied = spec.model.preset === 'onnx' ? spec.model.tied : {}
  const { tensors, metadata } = readSafetensors(
    withStateDictKeys(writeParameterFile(theta, table), table, { tied }),
  )
  const { run, program, data } = averaged[0]!.manifest
  const description = {
    averaged: averaged.map((one) => {
      const { round, epoch, stateRoot } = one.manifest
      return { checkpoint: one.cid, round, epoch, stateRoot }
    }),
    ...{ run, program, data },
    parameters: theta.length,
    tensors: table.map(({ name, shape }) => ({ name, shape })),
  }
  await writeDurably(
    modelFile,
    writeSafetensors({ tensors, metadata: new Map([...metadata, ...averageMetadata(averaged)]) }, 'as given'),
  )
  await writeDurably(descriptionFile, Buffer.from(`${JSON.stringify(description, null, 2)}\n`))
  return { averaged, modelFile, descriptionFile }
}
