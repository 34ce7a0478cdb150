/**
 * The steps of an outer round on one core: gigabytes read and written per second, as a ratio to `memcpy` of the same bytes
 * (measured in turn with it) and to PyTorch doing the same step on one thread. Times are the thread's own on the processor, so
 * that others on the host count for little. At 1, 10 and 124 million parameters.
 * In a process that is started as a node is.
 * Usage: node bench/aggregation.ts [--sizes 1,10,124] [--steps 'int8 compress,bf16'] [--plain]
 *        [--torch FOLDER, a Python environment with torch and numpy]
 */
import { execFile } from 'node:child_process'
import { stat } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { parseArgs, promisify } from 'node:util'
import { kernelEngine } from '../aggregation/kernels/kernels.ts'
import { loadKernels } from '../aggregation/kernels/load.ts'
import { keptModels } from './aggregation/kept.ts'
import { type Step, stepsOf } from './aggregation/steps.ts'
import { runAsNode } from './as-node.ts'

runAsNode()
const { values: given } = parseArgs({
  options: {
    sizes: { type: 'string', default: '1,10,124' },
    steps: { type: 'string' },
    plain: { type: 'boolean', default: false },
    torch: { type: 'string', default: path.join(tmpdir(), 'murmur-torch') },
  },
})
const sizes = given.sizes.split(',').map((millions) => Number(millions) * 1_000_000)
const torchMs = 1_800_000

interface Timing {
  readonly ms: number
  /** Of the bytes per second, to those of memcpy just before; the median of all repetitions. */
  readonly toMemcpy: number
}

const largestCopy = 2 ** 28

/** A memcpy that reads and writes as many bytes as said, half of them each way. */
function memcpyOf(bytes: number): () => void {
  const size = Math.min(largestCopy, bytes / 2)
  const [from, to] = [new Uint8Array(size).fill(1), new Uint8Array(size).fill(2)]
  return () => {
    for (let left = bytes / 2; left > 0; left -= size) to.set(left < size ? from.subarray(0, left) : from)
  }
}

/** The clock of a thread's processor time has ticks of milliseconds: what is shorter is repeated until it takes so many. */
const sampleMs = 100

/** Milliseconds of a processor that one call takes of this thread. */
function threadMs(work: () => unknown): number {
  const before = process.threadCpuUsage()
  for (let calls = 1; ; calls++) {
    work()
    const { user, system } = process.threadCpuUsage()
    const ms = (user + system - before.user - before.system) / 1_000
    if (ms >= sampleMs) return ms / calls
  }
}

function time({ bytes, work }: Step, repetitions: number): Timing {
  const memcpy = memcpyOf(bytes)
  threadMs(work)
  const ratios: number[] = []
  let ms = Number.POSITIVE_INFINITY
  for (let repetition = 0; repetition < repetitions; repetition++) {
    const copy = threadMs(memcpy)
    const took = threadMs(work)
    ratios.push(copy / took)
    ms = Math.min(ms, took)
  }
  return { ms, toMemcpy: ratios.sort((a, b) => a - b)[ratios.length >> 1]! }
}

/** PyTorch's least milliseconds by step; null where it isn't there. */
async function torchTimes(parameterCount: number, repetitions: number): Promise<Map<string, number> | null> {
  const python = path.join(given.torch, 'bin', 'python')
  if (!(await stat(python).then(Boolean, () => false))) return null
  const script = path.join(import.meta.dirname, 'aggregation-torch.py')
  const { stdout } = await promisify(execFile)(
    python,
    [script, String(parameterCount), String(repetitions)],
    {
      timeout: torchMs,
    },
  )
  const lines = stdout.trim().split('\n')
  return new Map(
    lines.map((line) => JSON.parse(line) as { step: string; ms: number }).map(({ step, ms }) => [step, ms]),
  )
}

if (!given.plain) await loadKernels()
console.log(`engine ${kernelEngine()}, one core`)
for (const parameterCount of sizes) {
  const repetitions = parameterCount > 5e7 ? 3 : 9
  const torch = await torchTimes(parameterCount, repetitions)
  if (torch === null)
    console.log(
      `no PyTorch in ${given.torch}: make one there with torch and numpy, or name another by --torch`,
    )
  console.log(
    `\n${parameterCount / 1e6} M parameters                     ms      GB/s   to memcpy   PyTorch ms   to PyTorch`,
  )
  const wanted = given.steps?.split(',')
  for (const step of stepsOf(parameterCount).filter(({ name }) => wanted?.includes(name) ?? true)) {
    const { ms, toMemcpy } = time(step, repetitions)
    const theirs = torch?.get(step.name)
    console.log(
      [
        step.name.padEnd(34),
        ms.toFixed(2).padStart(9),
        (step.bytes / ms / 1e6).toFixed(1).padStart(9),
        toMemcpy.toFixed(2).padStart(11),
        (theirs?.toFixed(2) ?? '–').padStart(12),
        (theirs === undefined ? '–' : (theirs / ms).toFixed(2)).padStart(12),
      ].join(' '),
    )
  }
  const [placed, fresh] = [keptModels(parameterCount, 'placed'), keptModels(parameterCount, 'fresh')]
  console.log(
    `memory a worker keeps between rounds for later use, in models: ${placed.toFixed(2)}; with fresh vectors ${fresh.toFixed(2)}`,
  )
}
