import { expect, test } from 'vitest'
import { reorganizedError, revertedError } from '../chain/errors.ts'
import { MurmurError } from '../protocol/errors.ts'
import { aRun, cidOf, hashOf } from '../protocol/fixtures/names.ts'
import type { RoundManifest } from '../protocol/wire.ts'
import { EpochQueue } from './epoch-queue.ts'
import { RunLog } from './run-log.ts'
import type { SettledEpoch } from './settlement.ts'

const lastManifest = cidOf('last')
const manifest: RoundManifest = {
  ...{ run: aRun, term: 1, round: 0, epoch: 0, parent: null, entries: [], refused: [], slots: [] },
  ...{ baseRoot: hashOf('b'), stateRoot: hashOf('s'), closesEpoch: true, checkpoint: null, average: null },
}
const settled: SettledEpoch = {
  report: {
    ...{ epoch: 0, manifest: lastManifest, beacon: null, audits: [], verified: true, settled: true },
    ...{ payoutTree: null, payoutRoot: null, paid: '0', txHash: null, gasUsed: null },
  },
  ...{ tokens: new Map(), earned: new Map(), cumulative: new Map() },
}

/** A queue whose settlement throws these one after the other, each after some minutes, then settles. */
async function settling(errors: unknown[], minutes = 0) {
  let now = 0
  const log = new RunLog(aRun)
  log.book.addManifest(manifest, lastManifest)
  const [records, notes, failures]: [string[], string[], unknown[]] = [[], [], []]
  const queue = new EpochQueue({
    ...{ run: aRun, log, signal: new AbortController().signal, retryMs: 0 },
    clock: { now: () => now },
    settlement: {
      settle: async () => {
        now += minutes * 60_000
        if (errors.length > 0) throw errors.shift()
        return settled
      },
    },
    replica: { endOf: () => undefined, forgetBefore: () => {} },
    notes: { note: (code) => void notes.push(code) },
    record: async ({ kind }) => void records.push(kind),
    evaluate: async () => ({ lossNats: 1, accuracy: null }),
    failed: (error) => void failures.push(error),
  })
  queue.settle(0, lastManifest)
  await queue.idle()
  return { records, notes, failures, epochs: log.book.epochs() }
}

test('what does not pass is given up half an hour after it began, however long each try takes', async () => {
  const slow = Array.from({ length: 9 }, () => coded('TX_UNCONFIRMED'))
  expect((await settling(slow.slice(0, 3), 10)).records).toEqual(['settled'])
  expect((await settling([...slow], 10)).failures).toEqual([slow[3]])
})

const coded = (code: string) => new MurmurError(code, { message: 'm', next: 'n' })

test('what a chain may take back in a moment is asked again', async () => {
  const passing = [
    ...['RPC_UNREACHABLE', 'TX_UNCONFIRMED', 'CHAIN_STALLED', 'EPOCH_NOT_CLOSED', 'EVENTS_MISSING'].map(
      coded,
    ),
    reorganizedError('a block'),
    ...['EpochNotClosed', 'BeaconNotReady'].map((name) => revertedError('settle', name, [])),
  ]
  const { records, notes, failures, epochs } = await settling([...passing])
  expect([records, failures, epochs]).toEqual([['settled'], [], [settled.report]])
  expect(notes).toEqual([...passing.map(({ code }) => code), 'EPOCH_SETTLED'])
})

test.each([
  coded('SETTLED_OTHERWISE'),
  revertedError('settle', 'RewardExceeded', []),
  revertedError('settle', 'EpochOutOfOrder', [0]),
  revertedError('settle', 'TermStale', [9]),
  new Error('a fault'),
])('what stays so is not: %s', async (error) => {
  const { records, failures, epochs } = await settling([error])
  expect([records, failures, epochs]).toEqual([[], [error], []])
})
