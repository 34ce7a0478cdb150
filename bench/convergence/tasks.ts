import { defaultModel, type GptSpec } from '../../program/model-spec.ts'
import { mobyDick } from '../../worker/data/moby-dick.ts'
import { type ShardedText, shardText } from '../../worker/data/shards.ts'
import type { TaskName } from './cell.ts'

/** Byte-level GPTs on Moby Dick of 5,080, 11,696, 42,624 and 865,024 parameters; `batch` is one worker's. */
export const models: Readonly<Record<TaskName, GptSpec & { readonly batch: number }>> = {
  test: { ...defaultModel, layers: 1, width: 8, heads: 2, context: 16, batch: 4 },
  micro: { ...defaultModel, layers: 1, width: 16, heads: 2, context: 16, batch: 8 },
  mini: { ...defaultModel, layers: 2, width: 32, heads: 2, context: 32, batch: 8 },
  gpt: defaultModel,
}

export const textOf = async (task: TaskName): Promise<ShardedText> =>
  shardText(await mobyDick(), { context: models[task].context })
