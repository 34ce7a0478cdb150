import path from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { parseEther } from 'viem'
import { mintDevTokens } from '../chain/deploy.ts'
import { devAccount } from '../chain/devnet.ts'
import { connectEscrow } from '../chain/escrow.ts'
import { invariant, MurmurError } from '../protocol/errors.ts'
import type { RunId } from '../protocol/ids.ts'
import type { RunReport } from '../protocol/report.ts'
import { parseRunFile } from '../protocol/run-spec.ts'
import { devRoles } from './accounts.ts'
import { tokens } from './amounts.ts'
import { type ApiClient, connectApi } from './api-client.ts'
import type { DemoOptions } from './demo.ts'
import { followRun } from './follow.ts'
import { type HeadReady, homeFolder } from './home.ts'
import { interruptible } from './interruptible.ts'
import { launchCluster } from './launch.ts'
import { createLiveView, type LiveView } from './live-view.ts'
import { escrowOf, fundingTable } from './money.ts'
import { type PreparedRun, prepareRun, submitRun } from './submit.ts'
import { summarize } from './summary.ts'
import { summaryText } from './summary-text.ts'
import { wholeNumber, workerCount } from './worker-count.ts'

const rewardPerEpoch = 100n
/** Shares of what the run may cost, in percent; together more than needed, so that something comes back. */
const fundingShares = [55n, 35n, 20n]
const claimTimeoutMs = 60_000

/** `murmur demo`: `up`, `run`, `fund`, `claim`, `refund` and `down` in one command, through the same code. */
export async function demoCommand(options: DemoOptions): Promise<void> {
  const workers = workerCount(options.workers)
  const epochs = wholeNumber(options.epochs, '--epochs', 1, 1000)
  const seed = wholeNumber(options.seed, '--seed', 0, Number.MAX_SAFE_INTEGER)
  const home = homeFolder(options.home, 'demo')
  const file = parseRunFile(
    {
      name: options.data === undefined ? 'moby-dick' : nameOf(options.data),
      data: options.data === undefined ? { builtin: 'moby-dick' } : { file: path.resolve(options.data) },
      train: { epochs, seed },
      workers: { min: workers },
      reward: { perEpoch: rewardPerEpoch.toString() },
    },
    'the demo',
  )
  // Everything that can be wrong with the data is found before a process is started.
  const prepared = await prepareRun(file)
  await interruptible('run it again; its state and logs are kept', (signal) =>
    trainAndPay(options, { home, workers, epochs, prepared }, signal),
  )
}

interface DemoPlan {
  readonly home: string
  readonly workers: number
  readonly epochs: number
  readonly prepared: PreparedRun
}

async function trainAndPay(
  options: DemoOptions,
  { home, workers, epochs, prepared }: DemoPlan,
  signal: AbortSignal,
): Promise<void> {
  process.stderr.write(`starting a head and ${workers} workers; state and logs in ${home}\n`)
  const cluster = await launchCluster({ home, workers, detached: false }, signal)
  const view = createLiveView()
  try {
    const api = await connectApi(home)
    await submitRun(api, prepared)
    await fundFromThree(
      api,
      prepared.run,
      cluster.ready,
      BigInt(epochs) * parseEther(rewardPerEpoch.toString()),
      signal,
    )
    await followRun(api, prepared.run, { signal, view, fundingTimeoutMs: 120_000 })
    const report = await claimed(api, prepared.run, view, signal)
    view.close()
    await refundAll(report, cluster.ready)
    const { escrow, place } = escrowOf(report)
    const funders = await fundingTable(escrow, place)
    const after = await escrow.accounting(place.run)
    const summary = summarize(
      { ...report, escrow: { ...place, refunded: after.refunded.toString() } },
      funders,
    )
    process.stdout.write(
      options.json === true ? `${JSON.stringify(summary, null, 2)}\n` : `${summaryText(summary)}\n`,
    )
    if (options.json !== true) process.stderr.write(nextSteps(summary.checkpoints.at(-1)?.cid, options.home))
  } catch (error) {
    // A Ctrl-C reaches the head too: that it no longer answers is not the news.
    signal.throwIfAborted()
    throw error
  } finally {
    view.close()
    process.stderr.write('stopping every process …\n')
    await cluster.stop()
  }
}

