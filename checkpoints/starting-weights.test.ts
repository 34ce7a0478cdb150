import { expect, test } from 'vitest'
import { elements } from '../program/operators/operator.ts'
import { readRunModel } from '../program/run-model.ts'
import { buildTrainingProgram } from '../program/training-program.ts'
import { parseRunFile } from '../protocol/run-spec.ts'
import { startingWeights } from './starting-weights.ts'
import { writeWeightsFile } from './weights-file.ts'

const shape = { preset: 'gpt', layers: 1, width: 8, heads: 2, context: 4, batch: 2 } as const
const lora = { rank: 2, alpha: 4, targets: null }
const { train } = parseRunFile({ train: { seed: 5, lora } }, 'run.yaml')
const own = buildTrainingProgram(shape).table
const model = readRunModel(buildTrainingProgram(shape, { lora }).training)
const theta = Float32Array.from({ length: own.count }, (_, index) => index / own.count)

const start = async (file: Awaited<ReturnType<typeof writeWeightsFile>>) =>
  startingWeights({ init: { weights: file.cid }, train }, model, async (cid) => file.blocks.get(cid)!)

test('a run with low-rank factors starts from the model that it adapts, its factors from the seed', async () => {
  const started = await start(await writeWeightsFile(theta, own.parameters))
  const seeded = model.initialWeights(train.seed)
  expect(started.subarray(0, model.movingCount)).toEqual(seeded.subarray(0, model.movingCount))
  expect(started.subarray(0, model.movingCount).some((value) => value !== 0)).toBe(true)
  for (const { name, shape: of, offset, role } of model.table) {
    if (role === undefined) continue
    const from = own.parameters.find((parameter) => parameter.name === name)!.offset
    const values = started.subarray(offset, offset + elements(of))
    expect(values, name).toEqual(theta.subarray(from, from + elements(of)))
  }
})

test('or from an earlier state of its own, factors included', async () => {
  const earlier = Float32Array.from({ length: model.parameterCount }, (_, index) => index)
  expect(await start(await writeWeightsFile(earlier, model.table))).toEqual(earlier)
})

test('a file of another model is refused', async () => {
  const other = buildTrainingProgram({ ...shape, context: 6 }).table
  await expect(
    start(await writeWeightsFile(new Float32Array(other.count), other.parameters)),
  ).rejects.toThrow(expect.objectContaining({ code: 'CHECKPOINT_MISMATCH' }))
})
