/** Runs on the head's host: a head, workers on theirs, and one run per schedule; a JSON line for each round and run. */
import { spawn } from 'node:child_process'
import { mkdir } from 'node:fs/promises'
import path from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { connectApi } from '../../cli/api-client.ts'
import { startHead } from '../../cli/head-process.ts'
import { nodeEnvironment } from '../../cli/spawn-node.ts'
import { prepareRun, submitRun } from '../../cli/submit.ts'
import { parseRunFile } from '../../protocol/run-spec.ts'

const task = JSON.parse(process.argv[2]!) as {
  readonly home: string
  readonly text: string
  readonly model: Record<'layers' | 'width' | 'heads' | 'context' | 'batch' | 'innerSteps', number>
  readonly rounds: number
  readonly optimizer: string
  readonly schedules: readonly string[]
  /** `ip` arguments that run a program on a worker's host. */
  readonly workers: readonly (readonly string[])[]
  readonly listen: string
}
const { home, text, model, rounds, optimizer, schedules, workers, listen } = task
const limitMs = 1_800_000
const say = (line: object) => void process.stdout.write(`${JSON.stringify(line)}\n`)
await mkdir(home, { recursive: true })
process.stderr.write = () => true
const head = await startHead({
  ...{ home, listen: [`/ip4/${listen}/tcp/4101`], apiPort: 0, token: '', devnet: false, chain: null },
})
const murmur = path.join(import.meta.dirname, '../../cli/murmur.cjs')
const children = workers.map((inside, index) =>
  spawn(
    'ip',
    [
      ...[...inside, process.execPath, murmur, 'start', '--address', head.ready.addresses[0]!],
      ...['--name', `w${index + 1}`, '--home', path.join(home, `w${index + 1}`)],
    ],
    { stdio: 'ignore', env: nodeEnvironment(process.env) },
  ),
)
process.once('SIGTERM', () => {
  for (const child of children) child.kill('SIGTERM')
  process.exit(1)
})
try {
  const api = await connectApi(home)
  for (const schedule of schedules) {
    const { batch, innerSteps, ...shape } = model
    const file = parseRunFile(
      {
        name: schedule,
        data: { file: text },
        model: shape,
        train: { batch, innerSteps, optimizer, roundsPerEpoch: rounds, epochs: 1 },
        averaging: { schedule },
        workers: { min: workers.length, max: workers.length },
        audit: { roundsPerEpoch: 1 },
      },
      'the bench',
    )
    const prepared = await prepareRun(file)
    await submitRun(api, prepared)
    const curve: { seconds: number; loss: number; utilization: readonly number[] }[] = []
    let began: number | null = null
    for (const deadline = Date.now() + limitMs; ; await sleep(100)) {
      const report = await api.report(prepared.run)
      if (report === null) continue
      if (began === null && report.workers.some(({ step }) => step > 0)) began = Date.now()
      for (const { trainLossNats } of report.rounds.slice(curve.length)) {
        const seconds = (Date.now() - (began ?? Date.now())) / 1000
        const utilization = report.workers.map((worker) => worker.utilization)
        curve.push({ seconds, loss: trainLossNats ?? Number.NaN, utilization })
        say({ schedule, curve })
      }
      if (curve.length >= rounds || report.phase === 'failed' || Date.now() > deadline) break
    }
    say({ schedule, curve, isDone: true })
    await api.stopRun(prepared.run).catch(() => {})
    for (;;) {
      const phase = (await api.report(prepared.run))?.phase
      if (phase === 'finished' || phase === 'stopped' || phase === 'failed') break
      await sleep(200)
    }
  }
} finally {
  for (const child of children) child.kill('SIGTERM')
  await Promise.all(children.map((child) => new Promise((resolve) => child.once('exit', resolve))))
  await head.stop()
}
process.exit(0)
