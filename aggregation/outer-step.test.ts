import fc from 'fast-check'
import { expect, test } from 'vitest'
import { floatBytes, floatsOf } from './float-bytes.ts'
import { outerSgd, pseudoGradient } from './outer-sgd.ts'
import type { SparseUpdate } from './sparse-update.ts'
import { stateRoot } from './state-root.ts'
import { weightedMean } from './weighted-mean.ts'

const update = (indices: number[], values: number[]): SparseUpdate => ({
  parameterCount: 4,
  indices: Uint32Array.from(indices),
  values: Float32Array.from(values),
})

test('the mean weighs by tokens', () => {
  const mean = weightedMean(
    [
      { update: update([0, 2], [4, 1]), tokens: 1 },
      { update: update([0, 3], [8, -4]), tokens: 3 },
    ],
    4,
  )
  expect([...mean]).toEqual([7, 0, 0.25, -3])
})

test('the manifest’s order is part of the result', () => {
  const parts = [1, 2 ** 25, -(2 ** 25)].map((value) => ({ update: update([0], [value]), tokens: 1 }))
  const [a, b, c] = parts as [(typeof parts)[0], (typeof parts)[0], (typeof parts)[0]]
  expect(weightedMean([a, b, c], 4)[0]).not.toBe(weightedMean([b, c, a], 4)[0])
})

test('one worker alone: the outer step with rate 1 ends where the worker did, up to rounding', () => {
  const start = Float32Array.of(1, 2, 3, 4)
  const end = Float32Array.of(0.5, 2, 3.25, 5)
  const delta = pseudoGradient(start, end, new Float32Array(4))
  expect([...delta]).toEqual([0.5, 0, -0.25, -1])
  outerSgd(start, delta)
  expect(start).toEqual(end)
})

test('state roots tell apart every bit, and length', () => {
  const theta = Float32Array.of(1, 0)
  const roots = [theta, Float32Array.of(1, -0), Float32Array.of(1), Float32Array.of(1, 0, 0)].map(stateRoot)
  expect(new Set(roots).size).toBe(4)
  expect(stateRoot(new Float32Array([9, 1, 0]).subarray(1))).toBe(roots[0])
  expect(() => stateRoot(Float32Array.of(Number.NaN))).toThrow(
    expect.objectContaining({ code: 'STATE_NOT_FINITE' }),
  )
})

test('canonical bytes round-trip', () => {
  expect([...floatBytes(Float32Array.of(1))]).toEqual([0, 0, 0x80, 0x3f])
  fc.assert(
    fc.property(fc.float32Array(), (values) => {
      expect(floatsOf(floatBytes(values))).toEqual(values)
    }),
  )
})
