import fc from 'fast-check'
import { expect, test } from 'vitest'
import { splitReward } from '../chain/reward.ts'
import { expectedTokens, verifiedTokens } from '../coordinator/settlement.ts'
import type { Address, WorkerId } from '../protocol/ids.ts'
import type { AuditReport } from '../protocol/report.ts'
import type { RoundManifest } from '../protocol/wire.ts'
import { checkLoss, duesOf } from './claims.ts'

const names = ['a', 'b', 'c', 'd'] as WorkerId[]
const tokensPerStep = 32
const steps = 10

/** A round in which some of those who were asked are admitted; a void one has neither. */
const round = fc.record({
  members: fc.subarray(names, { minLength: 0 }),
  done: fc.array(fc.boolean(), { minLength: 4, maxLength: 4 }),
})
const rounds = fc.array(round, { minLength: 2, maxLength: 2 })

test('what is due is what the head’s own settlement would pay', () => {
  fc.assert(
    fc.property(
      rounds,
      fc.subarray(names),
      fc.bigInt({ min: 1n, max: 10n ** 20n }),
      (drawn, failed, reward) => {
        const manifests = drawn.map(({ members, done }) => ({
          epoch: 0,
          slots: members.map((worker) => ({ worker, steps })),
          entries: members
            .filter((worker) => done[names.indexOf(worker)])
            .map((worker) => ({ worker, tokens: steps * tokensPerStep })),
        })) as unknown as RoundManifest[]
        const audits = failed.map((worker) => ({ worker, outcome: 'unavailable' }) as AuditReport)
        const verified = verifiedTokens(manifests, (worker) => failed.includes(worker))
        const expected = expectedTokens(manifests, tokensPerStep, drawn.length)
        const dues = duesOf(manifests, [{ epoch: 0, audits }], tokensPerStep, reward)
        if (expected === 0n) {
          expect(dues.size).toBe(0)
          return
        }
        const byAccount = new Map(
          [...verified].map(([worker, count]) => [worker as string as Address, BigInt(count)]),
        )
        const split = splitReward(reward, byAccount, expected)
        expect(new Map([...dues].filter(([, due]) => due > 0n))).toEqual(split)
      },
    ),
  )
})

test('a loss further away than told is a broken claim, in either direction', () => {
  const report = (after: number | null) =>
    ({ heldOutLossNats: { before: null, after } }) as Parameters<typeof checkLoss>[0]
  expect(checkLoss(report(2.03), report(2)).broken).toBeNull()
  expect(checkLoss(report(2.05), report(2)).broken).toContain('2.50 %')
  expect(checkLoss(report(1.95), report(2)).broken).toContain('2.50 %')
  expect(checkLoss(report(null), report(2)).broken).not.toBeNull()
})
