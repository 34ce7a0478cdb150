import { expect, test } from 'vitest'
import { aRun, cidOf, hashOf, peer } from '../protocol/fixtures/names.ts'
import type { CidText } from '../protocol/ids.ts'
import { decodeRecord, encodeRecord, type HeadRecord } from './journal/record.ts'
import { loggedEvent } from './journal/round-event.ts'
import { rules, VirtualHead } from './round/fixtures/virtual-head.ts'
import { RunLog, type RunRecord } from './run-log.ts'

const [a, b, c] = [peer(1), peer(2), peer(3)]

/** Two epochs of a run that is led for a while. */
function played(): VirtualHead {
  const live = new VirtualHead()
  live.form(a, b, c)
  live.round(a, b, c)
  live.round(a, b, c)
  live.round(a, c)
  return live
}

/** Its events again, each through the journal's codec; but for published ones, whose blocks are made up here. */
async function replayed(live: VirtualHead): Promise<RunLog> {
  const log = new RunLog(aRun)
  log.setRules(rules)
  for (const { event, now } of live.log) {
    if (event.kind === 'published') log.applyRound(event, now)
    else {
      const record: HeadRecord = { kind: 'round', run: aRun, now, event: loggedEvent(event) }
      await log.apply(decodeRecord(encodeRecord(record)) as RunRecord, nothing, async () => {})
    }
  }
  return log
}

const nothing = async (_: CidText) => undefined

test('the records of a run are the run: applied again they lead to the same state, book and closed epochs', async () => {
  const live = played()
  const log = await replayed(live)
  expect(log.state).toEqual(live.state)
  expect(log.book.manifests.map(({ manifest }) => manifest)).toEqual(live.manifests)
  expect(log.closed.map(({ epoch }) => epoch)).toEqual([0])
  expect(log.unsettled().map(({ epoch }) => epoch)).toEqual([0])
})

test('what was settled is not settled again, and what was earned is known', async () => {
  const log = await replayed(played())
  const account = `0x${'11'.repeat(20)}` as const
  const report = {
    ...{ epoch: 0, manifest: cidOf('m'), beacon: null, audits: [], verified: true, settled: true },
    ...{ payoutTree: cidOf('tree'), payoutRoot: hashOf('root'), paid: '30', txHash: null, gasUsed: null },
  }
  const audit = {
    worker: a,
    round: 0,
    outcome: 'verified',
    code: 'OK',
    bytes: 1,
    verdict: cidOf('v'),
  } as const
  for (const record of [
    { kind: 'audited', run: aRun, epoch: 0, audit },
    {
      kind: 'settled',
      run: aRun,
      report,
      tokens: [[a, 64]],
      earned: [[a, '30']],
      cumulative: [[account, '30']],
    },
    { kind: 'measured', run: aRun, what: 'before', epoch: null, lossNats: 5, accuracy: 0.5, text: 'abc' },
  ] as const)
    await log.apply(record as unknown as RunRecord, nothing, async () => {})
  expect(log.unsettled()).toEqual([])
  expect(log.cumulative.get(account)).toBe(30n)
  expect(log.audits.get(`0:${a}`)).toEqual(audit)
  expect([log.book.heldOut.before, log.book.accuracy.before, log.book.samples.before]).toEqual([
    5,
    0.5,
    'abc',
  ])
  expect(log.book.newestPayoutTree()).toBe(cidOf('tree'))
})
