import { expect, test } from 'vitest'
import { drawsAt } from '../protocol/random.ts'
import type { Batch } from '../worker/engine/engine.ts'
import { ortCpuEngine } from '../worker/engine/ort-cpu.ts'
import { checkProgram } from './check-program.ts'
import { initialWeights } from './initial-weights.ts'
import type { ModelSpec } from './model-spec.ts'
import { elements } from './operators/operator.ts'
import { readRunModel } from './run-model.ts'
import { buildTrainingProgram } from './training-program.ts'

const gpt: ModelSpec = { preset: 'gpt', layers: 2, width: 16, heads: 2, context: 8, batch: 12 }
const cnn: ModelSpec = {
  ...{ preset: 'cnn', channels: 1, height: 4, width: 4 },
  ...{ filters: [3], classes: 5, batch: 12 },
}

/** Two steps of SGD: what moves the parameters is the gradient. */
async function trained(spec: ModelSpec, accumulate: number, compute: 'f32' | 'f16' = 'f32') {
  const { training, table } = buildTrainingProgram(spec, {
    ...{ accumulate, compute, innerOptimizer: 'sgd' as const },
    optimizer: { momentum: 0, clipNorm: 1e6 },
  })
  const session = await ortCpuEngine().loadTraining(training)
  const { inputs, targets } = session.info
  await session.writeState({ params: initialWeights(table, 1), optimizer: [], step: 0 })
  const draw = drawsAt(1, 'simulation', [0, 0])
  const ints = (shape: readonly number[], below: number) =>
    BigInt64Array.from({ length: elements(shape) }, () => BigInt(draw() % below))
  const floats = (shape: readonly number[]) =>
    Float32Array.from({ length: elements(shape) }, () => draw() / 2 ** 31 - 1)
  const results = []
  for (let step = 0; step < 2; step++) {
    const batch: Batch = {
      inputs: inputs.type === 'int64' ? ints(inputs.shape, 256) : floats(inputs.shape),
      targets: ints(targets.shape, 5),
    }
    results.push(await session.step(batch, { learningRate: 0.1 }))
  }
  const { params } = await session.readState()
  await session.close()
  return { results, params, info: session.info }
}

test.each([
  ['a GPT', gpt],
  ['a CNN', cnn],
])('%s: the gradient of a batch is the same in parts', async (_, spec) => {
  const whole = await trained(spec, 1)
  for (const parts of [2, 6]) {
    const { results, params, info } = await trained(spec, parts)
    for (const key of ['inputs', 'targets', 'logits', 'tokensPerStep'] as const)
      expect(info[key]).toEqual(whole.info[key])
    for (const [step, { lossNats, gradNorm }] of results.entries()) {
      expect(lossNats).toBeCloseTo(whole.results[step]!.lossNats, 5)
      expect(gradNorm).toBeCloseTo(whole.results[step]!.gradNorm, 4)
    }
    const difference = params.reduce(
      (most, value, at) => Math.max(most, Math.abs(value - whole.params[at]!)),
      0,
    )
    expect(difference).toBeLessThan(2e-6)
  }
})

test('in parts it takes less memory, and the estimate still covers it', () => {
  const spec = { ...gpt, width: 64, context: 64, batch: 64 } as const
  const sizes = [1, 2, 4, 8].map((accumulate) => {
    const { training, memory } = buildTrainingProgram(spec, { accumulate })
    const alive = readRunModel(training).memoryBytes
    expect(memory!.totalBytes).toBeGreaterThan(alive)
    expect(memory!.totalBytes).toBeLessThan(alive * 3)
    return alive
  })
  for (const [index, size] of sizes.slice(1).entries()) expect(size).toBeLessThan(sizes[index]! * 0.7)
})

test.each([
  ['a part of a row', 5],
  ['no part', 0],
  ['half a part', 0.5],
])('%s is refused', (_, accumulate) => {
  expect(() => buildTrainingProgram(gpt, { accumulate })).toThrow(
    expect.objectContaining({ code: 'MODEL_INVALID', exit: 'usage' }),
  )
})

test('more parts than a program has room for are refused before they are built, with how many fit', () => {
  expect(() => buildTrainingProgram({ ...gpt, batch: 4096 }, { accumulate: 4096 })).toThrow(
    expect.objectContaining({ code: 'MODEL_INVALID', message: expect.stringMatching(/at most \d+ parts/) }),
  )
})

test('parts that casts to float16, or the optimizer, make too many are refused, with the keys that tell', () => {
  const built = (compute: 'f16' | 'f32', maxNodes: number) => {
    const options = { accumulate: 2, compute, maxNodes, innerOptimizer: 'muon' as const }
    return checkProgram(buildTrainingProgram(gpt, options).training).nodes
  }
  const [single, half] = [built('f32', 4000), built('f16', 4000)]
  expect(built('f32', single)).toBe(single)
  expect(built('f16', half)).toBe(half)
  expect(() => built('f16', half - 1)).toThrow(
    expect.objectContaining({
      code: 'MODEL_INVALID',
      message: expect.stringMatching(/train\.accumulate 2 with train\.compute f16/),
      next: expect.stringMatching(/train\.accumulate.*train\.compute/),
    }),
  )
  expect(() => built('f32', single - 1)).toThrow(
    expect.objectContaining({ code: 'MODEL_INVALID', next: 'lower train.accumulate' }),
  )
})

test('the scale that a loss has for float16 is taken back from its gradient', async () => {
  const whole = await trained(cnn, 1)
  for (const parts of [1, 2]) {
    const { results } = await trained(cnn, parts, 'f16')
    for (const [step, { lossNats, gradNorm }] of results.entries()) {
      expect(lossNats / whole.results[step]!.lossNats).toBeCloseTo(1, 2)
      expect(gradNorm / whole.results[step]!.gradNorm).toBeCloseTo(1, 2)
    }
  }
})
