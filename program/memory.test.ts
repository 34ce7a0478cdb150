import { assert, expect, test } from 'vitest'
import { checkProgram } from './check-program.ts'
import { buildTrainingProgram } from './training-program.ts'

const base = { preset: 'gpt', layers: 2, width: 64, heads: 2, context: 32, batch: 4 } as const

test.each([
  ['a small model', {}],
  ['many rows', { batch: 64 }],
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
  const alive = checkProgram(training).peakBytes + memory.stateBytes / 2
  expect(memory.totalBytes).toBeGreaterThan(alive)
  expect(memory.totalBytes).toBeLessThan(alive * 3)
})

test.each([
  ['adamw', {}, 1],
  ['adamw', {}, 4],
  ['muon', {}, 1],
  ['muon', {}, 4],
  ['lion', {}, 1],
  ['sgd', { momentum: 0 }, 1],
] as const)(
  'where parameters are most of it, under %s with %j in %i parts',
  (innerOptimizer, optimizer, accumulate) => {
    const wide = { ...base, style: 'gpt2', width: 512, context: 8, batch: 4, vocabulary: 3000 } as const
    const { training, memory } = buildTrainingProgram(wide, { innerOptimizer, optimizer, accumulate })
    assert(memory !== null)
    const alive = checkProgram(training).peakBytes + memory.stateBytes / 2
    expect(memory.totalBytes).toBeGreaterThan(alive)
    expect(memory.totalBytes).toBeLessThan(alive * 3)
  },
)
