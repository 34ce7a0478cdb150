import { setTimeout as sleep } from 'node:timers/promises'
import { formatEther, parseEther } from 'viem'
import { mintDevTokens } from '../chain/deploy.ts'
import { devAccount } from '../chain/devnet.ts'
import { connectEscrow } from '../chain/escrow.ts'
import { devRoles } from '../cli/accounts.ts'
import { type PreparedRun, prepareRun, submitRun } from '../cli/submit.ts'
import type { CidText } from '../protocol/ids.ts'
import type { RunReport } from '../protocol/report.ts'
import { parseRunFile, type RunFile } from '../protocol/run-spec.ts'
import type { ChaosCluster } from './cluster.ts'

const perEpoch = '100'
/** More than the run can pay: what is left over must come back to the token. */
const extraWei = parseEther('7.000000000000000003')
const pollMs = 250
/** Longer than any fault, a warm-up and a round with all its timeouts together. */
const stuckMs = 240_000
const over = new Set<RunReport['phase']>(['finished', 'failed', 'stopped'])

/** The default recipe on a model of 27,000 parameters: eight of them train on two cores. Every round is short, and every epoch audited. */
export function chaosRunFile(workers: number, seed: number, epochs: number): RunFile {
  return parseRunFile(
    {
      name: 'chaos',
      model: { layers: 1, width: 32, heads: 2, context: 32 },
      train: { batch: 4, innerSteps: 40, roundsPerEpoch: 4, epochs, seed },
      workers: { min: workers, quorum: 0.5, adaptive: false },
      audit: { roundsPerEpoch: 2, segments: 4 },
      timing: {
        trainTimeoutMs: 120_000,
        commitGraceMs: 5_000,
        revealTimeoutMs: 10_000,
        fetchTimeoutMs: 10_000,
      },
      reward: { perEpoch, disputeWindowSeconds: 0 },
    },
    'the chaos run',
  )
}

export interface Watching {
  /** Called when a round is first seen under way. */
  onRound(round: number, report: RunReport): void
  /** Called for whatever is worth a line. */
  say(text: string): void
}

export interface WatchedRun {
  readonly prepared: PreparedRun
  readonly report: RunReport
  readonly funder: ReturnType<typeof devAccount>
  readonly fundedWei: bigint
  readonly rewardWei: bigint
  /** When each round was first seen closed, by performance.now(). */
  readonly closedAtMs: ReadonlyMap<number, number>
  /** When it was submitted. */
  readonly startedAtMs: number
  readonly terms: readonly number[]
  /** Rounds whose manifest was another one later than when a further round had been built on it. */
  readonly rewritten: readonly string[]
}

/** Submits a run, pays for it, and watches it through whichever head leads until it is over. */
export async function watchRun(
  cluster: ChaosCluster,
  file: RunFile,
  nonce: string,
  { onRound, say }: Watching,
): Promise<WatchedRun> {
  const prepared = await prepareRun(file, nonce)
  const { run } = prepared
  const startedAtMs = performance.now()
  const first = await cluster.leader()
  if (first === null) throw new Error('no head leads')
  await submitRun(first.api, prepared)
  const funder = devAccount(devRoles.firstFunder)
  const required = await fund(cluster, prepared, funder)

  const closedAtMs = new Map<number, number>()
  const manifests = new Map<number, CidText>()
  const rewritten: string[] = []
  const terms = new Set<number>()
  let seenRound = -1
  let progressAtMs = performance.now()
  for (;;) {
    const leader = await cluster.leader()
    const report = (await leader?.api.report(run).catch(() => null)) ?? null
    const now = performance.now()
    if (report !== null) {
      terms.add(leader!.term)
      // The newest round may be one that its head has told nobody but us: only what was built upon is history.
      for (const { round, manifest } of report.rounds.slice(0, -1)) {
        const before = manifests.get(round)
        if (before !== undefined && before !== manifest)
          rewritten.push(`round ${round} was ${before}, then ${manifest}`)
        manifests.set(round, manifest)
      }
      for (const { round } of report.rounds) if (!closedAtMs.has(round)) closedAtMs.set(round, now)
      if (report.round > seenRound) {
        progressAtMs = now
        const last = report.rounds.at(-1)
        say(
          `round ${report.round}/${report.roundsTotal} ${report.phase}, term ${leader!.term}` +
            (last === undefined
              ? ''
              : `: ${last.admitted.length} of ${last.members.length} admitted, loss ${last.trainLossNats?.toFixed(3)}`),
        )
        for (let round = seenRound + 1; round <= report.round; round++) onRound(round, report)
        seenRound = report.round
      }
      if (over.has(report.phase))
        return {
          prepared,
          report,
          funder,
          fundedWei: required,
          rewardWei: parseEther(perEpoch),
          closedAtMs,
          startedAtMs,
          terms: [...terms].sort((a, b) => a - b),
          rewritten,
        }
    }
    if (now - progressAtMs > stuckMs)
      throw new Error(
        `no round was closed for ${stuckMs / 1000} s: ${JSON.stringify({ leader: leader?.head.name, phase: report?.phase, pending: report?.pending, round: report?.round })}`,
      )
    await sleep(pollMs)
  }
}

/** Fills the run's escrow once the head has opened it there. */
async function fund(
  cluster: ChaosCluster,
  { run, spec }: PreparedRun,
  funder: ReturnType<typeof devAccount>,
): Promise<bigint> {
  const escrow = connectEscrow(cluster.chain, funder)
  const amount = BigInt(spec.reward!.perEpochWei) * BigInt(spec.train.epochs) + extraWei
  const deadline = Date.now() + 120_000
  for (;;) {
    const leader = await cluster.leader()
    const place = (await leader?.api.report(run).catch(() => null))?.escrow
    const isOpen =
      place != null &&
      (await escrow.run(place.run).then(
        () => true,
        () => false,
      ))
    if (isOpen) {
      await mintDevTokens(cluster.chain, devAccount(devRoles.minter), funder.address, amount)
      await escrow.fund(place.run, amount)
      return amount
    }
    if (Date.now() > deadline) throw new Error(`the escrow of ${formatEther(amount)} tokens was never opened`)
    await sleep(pollMs)
  }
}
