/**
 * Trains a run on real processes while they are killed, paused, cut off, slowed down and lied to by the line; then checks
 * what is claimed of such a run. The same run without faults goes first, for the loss to compare.
 * Usage: npm run chaos -- [--minutes 5] [--seed 0] [--workers 8] [--json] [--keep]
 */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import { table } from '../cli/table.ts'
import type { RunFile } from '../protocol/run-spec.ts'
import { type Claim, checkDisks, checkLoss, checkRun } from './claims.ts'
import { type ChaosCluster, startChaosCluster } from './cluster.ts'
import { costOf, costsByKind, medianRoundMs } from './costs.ts'
import { planFaults } from './plan.ts'
import { FaultSchedule } from './schedule.ts'
import { chaosRunFile, type WatchedRun, watchRun } from './watched-run.ts'

const { values: given } = parseArgs({
  options: {
    minutes: { type: 'string', default: '5' },
    seed: { type: 'string', default: '0' },
    workers: { type: 'string', default: '8' },
    json: { type: 'boolean', default: false },
    keep: { type: 'boolean', default: false },
  },
})
const [minutes, seed, workers] = [Number(given.minutes), Number(given.seed), Number(given.workers)]
if (
  !(minutes > 0 && minutes <= 600) ||
  !Number.isSafeInteger(seed) ||
  seed < 0 ||
  !(workers >= 3 && workers <= 32)
)
  throw new Error('--minutes is above 0, --seed a whole number from 0, --workers from 3 to 32')

const calmAttempts = 3
/** A round with faults takes about seven seconds on two cores. Runs of fewer rounds differ by more than 2 % by chance. */
const epochs = Math.max(4, Math.round((minutes * 60) / 7 / 4))
const rounds = 4 * epochs
const begun = performance.now()
const say = (text: string) =>
  void process.stderr.write(`${((performance.now() - begun) / 1_000).toFixed(1).padStart(7)} ${text}\n`)

const home = await mkdtemp(path.join(tmpdir(), 'murmur-chaos-'))
say(`seed ${seed}: ${workers} workers, ${rounds} rounds, state in ${home}`)
let broken: readonly Claim[]
{
  await using cluster = await startChaosCluster(home, workers)
  for (const name of ['SIGINT', 'SIGTERM'] as const)
    process.once(
      name,
      () => void Promise.resolve(cluster[Symbol.asyncDispose]()).finally(() => process.exit(130)),
    )
  broken = await compare(cluster)
}
if (broken.length === 0 && !given.keep) await rm(home, { recursive: true, force: true })
else say(`logs and state stay in ${home}`)
process.exit(broken.length === 0 ? 0 : 1)

/**
 * Without faults, and without what a busy machine does by itself: rounds that time out lose as much as any fault, and a
 * run that lost some is none to compare with.
 */
async function calmRun(cluster: ChaosCluster, file: RunFile): Promise<WatchedRun> {
  for (let attempt = 1; ; attempt++) {
    const calm = await watchRun(cluster, file, `calm-${seed}-${attempt}`, { onRound: () => {}, say })
    const admitted = calm.report.rounds.reduce((sum, round) => sum + round.admitted.length, 0)
    if (admitted >= 0.97 * rounds * workers) return calm
    const lost = `${rounds * workers - admitted} of ${rounds * workers} contributions were late without any fault`
    if (attempt === calmAttempts) throw new Error(`${lost}: this machine is too busy for so many workers`)
    say(`${lost}; again`)
  }
}

