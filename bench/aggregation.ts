/**
 * The steps of an outer round on one core: gigabytes read and written per second, as a ratio to `memcpy` of the same bytes
 * (measured in turn with it) and to PyTorch doing the same step on one thread. Times are the thread's own on the processor, so
 * that others on the host count for little. At 1, 10 and 124 million parameters.
 * Usage: node bench/aggregation.ts [--sizes 1,10,124] [--steps 'int8 compress,bf16'] [--plain]
 *        [--torch FOLDER, a Python environment with torch and numpy]
 */
import { execFile } from 'node:child_process'
import { stat } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { parseArgs, promisify } from 'node:util'
import { packBf16 } from '../aggregation/bf16.ts'
import { int8 } from '../aggregation/compressors/absmax.ts'
import { kernelEngine } from '../aggregation/kernels/kernels.ts'
import { loadKernels } from '../aggregation/kernels/load.ts'
import { outerSgd } from '../aggregation/outer/sgd.ts'
import { pseudoGradient } from '../aggregation/pseudo-gradient.ts'
import { median } from '../aggregation/rules/median.ts'
import { weightedMean } from '../aggregation/rules/weighted-mean.ts'
import { sparseLoCo } from '../aggregation/sparse-loco.ts'
import { stateRoot } from '../aggregation/state-root.ts'

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

/** PyTorch takes a quarter of a microsecond for the median of eight. */
const largestSorted = 20_000_000

interface Step {
  readonly name: string
  /** Bytes that it must read and write, once each. */
  readonly bytes: number
  work(): unknown
}

interface Timing {
  readonly ms: number
  /** Of the bytes per second, to those of memcpy just before; the median of all repetitions. */
  readonly toMemcpy: number
}

/** Roughly normal, and the same every time. */
function noise(length: number, seed: number): Float32Array {
  const values = new Float32Array(length)
  let x = seed
  for (let index = 0; index < length; index++) {
    let sum = -2
    for (let part = 0; part < 4; part++) {
      x = (Math.imul(x, 1664525) + 1013904223) >>> 0
      sum += x / 2 ** 32
    }
    values[index] = sum
  }
  return values
}

function steps(parameterCount: number): Step[] {
  const [theta, delta] = [noise(parameterCount, 1), noise(parameterCount, 2)]
  const into = new Float32Array(parameterCount)
  const compressor = sparseLoCo()
  const residual = compressor.init(parameterCount)
  const { bytes } = compressor.compress(delta, residual, residual)
  const quantizer = int8()
  const rest = quantizer.init(parameterCount)
  const vector = 4 * parameterCount
  const meanOf = (count: number): Step => ({
    name: `decompress + mean of ${count}`,
    bytes: count * bytes.length + vector,
    work: () => {
      const updates = Array.from({ length: count }, () => ({
        update: compressor.decompress(bytes, parameterCount),
        tokens: 1,
      }))
      weightedMean.aggregate(updates, parameterCount, [])
    },
  })
  const dense = [theta, delta, theta, delta, theta, delta, theta, delta].map((values) => ({
    update: { kind: 'dense' as const, parameterCount, values },
    tokens: 1,
  }))
  const outer = outerSgd(0.7)
  return [
    {
      name: 'pseudo-gradient',
      bytes: 3 * vector,
      work: () => pseudoGradient(theta, delta, into),
    },
    {
      name: 'compress',
      bytes: 3 * vector + bytes.length,
      work: () => compressor.compress(delta, residual, residual),
    },
    {
      name: 'int8 compress',
      bytes: 3 * vector + quantizer.maxBytes(parameterCount),
      work: () => quantizer.compress(delta, rest, rest),
    },
    meanOf(8),
    meanOf(32),
    {
      name: 'mean of 8 dense',
      bytes: 9 * vector,
      work: () => weightedMean.aggregate(dense, parameterCount, []),
    },
    ...(parameterCount <= largestSorted
      ? [
          {
            name: 'median of 8 dense',
            bytes: 9 * vector,
            work: () => median.aggregate(dense, parameterCount, []),
          },
        ]
      : []),
    { name: 'outer step', bytes: 3 * vector, work: () => outer.apply(into, delta, [], 0) },
    { name: 'bf16', bytes: 1.5 * vector, work: () => packBf16(theta) },
    { name: 'root hash', bytes: vector, work: () => stateRoot({ theta, vectors: [] }) },
  ]
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
    `\n${parameterCount / 1e6} M parameters           ms      GB/s   to memcpy   PyTorch ms   to PyTorch`,
  )
  const wanted = given.steps?.split(',')
  for (const step of steps(parameterCount).filter(({ name }) => wanted?.includes(name) ?? true)) {
    const { ms, toMemcpy } = time(step, repetitions)
    const theirs = torch?.get(step.name)
    console.log(
      [
        step.name.padEnd(24),
        ms.toFixed(2).padStart(9),
        (step.bytes / ms / 1e6).toFixed(1).padStart(9),
        toMemcpy.toFixed(2).padStart(11),
        (theirs?.toFixed(2) ?? '–').padStart(12),
        (theirs === undefined ? '–' : (theirs / ms).toFixed(2)).padStart(12),
      ].join(' '),
    )
  }
}
