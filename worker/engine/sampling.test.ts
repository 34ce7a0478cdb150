import { expect, test } from 'vitest'
import { initialWeights } from '../../program/initial-weights.ts'
import { buildTrainingProgram } from '../../program/training-program.ts'
import { ortCpuEngine } from './ort-cpu.ts'
import { choose, sampleText } from './sampling.ts'

const { sampling, table } = buildTrainingProgram({
  preset: 'gpt',
  layers: 1,
  width: 16,
  heads: 2,
  context: 8,
  batch: 4,
})
const params = initialWeights(table, 1)
const prompt = new TextEncoder().encode('Call')
const options = { count: 20, temperature: 1, topK: 40, seed: 5 }

test('a sample is a pure function of its arguments, longer than the context too', async () => {
  const session = await ortCpuEngine().loadSampling(sampling)
  const first = await sampleText(session, params, prompt, options)
  expect(first).toHaveLength(20)
  expect(await sampleText(session, params, prompt, options)).toEqual(first)
  expect(await sampleText(session, params, prompt, { ...options, seed: 6 })).not.toEqual(first)
  await expect(sampleText(session, params, new Uint8Array(), options)).rejects.toMatchObject({
    code: 'PROMPT_EMPTY',
  })
  await session.close()
})

test('no position sees a later token', async () => {
  const session = await ortCpuEngine().loadSampling(sampling)
  const tokens = BigInt64Array.from([1n, 2n, 3n, 4n, 5n, 6n, 7n, 8n])
  const before = await session.logits(params, tokens)
  const changed = tokens.with(5, 200n)
  const after = await session.logits(params, changed)
  expect(after.subarray(0, 5 * 256)).toEqual(before.subarray(0, 5 * 256))
  expect(after.subarray(5 * 256)).not.toEqual(before.subarray(5 * 256))
  await session.close()
})

test('choosing: greedy at temperature 0, only among the top k, by weight', () => {
  const logits = Float32Array.of(0, Math.log(3), -1, 0)
  expect(choose(logits, { temperature: 0, topK: 4 }, 0.99)).toBe(1)
  expect(choose(logits, { temperature: 1, topK: 2 }, 0.74)).toBe(1)
  expect(choose(logits, { temperature: 1, topK: 2 }, 0.76)).toBe(0)
  expect(choose(logits, { temperature: 1, topK: 1 }, 0.999)).toBe(1)
})
