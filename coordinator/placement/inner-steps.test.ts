import fc from 'fast-check'
import { expect, test } from 'vitest'
import { workerId } from '../../protocol/ids.ts'
import { cappedAtMiddle, innerStepsFor } from './inner-steps.ts'
import { afterRound } from './stragglers.ts'

const speeds = (...values: number[]) => new Map(values.map((value, index) => [workerId(`w${index}`), value]))
const steps = (...args: Parameters<typeof innerStepsFor>) => [...innerStepsFor(...args).values()]

test('all finish together: steps in proportion to speed', () => {
  expect(steps(speeds(1000, 500, 750), 60)).toEqual([60, 30, 45])
})

test('the slowest still trains its least share, and a trace has all its boundaries', () => {
  expect(steps(speeds(1000, 1), 60)).toEqual([60, 15])
  expect(steps(speeds(1000, 1), 8, { segments: 4 })).toEqual([8, 4])
})

test('one that pretends to be fast changes nobody’s share', () => {
  const honest = steps(cappedAtMiddle(speeds(1000, 1000, 500, 900)), 60)
  expect(honest).toEqual([60, 60, 30, 54])
  expect(steps(cappedAtMiddle(speeds(1000, 1000, 500, 1e12)), 60)).toEqual([60, 60, 30, 60])
  expect(steps(cappedAtMiddle(speeds(0, Number.NaN)), 60)).toEqual([60, 60])
})

test('who has not been measured trains all steps', () => {
  expect(steps(speeds(1000, 0, Number.NaN, -1, Number.POSITIVE_INFINITY), 60)).toEqual([60, 60, 60, 60, 60])
  expect(steps(speeds(0, 0), 60)).toEqual([60, 60])
})

test('noise changes nothing, a real change does', () => {
  const previous = innerStepsFor(speeds(1000, 500), 60)
  expect(steps(speeds(1000, 540), 60, { previous })).toEqual([60, 30])
  expect(steps(speeds(960, 500), 60, { previous })).toEqual([60, 30])
  expect(steps(speeds(1000, 700), 60, { previous })).toEqual([60, 42])
})

test('whole steps within bounds, deterministic, settled after one round', () => {
  const speed = fc.oneof(fc.double({ min: 0, max: 1e9 }), fc.constant(Number.NaN))
  fc.assert(
    fc.property(
      fc.array(speed, { minLength: 1, maxLength: 20 }),
      fc.integer({ min: 1, max: 65_535 }),
      fc.integer({ min: 1, max: 16 }),
      fc.double({ min: 0, max: 1, noNaN: true }),
      (values, innerSteps, wanted, minShare) => {
        const segments = Math.min(wanted, innerSteps)
        const first = innerStepsFor(speeds(...values), innerSteps, { segments, minShare })
        for (const count of first.values()) {
          expect(Number.isInteger(count) && count >= segments && count <= innerSteps).toBe(true)
          expect(count).toBeGreaterThanOrEqual(Math.floor(innerSteps * minShare))
        }
        expect(Math.max(...first.values())).toBe(innerSteps)
        const again = innerStepsFor(speeds(...values), innerSteps, { segments, minShare, previous: first })
        expect(again).toEqual(first)
      },
    ),
    { seed: 4 },
  )
})

test('a straggler is demoted after k misses, readmitted on probation, cleared by a contribution', () => {
  const outcomes = [false, false, false, false, true, false]
  let misses = 0
  const demotions = outcomes.map((admitted) => {
    const after = afterRound(misses, admitted, 3)
    misses = after.misses
    return after.demoted
  })
  expect(demotions).toEqual([false, false, true, true, false, false])
})
