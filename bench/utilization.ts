/**
 * How much of its time a worker computes when its link is slow, per schedule: its engine is inside inner steps, and nothing else,
 * from its first round to the end of the last but one, as nothing follows the last.
 * And how long PyTorch's DistributedDataParallel (gloo) takes over the same links to the same training loss. Real processes in
 * network namespaces with token buckets.
 * Usage: node bench/utilization.ts [--model small|large] [--links 20,100,500] [--schedules blocking,eager] [--rounds 8]
 *        [--batch 8] [--inner-steps 10] [--optimizer adamw|normuon] [--ddp-seconds 60] [--python VENV/bin/python]
 * DDP trains with AdamW, and so do the workers unless --optimizer says otherwise.
 */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { access, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { createInterface } from 'node:readline'
import { parseArgs } from 'node:util'
import { mobyDick } from '../worker/data/moby-dick.ts'
import { createShapedNetwork, device, missingForShaping } from './utilization/shaped-links.ts'

const { values: given } = parseArgs({
  options: {
    model: { type: 'string', default: 'small' },
    links: { type: 'string', default: '20,100,500' },
    schedules: { type: 'string', default: 'blocking,eager' },
    rounds: { type: 'string', default: '8' },
    batch: { type: 'string' },
    'inner-steps': { type: 'string' },
    optimizer: { type: 'string', default: 'adamw' },
    'ddp-seconds': { type: 'string', default: '60' },
    python: { type: 'string' },
  },
})
/** Inner steps so many that a round takes half a minute on a core. */
const models = {
  small: { layers: 4, width: 128, heads: 4, context: 64, batch: 16, innerSteps: 100 },
  large: { layers: 6, width: 384, heads: 6, context: 256, batch: 8, innerSteps: 10 },
} as const
const shape = models[given.model as keyof typeof models]
if (shape === undefined) throw new Error('--model is small or large')
const model = {
  ...shape,
  batch: Number(given.batch ?? shape.batch),
  innerSteps: Number(given['inner-steps'] ?? shape.innerSteps),
}
const workers = 2
const rounds = Number(given.rounds)
const say = (text: string) => void process.stdout.write(`${text}\n`)

interface Measured {
  readonly schedule: string
  /** At the end of each round: training loss, and of each worker the share of its time that it has computed since it began. */
  readonly curve: readonly {
    readonly seconds: number
    readonly loss: number
    readonly utilization: readonly number[]
  }[]
  /** Of the last line of a schedule. */
  readonly isDone?: true
}

/** The share of its time that the least busy worker computes, from the end of a round, or the run's beginning, on. */
function leastBusy(curve: Measured['curve'], from?: Measured['curve'][number]): number {
  const { seconds, utilization } = curve.at(-1)!
  const shares = utilization.map((share, worker) => {
    const before = from === undefined ? 0 : from.seconds * from.utilization[worker]!
    return (seconds * share - before) / Math.max(1, seconds - (from?.seconds ?? 0))
  })
  return Math.min(...shares)
}

const started = new Set<ChildProcess>()
let isStopping = false

/** One JSON line after the other of a program on host `host`. */
async function* lines<T>(inside: readonly string[], command: readonly string[]): AsyncGenerator<T> {
  const child = spawn('ip', [...inside, ...command], { stdio: ['ignore', 'pipe', 'inherit'] })
  started.add(child)
  const exited = once(child, 'exit')
  try {
    for await (const line of createInterface({ input: child.stdout })) yield JSON.parse(line) as T
    const [code] = await exited
    // Its end is the signal's doing, whose handler cleans up and exits.
    if (isStopping) await new Promise(() => {})
    if (code !== 0) throw new Error(`${command[0]} ended with ${code}`)
  } finally {
    child.kill('SIGTERM')
    await exited
  }
}

const missing = await missingForShaping()
if (missing !== undefined) {
  say(`skipped: ${missing}`)
  process.exit(0)
}
const folder = await mkdtemp(path.join(tmpdir(), 'murmur-utilization-'))
await using network = await createShapedNetwork(workers + 1)
for (const signal of ['SIGINT', 'SIGTERM'] as const)
  process.on(signal, async () => {
    // A shell may say it twice, to the process and to its group: what cleans up is not broken off.
    if (isStopping) return
    isStopping = true
    for (const child of started) child.kill('SIGTERM')
    await network[Symbol.asyncDispose]()
    await rm(folder, { recursive: true, force: true })
    process.exit(1)
  })
const text = path.join(folder, 'text.txt')
await writeFile(text, await mobyDick())
const python = given.python
const withPeer =
  python !== undefined &&
  (await access(python).then(
    () => true,
    () => false,
  ))
if (!withPeer) say('PyTorch is not compared: name a Python that has it with --python')

for (const megabits of given.links.split(',').map(Number)) {
  await network.limit(megabits)
  let target = 0
  let ours: Measured | null = null
  const task = {
    ...{ home: path.join(folder, `${megabits}`), text, model, rounds, optimizer: given.optimizer },
    schedules: given.schedules.split(','),
    workers: Array.from({ length: workers }, (_, index) => network.inside(index + 1)),
    listen: network.address(0),
  }
  const inner = [
    process.execPath,
    path.join(import.meta.dirname, 'utilization', 'runs.ts'),
    JSON.stringify(task),
  ]
  for await (const measured of lines<Measured>(network.inside(0), inner)) {
    const { schedule, curve, isDone } = measured
    if (!isDone) {
      const { seconds, loss, utilization } = curve.at(-1)!
      const least = Math.min(...utilization)
      process.stderr.write(
        `${schedule}, round ${curve.length} of ${rounds}: ${seconds.toFixed(0)} s, loss ${loss.toFixed(3)}, computing ${(100 * least).toFixed(1)} %\n`,
      )
      continue
    }
    // Nothing follows the last round: who ends it first waits for the others.
    const counted = curve.slice(0, Math.max(1, rounds - 1))
    const [least, settled] = [leastBusy(counted), leastBusy(counted, counted[0])]
    say(
      `${megabits} Mbit/s, ${schedule}: the least busy of ${workers} workers computes ${(100 * least).toFixed(1)} % of its time` +
        (counted.length > 1 ? `, from the second round on ${(100 * settled).toFixed(1)} %` : '') +
        `; ${curve.length} rounds, loss ${curve.at(-1)!.loss.toFixed(3)} after ${curve.at(-1)!.seconds.toFixed(0)} s` +
        (megabits === 100 && schedule === 'eager' && counted.length > 1
          ? `; goal 99 % once under way: ${settled >= 0.99 ? 'met' : 'MISSED'}`
          : ''),
    )
    ours = measured
    target = curve.at(-1)!.loss
  }
  if (!withPeer || ours === null) continue
  const { layers, width, heads, context, batch, innerSteps } = model
  const sizes = [layers, width, heads, context, batch, rounds * innerSteps].map(String)
  const script = path.join(import.meta.dirname, 'utilization', 'ddp.py')
  const peer = (rank: number) => [
    ...['env', `GLOO_SOCKET_IFNAME=${device}`, python, script, String(rank), String(workers)],
    ...[network.address(1), '29517', ...sizes, text],
  ]
  const limitS = Number(given['ddp-seconds'])
  const other = spawn('ip', [...network.inside(2), ...peer(1)], { stdio: 'ignore' })
  started.add(other)
  let mean = Number.NaN
  let last = { step: 0, seconds: 0 }
  let reached: number | null = null
  for await (const { step, seconds, loss } of lines<{ step: number; seconds: number; loss: number }>(
    network.inside(1),
    peer(0),
  )) {
    // Of one worker's batch: smoothed, as ours is a mean over a round.
    mean = Number.isNaN(mean) ? loss : 0.95 * mean + 0.05 * loss
    last = { step, seconds }
    if (mean <= target) reached = seconds
    if (reached !== null || seconds > limitS) break
  }
  other.kill('SIGKILL')
  const took = ours.curve.at(-1)!.seconds
  const pace = last.seconds / last.step
  const theirs = reached ?? pace * rounds * innerSteps
  say(
    `${megabits} Mbit/s, PyTorch DDP: ${pace.toFixed(2)} s a step; to a training loss of ${target.toFixed(3)} ` +
      `${reached === null ? `it would take ${theirs.toFixed(0)} s for as many steps (stopped after ${last.step}, loss ${mean.toFixed(3)})` : `${theirs.toFixed(0)} s`}; ` +
      `ours ${took.toFixed(0)} s, ratio ${(theirs / took).toFixed(1)}`,
  )
}
await rm(folder, { recursive: true, force: true })
await network[Symbol.asyncDispose]()
process.exit(0)
