import path from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { type ApiClient, connectApi } from '../cli/api-client.ts'
import { readReady } from '../cli/home.ts'
import { prepareRun, readRunFile, submitRun } from '../cli/submit.ts'
import type { RunId } from '../protocol/ids.ts'
import type { RunReport } from '../protocol/report.ts'
import { inFolder, murmur } from './cluster-command.ts'
import { runFile } from './cluster-start.ts'

export interface FailoverTimes {
  /** From SIGKILL of the head that leads to the standby answering as the head that leads the run. */
  readonly leadsMs: number
  /** From there on to the first manifest of the new term. */
  readonly manifestMs: number
  /** Median round before it, for comparison: the first manifest cannot come sooner than the round that it closes. */
  readonly roundMs: number
  /** Epochs of the finished run that are missing, not verified, or other ones than before. */
  readonly lostEpochs: number
}

const waitMs = 120_000
const pollMs = 10
const workers = 3

/** A head, a standby and three workers train; the head is killed in the middle of a round of the second epoch. */
export function measureFailover(): Promise<FailoverTimes> {
  return inFolder('murmur-bench-failover', stopAll, async (home) => {
    const [a, b] = [path.join(home, 'a'), path.join(home, 'b')]
    const common = ['--detach', '--listen', '/ip4/127.0.0.1/tcp/0']
    const heads = ['--head', '--api-port', '0', '--head-token', 'bench', ...common]
    await murmur(['start', ...heads, '--home', a])
    const leader = (await readReady(a))!
    const [address] = leader.addresses
    await murmur(['start', ...heads, '--home', b, '--standby', '--address', address!])
    for (let index = 1; index <= workers; index++) {
      const own = ['--home', path.join(home, 'workers'), '--name', `w${index}`, '--no-pay']
      await murmur(['start', '--address', address!, ...common, ...own])
    }
    const file = await readRunFile(await runFile(home), [`workers.min=${workers}`])
    const prepared = await prepareRun(file)
    const first = await connectApi(a)
    await submitRun(first, prepared)
    const opened: number[] = []
    const before = await watch(first, prepared.run, (report) => {
      if (report.round > opened.length - 1) opened.push(performance.now())
      return report.round >= 3 && report.phase === 'train'
    })
    const gaps = opened.slice(1).map((at, index) => at - opened[index]!)
    const second = await connectApi(b)
    process.kill(leader.pid, 'SIGKILL')
    const killed = performance.now()
    const taken = await watch(second, prepared.run, () => true)
    const leadsMs = performance.now() - killed
    await watch(second, prepared.run, ({ rounds }) => rounds.length > taken.rounds.length)
    const manifestMs = performance.now() - killed
    const after = await watch(second, prepared.run, ({ phase }) =>
      ['finished', 'failed', 'stopped'].includes(phase),
    )
    return {
      leadsMs,
      manifestMs,
      roundMs: gaps.sort((x, y) => x - y)[gaps.length >> 1]!,
      lostEpochs: lostEpochs(before, after),
    }
  })
}

async function stopAll(home: string): Promise<void> {
  for (const folder of ['workers', 'a', 'b'])
    await murmur(['stop', '--home', path.join(home, folder)]).catch(() => {})
}

async function watch(api: ApiClient, run: RunId, done: (report: RunReport) => boolean): Promise<RunReport> {
  for (const deadline = Date.now() + waitMs; ; await sleep(pollMs)) {
    const report = await api.report(run).catch(() => null)
    if (report !== null && done(report)) return report
    if (Date.now() > deadline)
      throw new Error(`waited too long; the run is ${report?.phase}, round ${report?.round}`)
  }
}

/** The newest round may have been told by the API alone, before it was durable: nobody has built on its manifest. */
function lostEpochs(before: RunReport, after: RunReport): number {
  const kept = before.rounds
    .slice(0, -1)
    .every(({ round, manifest }) => after.rounds[round]?.manifest === manifest)
  const verified = after.epochs.filter((epoch) => epoch.verified).length
  return kept ? after.epochsTotal - verified : after.epochsTotal
}
