import { expect, test } from 'vitest'
import { ortCpuEngine } from '../../worker/engine/ort-cpu.ts'
import { checkProgram } from '../check-program.ts'
import { initialWeights } from '../initial-weights.ts'
import type { ModelSpec } from '../model-spec.ts'
import { elements } from '../operators/operator.ts'
import type { InnerOptimizer } from '../optimizers/inner-optimizer.ts'
import type { ParameterTable } from '../parameter-table.ts'
import { buildTrainingProgram } from '../training-program.ts'
import { mergedWeights } from './merge.ts'

const sizes = { preset: 'gpt', layers: 2, width: 8, heads: 2, context: 4, batch: 2 } as const
const lora = { rank: 2, alpha: 4 }

const batch = {
  inputs: BigInt64Array.of(1n, 2n, 3n, 4n, 5n, 6n, 7n, 8n),
  targets: BigInt64Array.of(2n, 3n, 4n, 5n, 6n, 7n, 8n, 9n),
}

/** As after some training: no factor is zero, and what the factors add is as large as the weights are. */
const trainedWeights = (table: ParameterTable): Float32Array =>
  initialWeights(table, 1).map((value, index) =>
    index < table.movingCount ? Math.fround(((index * 7919) % 101) / 202 - 0.25) : value,
  )

async function train(spec: ModelSpec, innerOptimizer: InnerOptimizer, steps: number) {
  const { training, table } = buildTrainingProgram(spec, { innerOptimizer, lora })
  const session = await ortCpuEngine().loadTraining(training)
  const params = initialWeights(table, 1)
  const optimizer = session.info.optimizerSlots.map(() => new Float32Array(table.movingCount))
  await session.writeState({ params, optimizer, step: 0 })
  const losses: number[] = []
  for (let step = 0; step < steps; step++)
    losses.push((await session.step(batch, { learningRate: 0.02 })).lossNats)
  const after = (await session.readState()).params
  await session.close()
  return { table, params, after, losses }
}

test.each<[InnerOptimizer, 'default' | 'gpt2' | 'modern']>([
  ['adamw', 'default'],
  ['muon', 'modern'],
  ['sgd', 'gpt2'],
  ['lion', 'default'],
])('under %s a GPT of style %s learns by its factors alone', async (innerOptimizer, style) => {
  const { table, params, after, losses } = await train({ ...sizes, style }, innerOptimizer, 12)
  expect(losses.at(-1)).toBeLessThan(losses[0]!)
  expect(after.subarray(table.movingCount)).toEqual(params.subarray(table.movingCount))
  for (const { name, shape, offset } of table.parameters.filter(({ role }) => role === undefined)) {
    expect(name).toMatch(/\.lora_[AB]$/)
    const [was, is] = [params, after].map((flat) => flat.subarray(offset, offset + elements(shape)))
    expect(is, name).not.toEqual(was)
  }
})

test('the table has a pair for each matrix of attention and MLP, and all else frozen behind them', () => {
  const { table, training, evaluation, sampling } = buildTrainingProgram(sizes, { lora })
  for (const program of [training, evaluation, sampling]) expect(checkProgram(program).table).toEqual(table)
  const own = buildTrainingProgram(sizes).table
  expect(table.parameters.slice(0, 4).map(({ name, shape }) => [name, shape])).toEqual([
    ['layer0.attention.qkv.lora_A', [8, 2]],
    ['layer0.attention.qkv.lora_B', [2, 24]],
    ['layer0.attention.out.lora_A', [8, 2]],
    ['layer0.attention.out.lora_B', [2, 8]],
  ])
  expect(table.trainedCount).toBe(2 * 2 * (8 + 24 + (8 + 8) + 2 * (8 + 32)))
  expect(table.movingCount).toBe(table.trainedCount)
  expect(table.count - table.movingCount).toBe(own.count)
  const frozen = table.parameters.filter(({ role }) => role === 'frozen').map(({ name }) => name)
  expect(frozen.sort()).toEqual(own.parameters.map(({ name }) => name).sort())
})

test('before the first step, B being zero, the adapted model is the model itself', async () => {
  const adapted = buildTrainingProgram(sizes, { lora })
  const own = buildTrainingProgram(sizes)
  const theta = initialWeights(adapted.table, 1)
  const merged = mergedWeights(theta, adapted.table.parameters, lora)
  const engine = ortCpuEngine()
  const losses: number[] = []
  for (const [program, params] of [
    [adapted.evaluation, theta],
    [own.evaluation, inOrderOf(own.table, merged)],
  ] as const) {
    const session = await engine.loadEvaluation(program)
    losses.push((await session.evaluate(params, batch)).lossNats)
    await session.close()
  }
  expect(losses[0]).toBe(losses[1])
})

function inOrderOf(table: ParameterTable, merged: ReturnType<typeof mergedWeights>): Float32Array {
  const flat = new Float32Array(table.count)
  for (const { name, shape, offset } of table.parameters) {
    const from = merged.table.find((place) => place.name === name)!.offset
    flat.set(merged.theta.subarray(from, from + elements(shape)), offset)
  }
  return flat
}

