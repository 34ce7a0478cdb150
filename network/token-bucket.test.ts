import fc from 'fast-check'
import { expect, test } from 'vitest'
import { createTokenBuckets } from './token-bucket.ts'

const options = { burst: 3, perSecond: 2, names: 2 }

test('a burst, then the rate; each name for itself; the oldest is forgotten', () => {
  let now = 0
  const buckets = createTokenBuckets(options, { now: () => now })
  const taken = (name: string): number => [1, 2, 3, 4].filter(() => buckets.take(name)).length
  expect(taken('a')).toBe(3)
  expect(buckets.has('a')).toBe(false)
  expect(taken('b')).toBe(3)
  now += 500
  expect(taken('a')).toBe(1)
  now -= 5000
  expect(taken('a')).toBe(0)
  now += 5000
  // 'c' is the third name: 'b', which took longest ago, is forgotten.
  expect(taken('c')).toBe(3)
  expect(taken('a')).toBe(0)
  expect(taken('b')).toBe(3)
})

test('no sequence of calls gives more than burst plus rate times time', () => {
  fc.assert(
    fc.property(fc.array(fc.nat(2000), { maxLength: 200 }), (waits) => {
      let now = 0
      const buckets = createTokenBuckets(options, { now: () => now })
      let taken = 0
      for (const wait of waits) {
        now += wait
        const had = buckets.has('a')
        expect(buckets.take('a')).toBe(had)
        if (had) taken++
      }
      expect(taken).toBeLessThanOrEqual(options.burst + (options.perSecond * now) / 1000 + 1e-6)
    }),
  )
})
