import fc from 'fast-check'
import { expect, test } from 'vitest'
import { maxHeads } from './limits.ts'
import { firstTerm, leaderIndex, nextTerm } from './term.ts'

const index = fc.integer({ min: 0, max: maxHeads - 1 })
const term = fc.integer({ min: 0, max: 2 ** 31 })

test('two heads never lead the same term', () => {
  fc.assert(
    fc.property(term, term, index, index, (seenByOne, seenByOther, one, other) => {
      fc.pre(one !== other)
      expect(nextTerm(seenByOne, one)).not.toBe(nextTerm(seenByOther, other))
    }),
  )
})

test('the next term is the lowest that is higher, led by who asks', () => {
  fc.assert(
    fc.property(term, index, (after, head) => {
      const next = nextTerm(after, head)
      expect(next).toBeGreaterThan(after)
      expect(next).toBeGreaterThanOrEqual(maxHeads)
      expect(leaderIndex(next)).toBe(head)
      // None that this head leads lies between.
      expect(next - maxHeads <= after || next < 2 * maxHeads).toBe(true)
    }),
  )
})

test('a cluster begins in the term of its first head', () => {
  expect(firstTerm).toBe(8)
  expect(leaderIndex(firstTerm)).toBe(0)
  expect([1, 2, 7].map((head) => nextTerm(firstTerm, head))).toEqual([9, 10, 15])
  expect(nextTerm(firstTerm, 0)).toBe(16)
  // One that never heard of the others leads no term below theirs that somebody else leads too.
  expect([0, 1, 7].map((head) => nextTerm(0, head))).toEqual([8, 9, 15])
})
