import type { FetchBlockByCid } from '../checkpoints/stored-file.ts'
import { checkProgram } from '../program/check-program.ts'
import type { LossKind } from '../program/import/chosen-loss.ts'
import { maskedScore } from '../program/import/masks.ts'
import { readRunModel } from '../program/run-model.ts'
import { buildPrograms, type ProgramOptions } from '../program/training-program.ts'
import type { OnnxModelSection } from '../protocol/model-section.ts'
import type { RunFile } from '../protocol/run-spec.ts'
import { batchSource } from '../worker/data/batch-source.ts'
import { isText, loadRows, loadText, loadTokenizer } from '../worker/data/load-data.ts'
import type { ShardedData } from '../worker/data/shards.ts'
import { misfit } from './complete-model.ts'
import { importOnnx } from './import-onnx.ts'
import type { PreparedTraining } from './prepare-training.ts'

/**
 * Reads an ONNX file, or fetches the one that a CID names, and the data it is to be trained on, and builds the programs. The loss, unless it is part of the
 * file or chosen in the run file, follows from the data: quantities are regressed, everything else is classified.
 * @throws MurmurError: what is wrong with the file, the data (docs/data.md), MODEL_DATA_MISFIT, DATA_MISFIT.
 */
export async function prepareImported(
  { data, train }: Pick<RunFile, 'data' | 'train'>,
  model: OnnxModelSection & { readonly onnx: string },
  options: ProgramOptions,
  fetch?: FetchBlockByCid,
): Promise<Required<PreparedTraining>> {
  const text = isText(data)
  const rows = text ? null : await loadRows(data)
  const imported = await importOnnx(model.onnx, { loss: model.loss ?? lossOf(rows) }, fetch)
  if (imported.batch !== null && imported.batch !== train.batch)
    throw misfit(
      `${model.onnx} was exported for batches of ${imported.batch} rows, train.batch is ${train.batch}`,
      `set train.batch to ${imported.batch}, or export it with a dynamic first axis`,
    )
  for (const alias of Object.entries(model.tied)) checkTie(alias, imported.table.parameters)
  for (const node of imported.leftOut)
    process.stderr.write(`${model.onnx}: Dropout (node ${JSON.stringify(node)}) is left out of training\n`)
  for (const mask of imported.masks)
    process.stderr.write(
      `${model.onnx}: ${JSON.stringify(mask)} has ${maskedScore.toPrecision(1)} for -Infinity and is frozen: it is not trained\n`,
    )
  const programs = buildPrograms(imported.modelOf, train.batch, options)
  const { task, inputs, logits } = checkProgram(programs.sampling)
  const section = { preset: model.preset, loss: model.loss, tied: model.tied }
  const made = { model: section, programs, weights: imported.weights(programs.table) }
  if (rows !== null) {
    const { format } = rows.manifest
    batchSource(format, readRunModel(programs.training))
    const known = logits.length === 1 ? 1 : logits.at(-1)!
    if (format.kind === 'rows' && format.targets.type !== 'f32' && format.targets.classes > known)
      throw misfit(
        `the data has ${format.targets.classes} classes, ${model.onnx} tells ${known} apart`,
        'export it with as many outputs as there are classes',
      )
    return { ...made, data: rows, blocks: [] }
  }
  const tokenizer = data.tokenizer === undefined ? null : await loadTokenizer(data.tokenizer)
  const vocabulary = tokenizer?.vocabulary ?? 256
  const context = inputs.shape[1]
  if (task !== 'language' || context === undefined)
    throw misfit(`the data is text, ${model.onnx} is for a ${task}`, 'give rows of values as data')
  if (logits.at(-1)! < vocabulary)
    throw misfit(
      `the text has tokens up to ${vocabulary - 1}, ${model.onnx} knows ${logits.at(-1)}`,
      'give data.tokenizer: the tokenizer.json that the model was made with',
    )
  const sharded = await loadText(data, tokenizer, context)
  return { ...made, data: sharded, blocks: tokenizer === null ? [] : [tokenizer.block] }
}

function lossOf(rows: ShardedData | null): LossKind | undefined {
  const format = rows?.manifest.format
  if (format?.kind !== 'rows') return undefined
  return format.targets.type === 'f32' ? 'mse' : 'cross_entropy'
}

function checkTie(
  [alias, name]: readonly [string, string],
  parameters: readonly { readonly name: string }[],
) {
  if (!parameters.some((parameter) => parameter.name === name))
    throw misfit(`model.tied: there is no parameter ${name}`, 'name a parameter of the exported file')
  if (parameters.some((parameter) => parameter.name === alias))
    throw misfit(`model.tied: ${alias} is a parameter of its own`, 'leave it out')
}
