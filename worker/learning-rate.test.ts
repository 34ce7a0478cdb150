import fc from 'fast-check'
import { expect, test } from 'vitest'
import { parseRunFile } from '../protocol/run-spec.ts'
import { learningRateAt } from './learning-rate.ts'

const { train } = parseRunFile(
  { train: { innerSteps: 40, learningRate: 3e-3, warmupSteps: 20, finalLearningRate: 0.1 } },
  'run.yaml',
)
const total = train.innerSteps * train.roundsPerEpoch * train.epochs

test('linear warm-up to the peak', () => {
  expect(learningRateAt(train, 0)).toBe(Math.fround(3e-3 / 20))
  expect(learningRateAt(train, 9)).toBe(Math.fround(3e-3 / 2))
  expect(learningRateAt(train, 19)).toBe(Math.fround(3e-3))
  expect(learningRateAt(train, 20)).toBe(Math.fround(3e-3))
  expect(learningRateAt({ ...train, warmupSteps: 0 }, 0)).toBe(Math.fround(3e-3))
})

test('then half a cosine, as Math.cos has it, within 1e-9', () => {
  for (let step = 20; step < total; step++) {
    const cosine = (1 + Math.cos((Math.PI * (step - 20)) / (total - 20))) / 2
    const expected = 3e-3 * (0.1 + 0.9 * cosine)
    expect(Math.abs(learningRateAt(train, step) - expected)).toBeLessThan(1e-9)
  }
})

test('ends at the final share of the peak, and stays there', () => {
  expect(learningRateAt(train, total)).toBe(Math.fround(3e-4))
  expect(learningRateAt(train, total + 1000)).toBe(Math.fround(3e-4))
  // A warm-up as long as the run leaves no cosine to divide by.
  expect(learningRateAt({ ...train, warmupSteps: total }, total)).toBe(Math.fround(3e-3))
})

test('every rate is a positive f32, and none rises after the warm-up', () => {
  const schedule = fc.record({
    learningRate: fc.double({ min: 1e-6, max: 1, noNaN: true }),
    warmupSteps: fc.nat(50),
  })
  fc.assert(
    fc.property(schedule, fc.nat(total), (change, step) => {
      const of = { ...train, ...change }
      const rate = learningRateAt(of, step)
      expect(rate).toBe(Math.fround(rate))
      expect(rate).toBeGreaterThan(0)
      expect(rate).toBeLessThanOrEqual(Math.fround(of.learningRate))
      if (step >= of.warmupSteps) expect(learningRateAt(of, step + 1)).toBeLessThanOrEqual(rate)
    }),
  )
})