async function compare(cluster: ChaosCluster): Promise<readonly Claim[]> {
  const file = chaosRunFile(workers, seed, epochs)
  say('the run without faults')
  const reference = await calmRun(cluster, file)
  say('the run with faults')
  const plan = planFaults({ seed, rounds, workers })
  const schedule = new FaultSchedule(plan, cluster, say)
  const onRound = (round: number) => schedule.onRound(round)
  let watched: WatchedRun
  try {
    watched = await watchRun(cluster, file, `chaos-${seed}`, { onRound, say })
  } finally {
    await schedule.end()
  }
  const leader = await cluster.leader()
  if (leader === null) throw new Error('no head leads at the end')
  const loss = checkLoss(watched.report, reference.report)
  const running = await checkRun(cluster, watched, leader)
  // What the leader told the standby last is on its disk by then.
  await sleep(2_000)
  await cluster.stopNodes()
  const claims = [
    { claim: 'every planned fault could be done and undone', broken: schedule.failures[0] ?? null },
    loss,
    ...running,
    ...(await checkDisks(cluster, watched.report, leader)),
  ]
  print(cluster, reference, watched, schedule, claims)
  return claims.filter((claim) => claim.broken !== null)
}

function print(
  cluster: ChaosCluster,
  calm: WatchedRun,
  watched: WatchedRun,
  { injected }: FaultSchedule,
  claims: readonly Claim[],
): void {
  const paidTo = new Map(watched.report.workers.map(({ payout, id }) => [payout?.toLowerCase(), id]))
  const workerNamed = new Map(
    cluster.workers.map(({ name, account }) => [name, paidTo.get(account.address.toLowerCase())!]),
  )
  const costs = injected.map((one) => ({
    ...one,
    ...costOf(one, watched.report, watched.closedAtMs, workerNamed),
  }))
  const kinds = costsByKind(costs)
  const figures = {
    seed,
    workers,
    rounds,
    faults: injected.length,
    terms: watched.terms,
    lossWithout: calm.report.heldOutLossNats.after,
    lossWith: watched.report.heldOutLossNats.after,
    secondsWithout: secondsOf(calm),
    secondsWith: secondsOf(watched),
    medianRoundMsWithout: medianRoundMs(calm.closedAtMs),
    medianRoundMsWith: medianRoundMs(watched.closedAtMs),
    contributions: watched.report.rounds.reduce((sum, { admitted }) => sum + admitted.length, 0),
    contributionsPlanned: rounds * workers,
  }
  if (given.json)
    return void process.stdout.write(`${JSON.stringify({ ...figures, kinds, claims }, null, 2)}\n`)
  const seconds = (ms: number | null) => (ms === null ? '' : (ms / 1_000).toFixed(1))
  const rows = kinds.map(
    ({ kind, times, downSeconds, lostContributions, medianNextRoundMs, longestNextRoundMs }) => [
      kind,
      String(times),
      downSeconds.toFixed(0),
      String(lostContributions),
      seconds(medianNextRoundMs),
      seconds(longestNextRoundMs),
    ],
  )
  const head = ['fault', 'times', 'seconds in all', 'contributions lost', 'next round after, s', 'longest']
  process.stdout.write(
    [
      ...table(head, rows),
      '',
      `${figures.faults} faults, ${figures.terms.length} terms of heads (${figures.terms.join(', ')})`,
      `rounds: median ${seconds(figures.medianRoundMsWith)} s, without faults ${seconds(figures.medianRoundMsWithout)} s; whole run ${figures.secondsWith.toFixed(0)} s, without ${figures.secondsWithout.toFixed(0)} s`,
      `contributions admitted: ${figures.contributions} of ${figures.contributionsPlanned}`,
      `held-out loss: ${figures.lossWith?.toFixed(4)}, without faults ${figures.lossWithout?.toFixed(4)} nats`,
      '',
      ...claims.map(({ claim, broken }) =>
        broken === null ? `holds   ${claim}` : `BROKEN  ${claim}: ${broken}`,
      ),
      '',
    ].join('\n'),
  )
  if (claims.some((claim) => claim.broken !== null))
    process.stdout.write(
      `plan again with: npm run chaos -- --minutes ${minutes} --seed ${seed} --workers ${workers}\n`,
    )
}

function secondsOf({ report }: WatchedRun): number {
  return ((report.endedAt ?? 0) - (report.startedAt ?? 0)) / 1_000
}
