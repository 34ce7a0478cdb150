import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { parseEther } from 'viem'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { mintDevTokens } from '../chain/deploy.ts'
import { devAccount } from '../chain/devnet.ts'
import { connectEscrow } from '../chain/escrow.ts'
import { openStore } from '../checkpoints/store.ts'
import { devRoles } from '../cli/accounts.ts'
import { connectApi } from '../cli/api-client.ts'
import { workerFolder } from '../cli/home.ts'
import { launchCluster } from '../cli/launch.ts'
import { prepareRun, submitRun } from '../cli/submit.ts'
import type { RunReport } from '../protocol/report.ts'
import { claimEarnings } from '../worker/claim-earnings.ts'
import { expectSolvent, shareOf } from './pay.ts'
import { descendants, running } from './processes.ts'
import { tinyRunFile } from './tiny-run.ts'
import { until } from './until.ts'

const perEpoch = '90'
const perEpochWei = parseEther(perEpoch)

let home: string
beforeEach(async () => {
  home = await mkdtemp(path.join(tmpdir(), 'murmur-kill-'))
})
afterEach(() => rm(home, { recursive: true, force: true }))

test('a worker killed in the middle of a round: the run goes on, and it is paid for what was verified', {
  timeout: 120_000,
}, async () => {
  const signal = AbortSignal.timeout(90_000)
  const cluster = await launchCluster({ home, workers: 3, detached: false }, signal)
  let pids: readonly number[] = []
  let killed = 0
  try {
    pids = [...cluster.processes.map(({ pid }) => pid), ...(await descendants(process.pid))]
    const api = await connectApi(home)
    const explain = () => readFile(path.join(home, 'logs', 'head.log'), 'utf8')
    const watch = <T>(what: string, look: (report: RunReport) => T | Promise<T>) =>
      until(
        what,
        60_000,
        async () => {
          const report = await api.report(prepared.run)
          return report === null ? undefined : await look(report)
        },
        explain,
      )
    // Rounds long enough to be caught before the first commit.
    const train = { innerSteps: 200, roundsPerEpoch: 1, epochs: 4 }
    const prepared = await prepareRun(
      await tinyRunFile(home, { perEpoch, train, audit: { roundsPerEpoch: 1 } }),
    )
    await submitRun(api, prepared)
    const chain = cluster.ready.chain!
    const funder = connectEscrow(chain, devAccount(devRoles.firstFunder))
    const place = await watch('the escrow to be open', async ({ phase, escrow }) => {
      if (phase !== 'awaiting-funds' || escrow === null) return false
      return await funder.run(escrow.run).then(
        () => escrow,
        () => false as const,
      )
    })
    await mintDevTokens(chain, devAccount(devRoles.minter), funder.account!, BigInt(place.required))
    await funder.fund(place.run, BigInt(place.required))

    const victim = await watch(
      'a round of a later epoch in which nobody has committed yet, the first epoch being paid',
      ({ epochs, round, phase, workers }) =>
        epochs[0]?.settled === true && round < 3 && phase === 'train' && workers[0],
    )
    killed = devAccountOf(victim.payout!)
    process.kill(cluster.processes.find(({ role }) => role === `worker-${killed}`)!.pid, 'SIGKILL')
    await watch('the run to be over', ({ phase }) => ['finished', 'failed', 'stopped'].includes(phase))
    const survivors = (report: RunReport) => report.workers.filter(({ id }) => id !== victim.id)
    await watch('the survivors to have claimed', (report) =>
      survivors(report).every(({ earned, claimed }) => earned === claimed),
    )

    // Anyone may claim for an account whose worker is gone.
    const tree = (await api.report(prepared.run))!.epochs.at(-1)!.payoutTree!
    const anyone = devAccount(devRoles.firstFunder)
    await claimEarnings(
      { ...place, escrow: place.contract },
      tree,
      victim.payout!,
      anyone,
      async (cid) => await api.getBlock(cid),
    )
    const report = await watch(
      'the claim to be in the report',
      (last) => last.workers.every(({ earned, claimed }) => earned === claimed) && last,
    )
    expect(report).toMatchObject({ phase: 'finished', error: null, round: 4 })
    const dead = report.workers.find(({ id }) => id === victim.id)!
    expect(dead.status).not.toBe('ready')
    expect(BigInt(dead.earned)).toBe(dueOf(report, dead.id))
    expect(BigInt(dead.earned)).toBeGreaterThan(0n)
    expect(report.rounds.at(-1)!.members).not.toContain(dead.id)
    for (const { id, earned } of survivors(report)) expect(BigInt(earned)).toBe(dueOf(report, id))
    for (const { round, stateRoot, stateRoots, replicas } of report.rounds) {
      for (const { id } of survivors(report)) expect(replicas, `round ${round}`).toContain(id)
      expect(new Set(stateRoots), `round ${round}`).toEqual(new Set([stateRoot]))
    }
    await expectSolvent(report, chain)
  } finally {
    await cluster.stop()
  }
  const survivor = [1, 2, 3].find((index) => index !== killed)
  const store = await openStore(workerFolder(home, `worker-${survivor}`))
  expect((await store.list()).map(({ manifest }) => manifest.epoch)).toEqual([3, 2, 1])
  await store.close()
  await until('every process to be gone', 10_000, async () => (await running(pids)).length === 0)
})

/** Launched workers are paid to the devnet's accounts 10, 11, …: see launch.ts. */
function devAccountOf(payout: string): number {
  return [1, 2, 3].find((index) => devAccount(9 + index).address === payout)!
}

/** The sum of the epochs in which nothing of a worker's was refuted: one that is gone cannot serve an auditor. */
function dueOf(report: RunReport, id: RunReport['workers'][number]['id']): bigint {
  return report.epochs
    .filter(({ audits }) => !audits.some(({ worker, outcome }) => worker === id && outcome !== 'verified'))
    .reduce((sum, { epoch }) => sum + shareOf(report, id, epoch, perEpochWei), 0n)
}
