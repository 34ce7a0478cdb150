import { assert, expect, test } from 'vitest'
import { readRunModel } from './run-model.ts'
import { buildTrainingProgram, trainingMemory } from './training-program.ts'

/** As the built program says, the state that a step reads and the copy that its digest is taken of included. */
const aliveOf = (training: Uint8Array): number => readRunModel(training).memoryBytes

const base = { preset: 'gpt', layers: 2, width: 64, heads: 2, context: 32, batch: 4 } as const

test.each([
  ['a small model', {}],
  ['many rows', { batch: 64 }],
  ['a context of one block of queries', { heads: 32, context: 127, layers: 1 }],
  ['a long context', { context: 512 }],
  ['many heads', { heads: 16, context: 128 }],
  ['a wide model', { width: 512, heads: 8 }],
  ['a deep model', { layers: 12 }],
  ['a large vocabulary', { vocabulary: 5000, batch: 32 }],
  ['GPT-2', { style: 'gpt2', batch: 64 }],
  ['a modern model', { style: 'modern', batch: 64 }],
  ['a modern model of a long context', { style: 'modern', context: 512 }],
  [
    'one key for all queries, untied, with biases',
    { style: 'modern', keyValueHeads: 1, tied: false, biases: 'all' },
  ],
] as const)('the estimate covers what is alive at once, without crying wolf: %s', (_, change) => {
  const { training, memory } = buildTrainingProgram({ ...base, ...change })
  assert(memory !== null)
  const alive = aliveOf(training)
  expect(memory.totalBytes).toBeGreaterThan(alive)
  expect(memory.totalBytes).toBeLessThan(alive * 1.75)
})

test.each([
  ['adamw', {}, 1],
  ['adamw', {}, 4],
  ['muon', {}, 1],
  ['muon', {}, 4],
  ['normuon', {}, 4],
  ['lion', {}, 1],
  ['sgd', { momentum: 0 }, 1],
] as const)(
  'where parameters are most of it, under %s with %j in %i parts',
  (innerOptimizer, optimizer, accumulate) => {
    const wide = { ...base, style: 'gpt2', width: 512, context: 8, batch: 4, vocabulary: 3000 } as const
    const { training, memory } = buildTrainingProgram(wide, { innerOptimizer, optimizer, accumulate })
    assert(memory !== null)
    const alive = aliveOf(training)
    expect(memory.totalBytes).toBeGreaterThan(alive)
    expect(memory.totalBytes).toBeLessThan(alive * 3)
  },
)

test.each([
  [
    'low-rank factors beside many parameters',
    { width: 512, context: 8, vocabulary: 3000 },
    { lora: { rank: 8, alpha: 16 } },
  ],
  ['low-rank factors beside long texts', { context: 512 }, { lora: { rank: 8, alpha: 16 } }],
  [
    'all but the last layer frozen',
    { width: 512, layers: 4, context: 8 },
    { freeze: ['*embedding', 'layer0.*', 'layer1.*', 'layer2.*'] },
  ],
] as const)('the estimate knows what is frozen: %s', (_, change, options) => {
  const spec = { ...base, ...change }
  const { training, memory } = buildTrainingProgram(spec, options)
  assert(memory !== null)
  expect(memory).toEqual(trainingMemory(spec, options))
  const alive = aliveOf(training)
  expect(memory.totalBytes).toBeGreaterThan(alive)
  expect(memory.totalBytes).toBeLessThan(alive * 3)
})

test.each([
  ['a deep model', { layers: 12 }, {}],
  ['a long context', { context: 512 }, {}],
  ['GPT-2 in parts', { style: 'gpt2', batch: 64 }, { accumulate: 4 }],
  ['a modern model with low-rank factors', { style: 'modern', batch: 64 }, { lora: { rank: 4, alpha: 8 } }],
] as const)('and what is computed twice: %s', (_, change, options) => {
  const spec = { ...base, ...change }
  const { training, memory } = buildTrainingProgram(spec, { ...options, recompute: true })
  assert(memory !== null)
  const alive = aliveOf(training)
  expect(memory.totalBytes).toBeGreaterThan(alive)
  expect(memory.totalBytes).toBeLessThan(alive * 3)
})

test.each([
  ['kept', {}],
  ['computed twice', { recompute: true }],
] as const)('scores that no block of queries has are not counted: %s', (_, options) => {
  const spec = { ...base, heads: 16, context: 512 }
  const { training, memory } = buildTrainingProgram(spec, options)
  assert(memory !== null)
  const alive = aliveOf(training)
  expect(memory.totalBytes).toBeGreaterThan(alive)
  expect(memory.totalBytes).toBeLessThan(alive * 1.5)
})

test.each([
  ['a long context', { context: 512 }, {}],
  ['many heads', { heads: 16, context: 128 }, {}],
  ['GPT-2 in parts', { style: 'gpt2', batch: 64 }, { accumulate: 4 }],
  ['a deep model, computed twice', { layers: 12 }, { recompute: true }],
] as const)('and what products in float16 are cast to: %s', (_, change, options) => {
  const spec = { ...base, ...change }
  const { training, memory } = buildTrainingProgram(spec, { ...options, compute: 'f16' })
  assert(memory !== null)
  const alive = aliveOf(training)
  expect(memory.totalBytes).toBeGreaterThan(alive)
  expect(memory.totalBytes).toBeLessThan(alive * 1.75)
})
