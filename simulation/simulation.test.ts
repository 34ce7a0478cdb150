import { expect, test } from 'vitest'
import { noFaults } from './plan.ts'
import { failuresOf, range, simulate } from './simulate.ts'

test.each([1, 26, 51, 76])('whatever goes wrong in 25 seeds from %i, every rule holds', (from) => {
  expect(failuresOf(range(from, from + 24))).toEqual([])
})

test('equal seeds have equal histories, others have others', () => {
  const traces = [3, 7, 24].map((seed) => simulate(seed).trace)
  expect([3, 7, 24].map((seed) => simulate(seed).trace)).toEqual(traces)
  expect(new Set(traces).size).toBe(3)
})

test('in calm weather no round is void and everybody takes part', () => {
  const lines: string[] = []
  const calm = { workers: 5, heads: 1, adversary: null, faults: noFaults, troubleMs: 1_000 }
  const { violations, thrown } = simulate(1, calm, { onTrace: (line) => lines.push(line) })
  expect([violations, thrown]).toEqual([[], null])
  expect(lines.filter((line) => line.includes('BELOW_QUORUM') || line.includes('NOT_COMMITTED'))).toEqual([])
})
