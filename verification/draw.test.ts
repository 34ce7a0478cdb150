import fc from 'fast-check'
import { expect, test } from 'vitest'
import { hashOf, peer } from '../protocol/fixtures/names.ts'
import { drawAudits } from './draw.ts'

const candidates = Array.from({ length: 40 }, (_, index) => ({
  worker: peer(index % 10),
  round: Math.floor(index / 10),
}))
const beacon = hashOf('block')

test('distinct candidates, as many as asked for or as there are', () => {
  fc.assert(
    fc.property(fc.string(), fc.nat(60), (block, count) => {
      const drawn = drawAudits(hashOf(block), candidates, count)
      expect(drawn).toHaveLength(Math.min(count, candidates.length))
      expect(new Set(drawn.map(({ worker, round }) => `${worker} ${round}`)).size).toBe(drawn.length)
      for (const candidate of drawn) expect(candidates).toContain(candidate)
    }),
  )
  expect(drawAudits(beacon, [], 3)).toEqual([])
})

test('the same for everyone, in whatever order the candidates are listed', () => {
  const drawn = drawAudits(beacon, candidates, 5)
  expect(drawAudits(beacon, [...candidates].reverse(), 5)).toEqual(drawn)
  // More audits of an epoch include the fewer.
  expect(drawAudits(beacon, candidates, 9).slice(0, 5)).toEqual(drawn)
})

test('decided by the beacon, and fairly', () => {
  const draws = 2000
  const counts = new Map(candidates.map((candidate) => [candidate, 0]))
  for (let block = 0; block < draws; block++) {
    const [drawn] = drawAudits(hashOf(`block ${block}`), candidates, 1)
    counts.set(drawn!, counts.get(drawn!)! + 1)
  }
  // χ² of 40 cells has 39 degrees of freedom: above 72.1 once in a thousand draws of uniform data; this one is fixed.
  const expected = draws / candidates.length
  const chiSquare = [...counts.values()].reduce((sum, count) => sum + (count - expected) ** 2 / expected, 0)
  expect(chiSquare).toBeLessThan(72.1)
})
