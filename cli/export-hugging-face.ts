import { averageMetadata } from '../checkpoints/average.ts'
import { writeHuggingFaceFolder } from '../checkpoints/hugging-face/folder.ts'
import { mergedWeights } from '../program/lora/merge.ts'
import { readRunModel } from '../program/run-model.ts'
import { MurmurError } from '../protocol/errors.ts'
import type { CidText } from '../protocol/ids.ts'
import { averageText } from './checkpoint-average.ts'
import { gptDesignOf } from './gpt-design.ts'
import { type StoredModel, withModel } from './stored-model.ts'

/**
 * Writes a checkpoint of a GPT as a folder that `transformers` loads, low-rank factors merged; gives the paths of its files.
 * @param options with `average`, the mean of so many checkpoints up to it
 * @throws MurmurError ARCHITECTURE_UNKNOWN, EXPORT_EXISTS (exit `usage`), BLOCK_MISSING.
 */
export async function exportHuggingFace(
  cid: CidText,
  folder: string,
  options: { readonly home?: string; readonly overwrite: boolean; readonly average?: number | null },
): Promise<readonly string[]> {
  let paths: readonly string[] = []
  const work = async ({ theta, averaged, spec, data, block }: StoredModel) => {
    const { format } = data
    const design = gptDesignOf(spec.model, format)
    if (design === null) throw notGpt()
    const { table } = readRunModel(await block(spec.programs.training))
    const tokenizer = format.kind === 'tokens' ? await block(format.tokenizer) : null
    const { lora } = spec.train
    const weights = lora === null ? { theta, table } : mergedWeights(theta, table, lora)
    paths = await writeHuggingFaceFolder(
      folder,
      { ...weights, design, tokenizer, metadata: averageMetadata(averaged) },
      options,
    )
    if (averaged.length > 0) process.stderr.write(`${averageText(averaged)}\n`)
  }
  await withModel(cid, options.home, work, options.average)
  return paths
}

const notGpt = (): MurmurError =>
  new MurmurError('ARCHITECTURE_UNKNOWN', {
    message: 'the checkpoint’s model is not of the gpt preset: no architecture of transformers is it',
    next: 'export it with --format safetensors',
    exit: 'usage',
  })
