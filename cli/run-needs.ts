import { estimateMemory, stepMemory } from '../program/memory.ts'
import { innerOptimizer } from '../program/optimizers/inner-optimizer.ts'
import { programOptions } from '../program/program-options.ts'
import { readRunModel } from '../program/run-model.ts'
import type { RunFile } from '../protocol/run-spec.ts'
import { loadTokenizer } from '../worker/data/load-data.ts'
import { prepareTraining } from './prepare-training.ts'

export interface RunNeeds {
  readonly parameterCount: number
  /** What a replica takes while it trains. */
  readonly totalBytes: number
}

/** What a run takes of a worker. Of a GPT it is known without building it, however large; of others the program tells. */
export async function runNeeds(file: RunFile): Promise<RunNeeds> {
  const { model, data, train } = file
  if (model.preset === 'gpt') {
    const tokenizer = data.tokenizer === undefined ? null : await loadTokenizer(data.tokenizer)
    const tokens = tokenizer === null ? {} : { vocabulary: tokenizer.vocabulary }
    const part = estimateMemory({ ...model, ...tokens }, train.batch / train.accumulate)
    const { innerOptimizer: name, optimizer } = programOptions(train)
    return stepMemory(part, train.accumulate, innerOptimizer(name ?? 'adamw', optimizer))
  }
  const { programs } = await prepareTraining(file)
  const { parameterCount, memoryBytes } = readRunModel(programs.training)
  return { parameterCount, totalBytes: memoryBytes }
}
