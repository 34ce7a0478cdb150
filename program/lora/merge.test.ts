import { expect, test } from 'vitest'
import { adapterNames } from './adapter-names.ts'
import { mergedWeights } from './merge.ts'

const { a, b } = adapterNames('w', false)
const table = [
  { name: 'w', shape: [2, 3], offset: 0 },
  { name: a, shape: [2, 1], offset: 6 },
  { name: b, shape: [1, 3], offset: 8 },
]
const theta = Float32Array.from([1, 2, 3, 4, 5, 6, 10, 20, 1, 2, 3])

test('W + α/r · A·B, without the factors', () => {
  const merged = mergedWeights(theta, table, { rank: 1, alpha: 0.5 })
  expect([...merged.theta]).toEqual([6, 12, 18, 14, 25, 36])
  expect(merged.table).toEqual([{ name: 'w', shape: [2, 3], offset: 0 }])
})

test('factors of another rank than the run claims are refused', () => {
  expect(() => mergedWeights(theta, table, { rank: 60, alpha: 1 })).toThrow(
    expect.objectContaining({ code: 'MODEL_INVALID', message: expect.stringContaining('not of rank 60') }),
  )
})