/** Three funders put in unequal amounts, as strangers to each other would. */
async function fundFromThree(
  api: ApiClient,
  run: RunId,
  { chain }: HeadReady,
  required: bigint,
  signal: AbortSignal,
): Promise<void> {
  invariant(chain !== null, 'the demo’s head has a devnet')
  const funders = fundingShares.map((share, index) => ({
    account: devAccount(devRoles.firstFunder + index),
    amount: (required * share) / 100n,
  }))
  const [report] = await Promise.all([
    untilEscrowIsOpen(api, run, signal),
    ...funders.map(({ account, amount }) => mintDevTokens(chain, account, account.address, amount)),
  ])
  await Promise.all(
    funders.map(async ({ account, amount }, index) => {
      const { escrow, place } = escrowOf(report, account)
      await escrow.fund(place.run, amount)
      process.stderr.write(`funder ${index + 1} put in ${tokens(amount)}\n`)
    }),
  )
}

async function untilEscrowIsOpen(api: ApiClient, run: RunId, signal: AbortSignal): Promise<RunReport> {
  const deadline = Date.now() + 60_000
  while (Date.now() < deadline) {
    const report = await api.report(run)
    if (report?.phase === 'failed' && report.error !== null)
      throw new MurmurError(report.error.code, report.error)
    if (report?.escrow != null && report.phase === 'awaiting-funds') {
      const escrow = connectEscrow({
        rpcUrl: report.escrow.rpcUrl,
        chainId: report.escrow.chainId,
        escrow: report.escrow.contract,
        token: report.escrow.token,
      })
      // The run is opened by its first transaction; before its receipt, funding it would revert.
      if (
        await escrow.run(report.escrow.run).then(
          () => true,
          () => false,
        )
      )
        return report
    }
    await sleep(100, undefined, { signal })
  }
  throw new MurmurError('ESCROW_NOT_OPEN', {
    message: 'the head did not open the run’s escrow within a minute',
    next: 'look at the head’s log in the state folder',
    exit: 'timeout',
  })
}

/** Workers claim by themselves once the last epoch is final: waits until they have. */
async function claimed(api: ApiClient, run: RunId, view: LiveView, signal: AbortSignal): Promise<RunReport> {
  const deadline = Date.now() + claimTimeoutMs
  for (;;) {
    const report = await api.report(run)
    invariant(report !== null, 'a run that is over has a report')
    view.show(report)
    if (
      report.workers.every(
        (worker) => worker.status === 'lost' || BigInt(worker.claimed) >= BigInt(worker.earned),
      )
    )
      return report
    if (Date.now() > deadline) {
      throw new MurmurError('CLAIMS_MISSING', {
        message: 'not every worker has claimed within a minute',
        next: 'look at the workers’ logs in the state folder; `murmur claim` claims by hand',
        exit: 'timeout',
      })
    }
    await sleep(400, undefined, { signal })
  }
}

async function refundAll(report: RunReport, { chain }: HeadReady): Promise<void> {
  invariant(chain !== null, 'the demo’s head has a devnet')
  for (const index of fundingShares.keys()) {
    const account = devAccount(devRoles.firstFunder + index)
    const { escrow, place } = escrowOf(report, account)
    if ((await escrow.refundable(place.run, account.address)) > 0n)
      await escrow.refund(place.run, account.address)
  }
}

function nextSteps(checkpoint: string | undefined, home: string | undefined): string {
  if (checkpoint === undefined) return ''
  const folder = home === undefined ? homeFolder(undefined, 'demo') : path.resolve(home)
  return `\ntake the model home:\n  npm run murmur -- checkpoint export ${checkpoint} --out model --home ${folder}\n`
}

function nameOf(file: string): string {
  const name = path
    .parse(file)
    .name.toLowerCase()
    .replace(/[^a-z0-9]+/g, '-')
    .replace(/^-+|-+$/g, '')
  return name.slice(0, 63) || 'text'
}
