import type { FetchBlockByCid } from '../checkpoints/stored-file.ts'
import { type ModelShape, modelShapeOf } from '../program/model-spec.ts'
import { programOptions } from '../program/program-options.ts'
import { buildTrainingProgram, type TrainingProgram } from '../program/training-program.ts'
import { invariant } from '../protocol/errors.ts'
import type { ModelSection } from '../protocol/model-section.ts'
import type { RunFile } from '../protocol/run-spec.ts'
import { isText, loadRows, loadText, loadTokenizer } from '../worker/data/load-data.ts'
import type { ShardedData } from '../worker/data/shards.ts'
import { completeModel, misfit } from './complete-model.ts'
import { prepareImported } from './import-training.ts'

export interface PreparedTraining {
  /** With every size that the data told. */
  readonly model: ModelSection
  readonly programs: TrainingProgram
  readonly data: ShardedData
  /** Blocks that the data's manifest names beside its shards. */
  readonly blocks: readonly Uint8Array[]
  /** Weights that came with the model, in the order of the programs' table. */
  readonly weights?: Float32Array
}

/**
 * Reads a run's data and builds the programs for it. Blocks of a model that a CID names come by `fetch`.
 * @throws MurmurError: what is wrong with the data (docs/data.md) or the model, MODEL_DATA_MISFIT.
 */
export async function prepareTraining(
  { data, model, train }: Pick<RunFile, 'data' | 'model' | 'train'>,
  fetch?: FetchBlockByCid,
): Promise<PreparedTraining> {
  const build = (shape: ModelShape) =>
    buildTrainingProgram({ ...shape, batch: train.batch }, programOptions(train))
  if (model.preset === 'onnx')
    return await prepareImported({ data, train }, model, programOptions(train), fetch)
  if (model.preset !== 'gpt') {
    const sharded = await loadRows(data)
    const { format } = sharded.manifest
    invariant(format.kind === 'rows', 'rows were cut')
    const complete = completeModel(model, format)
    return { model: complete, programs: build(modelShapeOf(complete)), data: sharded, blocks: [] }
  }
  if (!isText(data))
    throw misfit('a gpt learns text, and the data are rows', 'set model.preset to linear, mlp or cnn')
  const tokenizer = data.tokenizer === undefined ? null : await loadTokenizer(data.tokenizer)
  const tokens = tokenizer === null ? {} : { vocabulary: tokenizer.vocabulary }
  // Refuses a model that is too big before anything of its size is allocated.
  const programs = build({ ...model, ...tokens })
  const sharded = await loadText(data, tokenizer, model.context)
  return { model, programs, data: sharded, blocks: tokenizer === null ? [] : [tokenizer.block] }
}
