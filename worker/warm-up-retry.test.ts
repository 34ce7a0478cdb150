import fc from 'fast-check'
import { expect, test } from 'vitest'
import { aRun } from '../protocol/fixtures/names.ts'
import type { RunId } from '../protocol/ids.ts'
import { type FailedWarmUp, failedAgain, isTooSoon } from './warm-up-retry.ts'

const another = `${aRun}2` as RunId
const draw = fc.integer({ min: 0, max: 2 ** 32 - 1 })

test('each failure in a row waits longer, up to half a minute, and no other run waits for it', () => {
  fc.assert(
    fc.property(fc.array(draw, { minLength: 1, maxLength: 12 }), fc.nat(), (draws, atMs) => {
      let failed: FailedWarmUp | null = null
      for (const [index, drawn] of draws.entries()) {
        failed = failedAgain(failed, aRun, atMs, drawn)
        const pauseMs = failed.retryAtMs - atMs
        const mostMs = Math.min(30_000, 500 * 2 ** index)
        expect([pauseMs >= mostMs / 2, pauseMs <= mostMs]).toEqual([true, true])
        expect(isTooSoon(failed, aRun, failed.retryAtMs - 1)).toBe(true)
        expect(isTooSoon(failed, aRun, failed.retryAtMs)).toBe(false)
        expect(isTooSoon(failed, another, atMs)).toBe(false)
        // A clock that was set back by an hour.
        expect(isTooSoon(failed, aRun, failed.retryAtMs - 3_600_000)).toBe(false)
      }
      expect(failedAgain(failed, another, atMs, draws[0]!)).toMatchObject({ run: another, failures: 1 })
    }),
  )
  expect(isTooSoon(null, aRun, 0)).toBe(false)
})
