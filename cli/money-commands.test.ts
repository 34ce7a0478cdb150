import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, beforeAll, expect, test, vi } from 'vitest'
import { devAccount } from '../chain/devnet.ts'
import type { RunId } from '../protocol/ids.ts'
import type { RunReport } from '../protocol/report.ts'
import { parseRunFile } from '../protocol/run-spec.ts'
import { connectApi } from './api-client.ts'
import { type HeadProcess, startHead } from './head-process.ts'
import { claimCommand, fundCommand, refundCommand } from './money-commands.ts'
import { prepareRun, submitRun } from './submit.ts'
import { startWorker, type WorkerProcess } from './worker-process.ts'

/* One paid run that nobody has funded yet, an honest worker that waits for it, and every wrong order of money. */
let home: string
let head: HeadProcess
let worker: WorkerProcess
let run: RunId
let printed = ''

beforeAll(async () => {
  vi.spyOn(process.stderr, 'write').mockReturnValue(true)
  vi.spyOn(process.stdout, 'write').mockImplementation((text) => {
    printed += String(text)
    return true
  })
  home = await mkdtemp(path.join(tmpdir(), 'murmur-money-'))
  const listen = ['/ip4/127.0.0.1/tcp/0']
  head = await startHead({ home, listen, apiPort: 0, token: '', devnet: true, chain: null })
  const folder = path.join(home, 'worker')
  const { addresses } = head.ready
  worker = await startWorker({ folder, addresses, listen, token: '', payout: { account: devAccount(10) } })
  worker.life.catch(() => {})
  const api = await connectApi(home)
  await until(async () => (await api.status()).nodes.length === 1)
  const file = path.join(home, 'text.txt')
  await writeFile(file, 'Call me Ishmael. Some years ago, never mind how long precisely. '.repeat(200))
  const value = {
    name: 'paid',
    data: { file },
    model: { layers: 1, width: 16, heads: 2, context: 16 },
    train: { batch: 2, innerSteps: 6, roundsPerEpoch: 1, epochs: 1 },
    reward: { perEpoch: '10', disputeWindowSeconds: 0 },
  }
  const prepared = await prepareRun(parseRunFile(value, 'the test’s run'))
  run = prepared.run
  await submitRun(api, prepared)
  // The escrow is open, and the worker that is there has not been given a place.
  await until(async () => (await report())?.escrow?.funded === '0')
  expect((await api.status()).nodes.map(({ phase, run: given }) => [phase, given])).toEqual([['idle', null]])
})
afterAll(async () => {
  await worker.stop()
  await head.stop()
  await rm(home, { recursive: true })
  vi.restoreAllMocks()
})

async function until(done: () => Promise<boolean>): Promise<void> {
  for (const signal = AbortSignal.timeout(30_000); !(await done()); ) await sleep(100, undefined, { signal })
}
const report = async (): Promise<RunReport | null> => await (await connectApi(home)).report(run)
const asFunder = (account = '1') => ({ home, account })

test.each(['0', '-1', 'abc', '1e30', '', '0.0000000000000000001', '0x10', 'Infinity', '1'.repeat(19), '0.0'])(
  'not an amount: %s',
  async (amount) => {
    await expect(fundCommand('paid', { ...asFunder(), amount })).rejects.toMatchObject({
      code: 'AMOUNT_INVALID',
      exit: 'usage',
    })
  },
)

test('a worker does not begin before the escrow is funded', async () => {
  expect(await report()).toMatchObject({ phase: 'awaiting-funds', round: 0, workers: [], startedAt: null })
})

test('more than the account has', async () => {
  await expect(fundCommand('paid', { ...asFunder('7'), amount: '5' })).rejects.toMatchObject({
    code: 'INSUFFICIENT_FUNDS',
    exit: 'funds',
  })
})

test('a run that is not there, and an account that is none', async () => {
  await expect(fundCommand('nobody', { ...asFunder(), amount: '1' })).rejects.toMatchObject({
    code: 'RUN_UNKNOWN',
    exit: 'usage',
  })
  await expect(fundCommand('paid', { home, amount: '1' })).rejects.toMatchObject({ code: 'ACCOUNT_MISSING' })
  await expect(refundCommand('paid', { ...asFunder(), for: '0x12' })).rejects.toMatchObject({
    code: 'ADDRESS_INVALID',
    exit: 'usage',
  })
  await expect(claimCommand('paid', { ...asFunder(), for: 'me' })).rejects.toMatchObject({
    code: 'ADDRESS_INVALID',
  })
})

test('nothing is final: nothing to claim, and that is no error', async () => {
  await claimCommand('paid', asFunder('10'))
  expect(printed).toContain('nothing to claim')
})

test('no refund while the run goes on; after it, to those who funded it', async () => {
  await fundCommand('paid', { ...asFunder(), amount: '4', mint: true })
  await expect(refundCommand('paid', asFunder())).rejects.toMatchObject({
    code: 'TX_REVERTED',
    exit: 'reverted',
    message: expect.stringContaining('RunNotEnded'),
    next: expect.stringContaining('wait for the last epoch'),
  })
  const api = await connectApi(home)
  await api.stopRun(run)
  await until(async () => (await report())?.phase === 'stopped')
  printed = ''
  await refundCommand('paid', { ...asFunder('2'), for: devAccount(1).address })
  expect(printed).toContain(`refunded 4 (4000000000000000000 wei) to ${devAccount(1).address}`)
  expect((await report())?.rounds).toEqual([])
})

test('an unpaid run has no escrow', async () => {
  const file = path.join(home, 'text.txt')
  const prepared = await prepareRun(
    parseRunFile(
      {
        name: 'unpaid',
        data: { file },
        model: { layers: 1, width: 16, heads: 2, context: 16 },
        workers: { min: 2 },
      },
      'x',
    ),
  )
  const api = await connectApi(home)
  await submitRun(api, prepared)
  await until(async () => (await api.report(prepared.run)) !== null)
  for (const command of [fundCommand, claimCommand, refundCommand])
    await expect(command('unpaid', { ...asFunder(), amount: '1' })).rejects.toMatchObject({
      code: 'RUN_UNPAID',
      exit: 'funds',
    })
})
