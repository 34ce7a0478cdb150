import { defaultModel, type ModelSpec } from '../../program/model-spec.ts'
import { mnistRows } from '../../worker/data/mnist.ts'
import { mobyDick } from '../../worker/data/moby-dick.ts'
import { shardRows } from '../../worker/data/shard-rows.ts'
import { type ShardedData, shardText } from '../../worker/data/shards.ts'
import type { TaskName } from './cell.ts'

/** 9,098 parameters. */
const digits: ModelSpec = {
  ...{ preset: 'cnn', channels: 1, height: 28, width: 28, filters: [8, 16], classes: 10 },
  batch: 32,
}

/**
 * Byte-level GPTs on Moby Dick of 5,080, 11,696, 42,624 and 865,024 parameters, and a CNN on images of handwritten digits;
 * `batch` is one worker's.
 */
export const models = {
  test: { ...defaultModel, layers: 1, width: 8, heads: 2, context: 16, batch: 4 },
  micro: { ...defaultModel, layers: 1, width: 16, heads: 2, context: 16, batch: 8 },
  mini: { ...defaultModel, layers: 2, width: 32, heads: 2, context: 32, batch: 8 },
  gpt: defaultModel,
  mnist: digits,
  'mnist-by-label': digits,
} as const satisfies Readonly<Record<TaskName, ModelSpec>>

/** Of the digits a fifth: 2,000 images. */
const heldOutFraction = 0.2

const made = new Map<string, Promise<ShardedData>>()

/** A shard a worker of the images: mixed, or in the order of their digits, so that of ten each of four sees two or three. */
export function dataOf(task: TaskName, workers: number): Promise<ShardedData> {
  const key = `${task} ${workers}`
  const data = made.get(key) ?? makeData(task, workers)
  made.set(key, data)
  return data
}

async function makeData(task: TaskName, workers: number): Promise<ShardedData> {
  const model: ModelSpec = models[task]
  if (model.preset === 'gpt') return shardText(await mobyDick(), { context: model.context })
  const split = task === 'mnist-by-label' ? 'by-label' : 'shuffled'
  return shardRows(mnistRows(), { standardize: true, heldOutFraction, split, shards: workers, seed: 0 })
}
