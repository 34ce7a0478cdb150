import { expect, test } from 'vitest'
import { isPassing, revertedError } from '../chain/errors.ts'
import type { Confirming, Escrow } from '../chain/escrow-port.ts'
import { hashOf } from '../protocol/fixtures/names.ts'
import { closeOnChain, confirmSettled, settleOnChain } from './epoch-on-chain.ts'

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

/** A chain whose nodes, asked in turn, stand before and after a term was taken. */
function nodesThatDiffer(terms: readonly number[], mine: number) {
  let asked = 0
  const held = () => terms[asked++ % terms.length]!
  return moneyOf(
    {
      takeLease: async (_run: unknown, term: number) => {
        const current = held()
        if (term <= current) throw refused('TermStale', current)
        return null
      },
      closeEpoch: async (_run: unknown, _epoch: unknown, _history: unknown, term: number) => {
        const current = held()
        if (term !== current) throw refused('TermStale', current)
      },
    },
    mine,
  )
}

test.each([
  ['it is asked again where only a node that is behind refuses', [0, 8], 'CHAIN_REORGANIZED'],
  ['also where that one refuses again', [0, 0, 0], 'CHAIN_REORGANIZED'],
  ['it is lost where a node knows a higher term', [0, 16], 'LEASE_LOST'],
  ['it is not taken back from a higher term', [16, 0, 8], 'LEASE_LOST'],
])('the lease on nodes of different heights: %s', async (_, terms, code) => {
  const money = nodesThatDiffer(terms, 8)
  await expect(closeOnChain(money, 0, hashOf('history'), signal)).rejects.toMatchObject({ code })
})

test('an account that does not lead in its own term is told so', async () => {
  const money = moneyOf({ closeEpoch: async () => Promise.reject(refused('OnlyLeader', address)) }, 8)
  const closed = closeOnChain(money, 0, hashOf('history'), signal)
  await expect(closed).rejects.toMatchObject({ code: 'LEASE_LOST' })
})

test('what an epoch waits for is told until it waits no more', async () => {
  const told: (string | null)[] = []
  const confirm = async (block: bigint, _signal: unknown, confirming: Confirming) => {
    confirming(block, 7n, 12n)
    throw refused('over')
  }
  const money = { ...moneyOf({ confirm }), waiting: (text: string | null) => void told.push(text) }
  await expect(confirmSettled(money, 2, hashOf('root'), 108n, signal)).rejects.toThrow('over')
  expect(told).toEqual(['epoch 3: waiting for block 120 (7 of 12 confirmations)', null])
})
