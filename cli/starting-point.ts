import { readFile, stat } from 'node:fs/promises'
import { readHuggingFaceFolder } from '../checkpoints/hugging-face/folder.ts'
import { readStartingFile, withFactors } from '../checkpoints/starting-weights.ts'
import { writeWeightsFile } from '../checkpoints/weights-file.ts'
import type { GptDesign } from '../program/presets/gpt-shape.ts'
import type { RunModel } from '../program/run-model.ts'
import { parseCid } from '../protocol/content-id.ts'
import { MurmurError } from '../protocol/errors.ts'
import type { CidText } from '../protocol/ids.ts'
import { maxStateBlockBytes } from '../protocol/limits.ts'
import type { RunFile, RunSpec } from '../protocol/run-spec.ts'

export interface StartingPoint {
  readonly init: RunSpec['init']
  /** To be uploaded; none where the cluster has them. */
  readonly blocks: ReadonlyMap<CidText, Uint8Array>
}

/** What is spelled like a CID is one; a path may begin with `./`. */
export const isCid = (text: string): boolean => /^baf[a-z2-7]{56}$/.test(text)

/**
 * What a run starts from: what its file says, else the weights that came with the model, else its seed.
 * @param given flat, in the order of the program's table
 * @param design of a GPT: it may start from a folder that `transformers` wrote
 * @throws MurmurError WEIGHTS_UNREADABLE, PRETRAINED_UNREADABLE, PRETRAINED_UNFIT (exit `usage`), SAFETENSORS_MALFORMED,
 * CHECKPOINT_MISMATCH.
 */
export async function startingPoint(
  init: RunFile['init'],
  given: Float32Array | null,
  { table }: Pick<RunModel, 'table'>,
  design: GptDesign | null,
  train: RunFile['train'],
): Promise<StartingPoint> {
  if (init !== null && isCid(init.from)) return { init: { weights: parseCid(init.from) }, blocks: new Map() }
  const theta =
    init === null
      ? given && withFactors(given, table, train)
      : await weightsAt(init.from, table, design, train)
  if (theta === null) return { init: null, blocks: new Map() }
  const { cid, blocks } = await writeWeightsFile(theta, table)
  return { init: { weights: cid }, blocks }
}

/** A folder is a model of `transformers`, a file has the run's own parameters. */
async function weightsAt(
  place: string,
  table: RunModel['table'],
  design: GptDesign | null,
  train: RunFile['train'],
): Promise<Float32Array> {
  const isFolder = await stat(place).then(
    (found) => found.isDirectory(),
    () => false,
  )
  if (isFolder && design !== null)
    return withFactors(await readHuggingFaceFolder(place, design, table), table, train)
  return readStartingFile(await bytesOf(place), table, train)
}

async function bytesOf(file: string): Promise<Uint8Array> {
  try {
    const { size } = await stat(file)
    if (size > maxStateBlockBytes) throw new Error(`it has ${size} bytes, the limit is ${maxStateBlockBytes}`)
    return await readFile(file)
  } catch (cause) {
    throw new MurmurError('WEIGHTS_UNREADABLE', {
      message: `cannot read ${file}: ${cause instanceof Error ? cause.message : cause}`,
      next: 'set init.from to a safetensors file of this model, or to the CID of one',
      exit: 'usage',
      cause,
    })
  }
}