test.each<ModelSpec>([
  { ...sizes, style: 'default' },
  { ...sizes, style: 'gpt2' },
  { ...sizes, style: 'modern' },
])(
  'merged into the weights of a GPT of style $style, factors give the logits that they gave apart',
  async (spec) => {
    const adapted = buildTrainingProgram(spec, { lora })
    const own = buildTrainingProgram(spec)
    const theta = trainedWeights(adapted.table)
    const merged = mergedWeights(theta, adapted.table.parameters, lora)
    expect(merged.theta.length).toBe(own.table.count)
    const engine = ortCpuEngine()
    const logits: Float32Array[] = []
    for (const [program, params] of [
      [adapted.sampling, theta],
      [own.sampling, inOrderOf(own.table, merged)],
      [
        own.sampling,
        inOrderOf(own.table, mergedWeights(initialWeights(adapted.table, 1), adapted.table.parameters, lora)),
      ],
    ] as const) {
      const session = await engine.loadSampling(program)
      logits.push((await session.logits(params, batch.inputs.slice(0, 4))).slice())
      await session.close()
    }
    const farthest = (a: Float32Array, b: Float32Array) =>
      Math.max(...a.map((value, index) => Math.abs(value - b[index]!)))
    expect(farthest(logits[0]!, logits[1]!)).toBeLessThan(1e-5)
    expect(farthest(logits[0]!, logits[2]!)).toBeGreaterThan(0.1)
  },
)

test.each([
  ['a rank of nothing', { rank: 0, alpha: 1 }, 'rank is 0'],
  ['a rank beyond a side', { rank: 9, alpha: 1 }, 'at most 8'],
  ['no scale', { rank: 1, alpha: 0 }, 'alpha is 0'],
  ['a target that is not there', { rank: 1, alpha: 1, targets: ['*.query'] }, 'targets has *.query'],
  ['a target that is no matrix', { rank: 1, alpha: 1, targets: ['*.scale'] }, 'targets has *.scale'],
  ['a matrix that is looked up in', { rank: 1, alpha: 1, targets: ['token_embedding'] }, 'targets has token'],
])('%s is refused', (_, wrong, message) => {
  expect(() => buildTrainingProgram({ ...sizes, style: 'gpt2' }, { lora: wrong })).toThrow(
    expect.objectContaining({
      code: 'MODEL_INVALID',
      exit: 'usage',
      message: expect.stringContaining(message),
    }),
  )
})

test('lora beside freeze is refused', () => {
  expect(() => buildTrainingProgram(sizes, { lora, freeze: ['head'] })).toThrow(
    expect.objectContaining({ code: 'MODEL_INVALID' }),
  )
})

test('a classifier’s matrices are adapted all, or those that are named', () => {
  const mlp = { preset: 'mlp', features: 6, hidden: [5], classes: 4, batch: 2 } as const
  const adapted = (targets?: readonly string[]) =>
    buildTrainingProgram(mlp, { lora: { ...lora, targets: targets ?? null } }).table.parameters.flatMap(
      ({ name, role }) => (role === undefined ? [name] : []),
    )
  expect(adapted()).toEqual(
    ['layer0.weight', 'head.weight'].flatMap((name) => [`${name}.lora_A`, `${name}.lora_B`]),
  )
  expect(adapted(['head.*'])).toEqual(['head.weight.lora_A', 'head.weight.lora_B'])
})

test('gradients of the factors are those of finite differences', async () => {
  const options = {
    lora,
    innerOptimizer: 'sgd',
    optimizer: { momentum: 0, clipNorm: 1e9, weightDecay: 0 },
  } as const
  const { training, evaluation, table } = buildTrainingProgram({ ...sizes, style: 'gpt2' }, options)
  const params = trainedWeights(table)
  const engine = ortCpuEngine()
  const session = await engine.loadTraining(training)
  await session.writeState({ params, optimizer: [], step: 0 })
  await session.step(batch, { learningRate: 1 })
  const after = (await session.readState()).params
  await session.close()
  const gradient = params.map((value, index) => value - after[index]!)
  const measuring = await engine.loadEvaluation(evaluation)
  const lossAt = async (index: number, by: number) => {
    const moved = params.slice()
    moved[index] = Math.fround(params[index]! + by)
    return (await measuring.evaluate(moved, batch)).lossNats
  }
  const step = 2 ** -6
  for (let index = 0; index < table.movingCount; index += 5) {
    const slope = ((await lossAt(index, step)) - (await lossAt(index, -step))) / (2 * step)
    expect(Math.abs(slope - gradient[index]!), `value ${index}`).toBeLessThan(2e-4)
  }
  await measuring.close()
  expect(Math.max(...gradient.map(Math.abs))).toBeGreaterThan(0.02)
})
