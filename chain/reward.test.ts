import fc from 'fast-check'
import { getAddress, toHex } from 'viem'
import { expect, test } from 'vitest'
import type { Address } from '../protocol/ids.ts'
import { addEarnings, splitReward } from './reward.ts'

const address = (n: number): Address => getAddress(toHex(n, { size: 20 }))
const tokens = fc
  .array(fc.bigInt({ min: 0n, max: 2n ** 60n }), { maxLength: 20 })
  .map((counts) => new Map(counts.map((count, index) => [address(index + 1), count])))
const sum = (values: Iterable<bigint>) => [...values].reduce((total, value) => total + value, 0n)

test('an epoch never pays more than its reward, and each worker its part within one unit', () => {
  fc.assert(
    fc.property(
      fc.bigInt({ min: 0n, max: 2n ** 127n }),
      tokens,
      fc.bigInt({ min: 1n, max: 2n ** 64n }),
      (reward, verified, expected) => {
        const earned = splitReward(reward, verified, expected)
        expect(sum(earned.values()) <= reward).toBe(true)
        let denominator = sum(verified.values())
        if (denominator < expected) denominator = expected
        for (const [account, count] of verified) {
          const exact = reward * count
          const paid = (earned.get(account) ?? 0n) * denominator
          expect(paid <= exact && exact - paid < denominator).toBe(true)
        }
      },
    ),
  )
})

test('what one worker did not earn is not given to the others', () => {
  const honest = splitReward(
    1000n,
    new Map([
      [address(1), 50n],
      [address(2), 50n],
    ]),
    100n,
  )
  const failed = splitReward(
    1000n,
    new Map([
      [address(1), 50n],
      [address(2), 0n],
    ]),
    100n,
  )
  expect(honest.get(address(1))).toBe(500n)
  expect([...failed]).toEqual([[address(1), 500n]])
})

test('earnings add up over epochs, and senseless numbers are refused', () => {
  const first = addEarnings(new Map(), new Map([[address(1), 3n]]))
  expect([
    ...addEarnings(
      first,
      new Map([
        [address(1), 4n],
        [address(2), 1n],
      ]),
    ),
  ]).toEqual([
    [address(1), 7n],
    [address(2), 1n],
  ])
  expect(() => splitReward(-1n, new Map(), 1n)).toThrowError(/split by token counts/)
  expect(() => splitReward(1n, new Map(), 0n)).toThrowError(/split by token counts/)
  expect(() => splitReward(1n, new Map([[address(1), -1n]]), 1n)).toThrowError(/split by token counts/)
})
