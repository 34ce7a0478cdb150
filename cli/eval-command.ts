import { stat } from 'node:fs/promises'
import { readRunModel } from '../program/run-model.ts'
import type { DataSection } from '../protocol/data-section.ts'
import { MurmurError } from '../protocol/errors.ts'
import { batchSource } from '../worker/data/batch-source.ts'
import { encodeText } from '../worker/data/encode-text.ts'
import { type DataFormat, itemBytes } from '../worker/data/format.ts'
import { rowsOf, textOf } from '../worker/data/load-data.ts'
import { measure } from '../worker/data/measure.ts'
import { recordsOf } from '../worker/data/shard-rows.ts'
import { parseTokenizer } from '../worker/data/tokenizer.ts'
import { ortCpuEngine } from '../worker/engine/ort-cpu.ts'
import { fetchHeldOut } from '../worker/run-context.ts'
import { averageCount, averagedFields, averageText } from './checkpoint-average.ts'
import type { EvalCommandOptions } from './eval.ts'
import { evaluationOf, evaluationText } from './evaluation.ts'
import { type StoredModel, withModel } from './stored-model.ts'
import { wholeNumber } from './worker-count.ts'

export async function evalCommand(name: string | undefined, options: EvalCommandOptions): Promise<void> {
  const most = wholeNumber(options.batches, '--batches', 1, 100_000)
  const average = averageCount(options.average)
  const work = async (stored: StoredModel, signal: AbortSignal) => {
    const { cid, averaged, theta, spec, data, block } = stored
    const model = readRunModel(await block(spec.programs.training))
    const shards = await shardsOf(options, stored)
    const context = model.inputs.shape[1]!
    if (data.format.kind !== 'rows') refuseShort(shards, data.format, context)
    const batches = batchSource(data.format, model).heldOut(shards, most)
    const session = await ortCpuEngine().loadEvaluation(await block(spec.programs.evaluation), signal)
    try {
      const measured = await measure(session, theta, batches, signal)
      const evaluation = evaluationOf(
        measured,
        model.task,
        data.format,
        measured.batches * model.tokensPerStep,
      )
      const by = averaged.length === 0 ? '' : `, by ${averageText(averaged)}`
      process.stdout.write(
        options.json === true
          ? `${JSON.stringify({ checkpoint: cid, ...averagedFields(averaged), ...evaluation })}\n`
          : `${evaluationText(evaluation)} of ${options.data ?? 'the held-out part'}${by}\n`,
      )
    } finally {
      await session.close()
    }
  }
  await withModel(name, options.home, work, average)
}

/** The held-out part, or the user's own data in the form that the run was trained on. */
async function shardsOf(options: EvalCommandOptions, { data, block }: StoredModel): Promise<Uint8Array[]> {
  const { format } = data
  if (options.data === undefined) return await fetchHeldOut({ data }, block)
  const section = await sectionOf(options.data, options, format)
  if (format.kind === 'rows') return [await recordsOf(await rowsOf(section), format)]
  const text = await textOf(section)
  if (format.kind === 'bytes') return [text]
  return [encodeText(text, parseTokenizer(await block(format.tokenizer))).bytes]
}

async function sectionOf(
  path: string,
  { format: named, field, labels }: EvalCommandOptions,
  format: DataFormat,
): Promise<DataSection> {
  const isFolder = await stat(path).then(
    (found) => found.isDirectory(),
    () => false,
  )
  if (isFolder) return { folder: path }
  const columns = format.kind === 'rows' ? format.columns : null
  return {
    ...{ file: path, format: named, field, labels },
    ...(columns === null ? {} : { features: columns.features, target: columns.targets }),
  }
}

function refuseShort(shards: readonly Uint8Array[], format: DataFormat, context: number): void {
  if (shards.some((shard) => shard.length / itemBytes(format) > context)) return
  throw new MurmurError('DATA_TOO_SHORT', {
    message: `the text is shorter than a window of ${context} ${format.kind} and one more`,
    next: 'give a longer text with --data',
    exit: 'usage',
  })
}
