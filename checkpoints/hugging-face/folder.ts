import { join } from 'node:path'
import type { GptDesign } from '../../program/presets/gpt-shape.ts'
import { byteVocabulary } from '../../program/presets/gpt-shape.ts'
import { invariant } from '../../protocol/errors.ts'
import { assertAbsent } from '../assert-absent.ts'
import { writeDurably } from '../durable-file.ts'
import type { ParameterPlace } from '../parameter-file.ts'
import { writeSafetensors } from '../safetensors.ts'
import { checkConfig } from './config.ts'
import { layoutOf } from './layout.ts'
import { jsonIn, readBounded } from './read-file.ts'
import { folderTensors } from './shards.ts'
import { byteTokenizer, tokenizerConfig } from './tokenizer.ts'
import { tensorsForHuggingFace, unfit, weightsFromHuggingFace } from './weights.ts'

export interface HuggingFaceModel {
  readonly theta: Float32Array
  readonly table: readonly ParameterPlace[]
  readonly design: GptDesign
  /** `tokenizer.json`; null where tokens are bytes. */
  readonly tokenizer: Uint8Array | null
  /** What `model.safetensors` says beside its format. */
  readonly metadata?: readonly (readonly [string, string])[]
}

/**
 * Writes a model as a folder that `AutoModelForCausalLM` and `AutoTokenizer` of `transformers` load; `config.json`, by
 * which they know it, last. Gives the paths.
 * @throws MurmurError ARCHITECTURE_UNKNOWN, EXPORT_EXISTS (exit `usage`), or what writing throws.
 */
export async function writeHuggingFaceFolder(
  folder: string,
  { theta, table, design, tokenizer, metadata = [] }: HuggingFaceModel,
  options: { readonly overwrite?: boolean } = {},
): Promise<readonly string[]> {
  invariant(
    tokenizer !== null || design.vocabulary === byteVocabulary,
    'a vocabulary of tokens has a tokenizer',
  )
  const { config } = layoutOf(design)
  const tensors = tensorsForHuggingFace(theta, table, design)
  const json = (value: unknown) => Buffer.from(`${JSON.stringify(value, null, 2)}\n`)
  const files = [
    ['model.safetensors', writeSafetensors({ tensors, metadata: new Map([['format', 'pt'], ...metadata]) })],
    ['tokenizer.json', tokenizer ?? json(byteTokenizer())],
    ['tokenizer_config.json', json(tokenizerConfig(design.context))],
    ['config.json', json(config)],
  ] as const
  const paths = files.map(([name]) => join(folder, name))
  if (options.overwrite !== true) await assertAbsent(paths)
  for (const [index, [, bytes]] of files.entries()) await writeDurably(paths[index]!, bytes)
  return paths
}

const maxConfigBytes = 1 << 20

/**
 * The flat vector, in the order of `table` (the design's own where it is left out), of a folder's
 * safetensors, whose `config.json` must describe the same model as the design.
 * @throws MurmurError PRETRAINED_UNREADABLE, PRETRAINED_UNFIT (exit `usage`), SAFETENSORS_MALFORMED.
 */
export async function readHuggingFaceFolder(
  folder: string,
  design: GptDesign,
  table?: readonly ParameterPlace[],
): Promise<Float32Array<ArrayBuffer>> {
  const config = jsonIn(await readBounded(join(folder, 'config.json'), maxConfigBytes))
  if (config === undefined) throw unfit('config.json is not JSON')
  checkConfig(config, design)
  return weightsFromHuggingFace(await folderTensors(folder), design, table)
}
