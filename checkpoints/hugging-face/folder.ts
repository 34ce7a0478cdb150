import { access, readFile, stat } from 'node:fs/promises'
import { join } from 'node:path'
import type { GptDesign } from '../../program/presets/gpt-shape.ts'
import { byteVocabulary } from '../../program/presets/gpt-shape.ts'
import { invariant, MurmurError } from '../../protocol/errors.ts'
import { maxStateBlockBytes } from '../../protocol/limits.ts'
import { writeDurably } from '../durable-file.ts'
import type { ParameterPlace } from '../parameter-file.ts'
import { readSafetensors, writeSafetensors } from '../safetensors.ts'
import { checkConfig } from './config.ts'
import { layoutOf } from './layout.ts'
import { byteTokenizer, tokenizerConfig } from './tokenizer.ts'
import { tensorsForHuggingFace, unfit, weightsFromHuggingFace } from './weights.ts'

export interface HuggingFaceModel {
  readonly theta: Float32Array
  readonly table: readonly ParameterPlace[]
  readonly design: GptDesign
  /** `tokenizer.json`; null where tokens are bytes. */
  readonly tokenizer: Uint8Array | null
}

/**
 * Writes a model as a folder that `AutoModelForCausalLM` and `AutoTokenizer` of `transformers` load; `config.json`, by
 * which they know it, last. Gives the paths.
 * @throws MurmurError ARCHITECTURE_UNKNOWN, EXPORT_EXISTS (exit `usage`), or what writing throws.
 */
export async function writeHuggingFaceFolder(
  folder: string,
  { theta, table, design, tokenizer }: HuggingFaceModel,
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
    ['model.safetensors', writeSafetensors({ tensors, metadata: new Map([['format', 'pt']]) })],
    ['tokenizer.json', tokenizer ?? json(byteTokenizer())],
    ['tokenizer_config.json', json(tokenizerConfig(design.context))],
    ['config.json', json(config)],
  ] as const
  const paths = files.map(([name]) => join(folder, name))
  if (options.overwrite !== true) for (const path of paths) await assertAbsent(path)
  for (const [index, [, bytes]] of files.entries()) await writeDurably(paths[index]!, bytes)
  return paths
}

const maxConfigBytes = 1 << 20

/**
 * The flat vector, in the order of `table` (the design's own where it is left out), of a folder's `model.safetensors`, whose `config.json` must describe the same model as the design.
 * @throws MurmurError PRETRAINED_UNREADABLE, PRETRAINED_UNFIT (exit `usage`), SAFETENSORS_MALFORMED.
 */
export async function readHuggingFaceFolder(
  folder: string,
  design: GptDesign,
  table?: readonly ParameterPlace[],
): Promise<Float32Array<ArrayBuffer>> {
  const config = await readBounded(join(folder, 'config.json'), maxConfigBytes)
  checkConfig(parseJson(config), design)
  const file = await readBounded(join(folder, 'model.safetensors'), maxStateBlockBytes)
  return weightsFromHuggingFace(readSafetensors(file).tensors, design, table)
}

async function readBounded(path: string, maxBytes: number): Promise<Uint8Array> {
  try {
    const { size } = await stat(path)
    if (size > maxBytes) throw new Error(`${size} bytes, at most ${maxBytes}`)
    return await readFile(path)
  } catch (cause) {
    throw new MurmurError('PRETRAINED_UNREADABLE', {
      message: `cannot read ${path}: ${cause instanceof Error ? cause.message : cause}`,
      next: 'name a folder that transformers wrote with save_pretrained, in one model.safetensors',
      exit: 'usage',
      cause,
    })
  }
}

function parseJson(bytes: Uint8Array): unknown {
  try {
    return JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes))
  } catch {
    throw unfit('config.json is not JSON')
  }
}

async function assertAbsent(path: string): Promise<void> {
  const there = await access(path).then(
    () => true,
    () => false,
  )
  if (!there) return
  throw new MurmurError('EXPORT_EXISTS', {
    message: `${path} is already there`,
    next: 'choose another folder, or overwrite it with --force',
    exit: 'usage',
  })
}
