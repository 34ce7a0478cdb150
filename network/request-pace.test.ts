import { expect, test } from 'vitest'
import { peer } from '../protocol/fixtures/names.ts'
import { networkLimits } from './limits.ts'
import { createRequestPace } from './request-pace.ts'

test('a peer that asks too often is refused, named once a minute, and forgiven; others are not touched', () => {
  let now = 0
  const nuisances: unknown[] = []
  const pace = createRequestPace({ clock: { now: () => now }, onNuisance: (one) => nuisances.push(one) })
  const { askerBurstRequests: burst, askerRequestsPerSecond: perSecond } = networkLimits
  const ask = (count: number) => Array.from({ length: count }, () => pace(peer(1))).filter(Boolean).length
  expect(ask(10 * burst)).toBe(burst)
  expect(pace(peer(2))).toBe(true)
  now += 1_000
  expect(ask(10 * burst)).toBe(perSecond)
  expect(nuisances).toEqual([{ peer: peer(1), kind: 'requests' }])
  now += 60_000
  expect(ask(10 * burst)).toBe(burst)
  expect(nuisances).toHaveLength(2)
})
