import fc from 'fast-check'
import { expect, test } from 'vitest'
import { planFaults, quietRounds } from './plan.ts'

const options = fc.record({
  seed: fc.nat(),
  rounds: fc.integer({ min: 0, max: 60 }),
  workers: fc.integer({ min: 2, max: 32 }),
})

test('one seed makes one plan, and another seed another', () => {
  const plan = (seed: number) => planFaults({ seed, rounds: 40, workers: 8 })
  expect(plan(7)).toEqual(plan(7))
  expect(plan(7)).not.toEqual(plan(8))
})

test('a plan of five minutes has every kind of fault, and leaves the last rounds alone', () => {
  fc.assert(
    fc.property(options, ({ seed, workers }) => {
      const plan = planFaults({ seed, rounds: 40, workers })
      expect(new Set(plan.map(({ kind }) => kind)).size).toBe(14)
    }),
    { numRuns: 50 },
  )
  fc.assert(
    fc.property(options, ({ seed, rounds, workers }) => {
      for (const { round, worker, other, lengthMs } of planFaults({ seed, rounds, workers })) {
        expect(round).toBeGreaterThanOrEqual(1)
        expect(round).toBeLessThan(rounds - quietRounds)
        expect(lengthMs).toBeLessThanOrEqual(20_000)
        if (worker !== null) expect(worker).toBeLessThan(workers)
        if (other !== null) expect([worker, other < workers]).not.toContain(other)
      }
    }),
  )
})

test('faults are told in the order of their rounds', () => {
  const rounds = planFaults({ seed: 1, rounds: 40, workers: 8 }).map(({ round }) => round)
  expect(rounds).toEqual([...rounds].sort((a, b) => a - b))
})
