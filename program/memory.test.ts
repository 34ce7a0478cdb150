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
])('the estimate covers what is alive at once, without crying wolf: %s', (_, change) => {
  const { training, memory } = buildTrainingProgram({ ...base, ...change })
  assert(memory !== null)
  const alive = checkProgram(training).peakBytes + memory.stateBytes / 2
  expect(memory.totalBytes).toBeGreaterThan(alive)
  expect(memory.totalBytes).toBeLessThan(alive * 3)
})
