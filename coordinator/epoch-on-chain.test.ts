import { expect, test } from 'vitest'
import { isPassing, revertedError } from '../chain/errors.ts'
import type { Escrow } from '../chain/escrow-port.ts'
import { hashOf } from '../protocol/fixtures/names.ts'
import { closeOnChain, settleOnChain } from './epoch-on-chain.ts'

/* Steps of an epoch over an escrow whose answers a test writes: what of a refusal is worth another try. */

const beacon = { blockNumber: 7n, blockHash: hashOf('beacon') }
const address = `0x${'11'.repeat(20)}` as const
const { signal } = new AbortController()

function moneyOf(escrow: Partial<Record<keyof Escrow, (...args: never[]) => Promise<unknown>>>, term = 0) {
  const fake = { historyRoot: async () => undefined, beacon: async () => beacon, ...escrow }
  const context = { chainId: 1, escrow: address, escrowRun: hashOf('run') }
  return { escrow: fake as unknown as Escrow, context, epochReward: 1n, term: () => term }
}
const refused = (name: string, ...args: unknown[]) => revertedError('move an epoch', name, args)
const settle = (money: ReturnType<typeof moneyOf>, epoch: number) =>
  settleOnChain(money, beacon.blockHash, signal, {
    ...{ epoch, payoutRoot: hashOf('root'), cumulativeTotal: 1n, checkpoint: hashOf('checkpoint') },
  })
const failureOf = (work: Promise<unknown>) => work.then(() => undefined).catch((error: unknown) => error)

test.each([
  ['the settlement is pooled, and a node simulates in what is pending', false, 0, true],
  ['the settlement came into a block meanwhile', true, 1, true],
  ['the run has expired with the epoch unsettled', true, 0, false],
])('a run that has ended when its last epoch is settled: %s', async (_, ended, epochsSettled, passing) => {
  const money = moneyOf({
    settleEpoch: async () => Promise.reject(refused('RunAlreadyEnded', hashOf('run'))),
    run: async () => ({ ended, epochsSettled }),
  })
  expect(isPassing(await failureOf(settle(money, 0)))).toBe(passing)
})

test.each([
  ['one of ours has done it', 3, true],
  ['one before it is not settled', 1, false],
])('an epoch out of order: %s', async (_, expected, passing) => {
  const reject = async () => Promise.reject(refused('EpochOutOfOrder', expected))
  const money = moneyOf({ closeEpoch: reject, settleEpoch: reject })
  expect(isPassing(await failureOf(settle(money, 2)))).toBe(passing)
  expect(isPassing(await failureOf(closeOnChain(money, 2, hashOf('history'), signal)))).toBe(passing)
})
