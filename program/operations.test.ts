import { expect, test } from 'vitest'
import { defaultModel } from './model-spec.ts'
import { adjustedOperations, operationsPerToken } from './operations.ts'
import { classifierParameters } from './presets/classifier.ts'

test('each parameter is multiplied and added once forwards and twice backwards; a GPT also attends', () => {
  const mlp = { preset: 'mlp', features: 10, hidden: [5], classes: 3 } as const
  expect(operationsPerToken(mlp, 100)).toBe(600)
  const [gpt, attention] = [operationsPerToken(defaultModel, 1000), 12 * 4 * 128 * 64]
  expect(gpt).toBe(6000 + attention)
})

test('a filter is used at every pixel that its block sees', () => {
  const cnn = { preset: 'cnn', channels: 1, height: 8, width: 6, filters: [2, 3], classes: 4 } as const
  const { count } = classifierParameters(cnn)
  const [first, second] = [9 * 2 + 2, 9 * 2 * 3 + 3]
  expect(operationsPerToken(cnn, count)).toBe(6 * (first * 48 + second * 12 + (3 * 2 * 1 * 4 + 4)))
})

test('what is frozen has no gradient, and recomputation is another forward pass', () => {
  expect(adjustedOperations(600, { frozenCount: 0, recompute: false })).toBe(600)
  expect(adjustedOperations(600, { frozenCount: 90, recompute: false })).toBe(420)
  expect(adjustedOperations(600, { frozenCount: 90, recompute: true })).toBe(620)
})
