import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { parseEther, toHex } from 'viem'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { deployDevnet, mintDevTokens } from '../chain/deploy.ts'
import { devAccount, startDevnet } from '../chain/devnet.ts'
import { connectEscrow } from '../chain/escrow.ts'
import { devRoles } from '../cli/accounts.ts'
import { connectApi } from '../cli/api-client.ts'
import { headToken } from '../cli/home.ts'
import { prepareRun, submitRun } from '../cli/submit.ts'
import type { RunReport } from '../protocol/report.ts'
import { freePort, Nodes } from './nodes.ts'
import { expectSolvent, shareOf } from './pay.ts'
import { tinyRunFile } from './tiny-run.ts'
import { until } from './until.ts'

const timeout = 180_000
let home: string
beforeEach(async () => {
  home = await mkdtemp(path.join(tmpdir(), 'murmur-failover-'))
})
afterEach(() => rm(home, { recursive: true, force: true }))

const train = { innerSteps: 60, roundsPerEpoch: 2, epochs: 3 }
const over = ['finished', 'failed', 'stopped']

async function following(nodes: Nodes, headHome: string, roles: readonly string[]) {
  const api = await connectApi(headHome)
  const explain = async () =>
    (await Promise.all(roles.map((role) => readFile(nodes.logOf(role), 'utf8').catch(() => '')))).join(
      '\n---\n',
    )
  const watch = <T>(run: RunReport['run'], what: string, look: (report: RunReport) => T) =>
    until(
      what,
      120_000,
      async () => {
        const report = await api.report(run).catch(() => null)
        return report === null ? undefined : look(report)
      },
      explain,
    )
  return { api, watch }
}

function expectWhole(report: RunReport): void {
  expect(report).toMatchObject({ phase: 'finished', error: null, round: 6 })
  expect(report.rounds.map(({ round }) => round)).toEqual([0, 1, 2, 3, 4, 5])
  expect(report.epochs.map(({ epoch, verified }) => [epoch, verified])).toEqual([
    [0, true],
    [1, true],
    [2, true],
  ])
  for (const { stateRoot, stateRoots } of report.rounds)
    for (const root of stateRoots) expect(root).toBe(stateRoot)
}

/** The newest round may have been told by the API alone, before it was durable: nobody has built on its manifest. */
function expectKept(before: RunReport, after: RunReport): void {
  const built = before.rounds.slice(0, -1).map(({ manifest }) => manifest)
  expect(built).toHaveLength(2)
  expect(after.rounds.slice(0, 2).map(({ manifest }) => manifest)).toEqual(built)
}

test('a head that is killed in the middle of a round goes on with it when it is started again', {
  timeout,
}, async () => {
  await using nodes = new Nodes(home)
  const headHome = path.join(home, 'a')
  const args = ['--listen', `/ip4/127.0.0.1/tcp/${await freePort()}`]
  const { addresses } = await nodes.startHead('head', headHome, args)
  for (const name of ['w1', 'w2', 'w3']) await nodes.startWorker(name, addresses, ['--no-pay'])
  const first = await following(nodes, headHome, ['head', 'w1'])
  const prepared = await prepareRun(await tinyRunFile(home, { train }), 'again')
  await submitRun(first.api, prepared)
  const before = await first.watch(
    prepared.run,
    'a round of the second epoch under way',
    (report) => report.round === 3 && report.phase === 'train' && report,
  )
  await nodes.kill('head')
  await nodes.startHead('head', headHome, args)
  const second = await following(nodes, headHome, ['head', 'w1'])
  const after = await second.watch(
    prepared.run,
    'the run to be over',
    (report) => over.includes(report.phase) && report,
  )
  expectWhole(after)
  expectKept(before, after)
  expect(after.notes.map(({ code }) => code)).toContain('HEAD_TOOK_OVER')
})

test('a standby takes over a paid run from a head that is killed, and the old head follows when it is back', {
  timeout,
}, async () => {
  await using devnet = await startDevnet({ blockTimeSeconds: 0.5 })
  const coordinator = devAccount(devRoles.coordinator)
  const chain = await deployDevnet(devnet, coordinator)
  const [chainFile, keyFile] = [path.join(home, 'chain.json'), path.join(home, 'coordinator.key')]
  await writeFile(chainFile, JSON.stringify(chain))
  await writeFile(keyFile, toHex(coordinator.getHdKey().privateKey!), { mode: 0o600 })
  const pay = ['--chain', chainFile, '--account-key', keyFile]

  await using nodes = new Nodes(home)
  const [a, b] = [path.join(home, 'a'), path.join(home, 'b')]
  const args = ['--listen', `/ip4/127.0.0.1/tcp/${await freePort()}`, ...pay]
  const leader = await nodes.startHead('head-a', a, args)
  const token = await headToken(a)
  const standby = await nodes.startHead('head-b', b, [
    ...['--head-token', token],
    ...['--standby', '--address', leader.addresses[0]!, '--listen', '/ip4/127.0.0.1/tcp/0', ...pay],
  ])
  for (const [index, name] of ['w1', 'w2', 'w3'].entries())
    await nodes.startWorker(name, leader.addresses, ['--dev-account', String(devRoles.firstWorker + index)])
  const first = await following(nodes, a, ['head-a', 'head-b', 'w1'])
  const perEpoch = '90'
  const prepared = await prepareRun(await tinyRunFile(home, { train, perEpoch }), 'standby')
  await submitRun(first.api, prepared)
  const escrow = connectEscrow(chain, devAccount(devRoles.firstFunder))
  const open = await first.watch(prepared.run, 'the escrow to be open', ({ phase, escrow: place }) =>
    phase === 'awaiting-funds' ? place : null,
  )
  await until('the run to be in the escrow', 30_000, () => escrow.run(open.run).catch(() => undefined))
  await mintDevTokens(chain, devAccount(devRoles.minter), escrow.account!, BigInt(open.required))
  await escrow.fund(open.run, BigInt(open.required))
  const before = await first.watch(
    prepared.run,
    'a round of the second epoch under way',
    (report) => report.round === 3 && report.phase === 'train' && report,
  )
  await nodes.kill('head-a')
  const second = await following(nodes, b, ['head-b', 'w1', 'w2'])
  await second.watch(prepared.run, 'the standby to lead', (report) => report.round > 3)
  await nodes.startHead('head-a', a, [...args, '--standby', '--address', standby.addresses[0]!])
  await second.watch(prepared.run, 'the run to be over', (report) => over.includes(report.phase))
  const after = await second.watch(
    prepared.run,
    'every worker to have claimed',
    (report) => report.workers.every(({ earned, claimed }) => earned === claimed) && report,
  )
  expectWhole(after)
  expectKept(before, after)
  // Nothing lost and nothing paid twice: every epoch is settled once, in the lease that the standby took.
  await expectSolvent(after, chain)
  for (const { id, earned } of after.workers) {
    const due = [0, 1, 2].reduce((sum, epoch) => sum + shareOf(after, id, epoch, parseEther(perEpoch)), 0n)
    expect(BigInt(earned), id).toBe(due)
  }
  expect((await escrow.lease(open.run)).term).toBe(9)
  // What it came to is with both heads: whichever leads next can show it.
  const kept = path.join(a, 'head', 'runs', `${prepared.run}.json`)
  const report = await until('the report', 30_000, () => readFile(kept, 'utf8').catch(() => undefined))
  expect(JSON.parse(report)).toMatchObject({ run: prepared.run, phase: 'finished', epochs: after.epochs })
  const cluster = await (await connectApi(a)).status()
  expect(cluster.heads.map(({ leads }) => leads)).toEqual([false, true])
})
