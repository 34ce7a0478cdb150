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
    schedule: fc.constantFrom('cosine' as const, 'linear' as const, 'wsd' as const, 'constant' as const),
    decayShare: fc.double({ min: 0, max: 1, noNaN: true }),
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

test('linear: a straight line from the peak to the final share', () => {
  const of = { ...train, schedule: 'linear' as const }
  expect(learningRateAt(of, 20)).toBe(Math.fround(3e-3))
  expect(learningRateAt(of, (20 + total) / 2)).toBeCloseTo(3e-3 * 0.55, 9)
  expect(learningRateAt(of, total)).toBe(Math.fround(3e-4))
  expect(learningRateAt(of, total + 1)).toBe(Math.fround(3e-4))
})

test('wsd: warm-up, the peak, then a straight line over the last share of the steps', () => {
  const of = { ...train, schedule: 'wsd' as const, decayShare: 0.25 }
  for (const step of [20, total / 2, total * 0.75]) expect(learningRateAt(of, step)).toBe(Math.fround(3e-3))
  expect(learningRateAt(of, total * 0.875)).toBeCloseTo(3e-3 * 0.55, 9)
  expect(learningRateAt(of, total)).toBe(Math.fround(3e-4))
  // A share longer than what the warm-up leaves begins behind it; none at all ends on the peak.
  expect(learningRateAt({ ...of, decayShare: 1 }, 20)).toBe(Math.fround(3e-3))
  expect(learningRateAt({ ...of, decayShare: 0 }, total)).toBe(Math.fround(3e-3))
})

test('constant: the peak, whatever the final share is', () => {
  const of = { ...train, schedule: 'constant' as const }
  for (const step of [20, total, total * 2]) expect(learningRateAt(of, step)).toBe(Math.fround(3e-3))
})
