import fc from 'fast-check'
import { expect, test } from 'vitest'
import { backoffMs } from './backoff.ts'

const uint32 = fc.integer({ min: 0, max: 2 ** 32 - 1 })

test('a wait doubles up to its bound, at least half of it is certain, and the draw decides the rest', () => {
  const bounds = { firstMs: 1000, maxMs: 60_000 }
  expect([0, 1, 2, 5, 6, 500].map((attempt) => backoffMs(attempt, 0, bounds))).toEqual([
    500, 1000, 2000, 16_000, 30_000, 30_000,
  ])
  expect([0, 1, 2, 500].map((attempt) => backoffMs(attempt, 2 ** 32 - 1, bounds))).toEqual([
    1000, 2000, 4000, 60_000,
  ])
  fc.assert(
    fc.property(fc.nat(10_000), uint32, fc.integer({ min: 1, max: 10_000 }), (attempt, draw, firstMs) => {
      const waitMs = backoffMs(attempt, draw, { firstMs, maxMs: 60_000 })
      expect(waitMs).toBeGreaterThanOrEqual(Math.floor(firstMs / 2))
      expect(waitMs).toBeLessThanOrEqual(60_000)
    }),
  )
})
