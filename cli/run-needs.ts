import type { FetchBlockByCid } from '../checkpoints/stored-file.ts'
import { innerOptimizer } from '../program/optimizers/inner-optimizer.ts'
import { programOptions } from '../program/program-options.ts'
import { readRunModel } from '../program/run-model.ts'
import { trainingMemory } from '../program/training-program.ts'
import { invariant } from '../protocol/errors.ts'
import type { RunFile } from '../protocol/run-spec.ts'
import { loadTokenizer } from '../worker/data/load-data.ts'
import { prepareTraining } from './prepare-training.ts'

export interface RunNeeds {
  readonly parameterCount: number
  /** Those that are not frozen: at least, of a model that no worker could hold. */
  readonly movingCount: number
  /** Flat optimizer vectors of as many values as move. */
  readonly moments: number
  /** What a replica takes while it trains. */
  readonly totalBytes: number
}

/** What a run takes of a worker. Of a GPT it is known without building it, however large; of others the program tells. */
export async function runNeeds(file: RunFile, fetch?: FetchBlockByCid): Promise<RunNeeds> {
  const { model, data, train } = file
  if (model.preset === 'gpt') {
    const tokenizer = data.tokenizer === undefined ? null : await loadTokenizer(data.tokenizer)
    const tokens = tokenizer === null ? {} : { vocabulary: tokenizer.vocabulary }
    const options = programOptions(train)
    const memory = trainingMemory({ ...model, ...tokens, batch: train.batch }, options)
    invariant(memory !== null, 'what a GPT takes is known')
    const { slots } = innerOptimizer(train.optimizer, options.optimizer)
    return { ...memory, moments: slots.length }
  }
  const { programs } = await prepareTraining(file, fetch)
  const { parameterCount, movingCount, moments, memoryBytes } = readRunModel(programs.training)
  return { parameterCount, movingCount, moments, totalBytes: memoryBytes }
}
