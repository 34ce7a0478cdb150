/**
 * What a round takes by rule, updates and members: milliseconds of one core for decoding and folding, beside what
 * aggregation/round-cost.ts expects, by which runs that no node could fold in time are refused.
 * Usage: node bench/aggregation-rules.ts [--millions 1] [--members 8,32] [--compressors int8,sparse-loco]
 *        [--rules mean,median] [--plain]
 */
import { parseArgs } from 'node:util'
import { averagingOf } from '../aggregation/averaging.ts'
import { kernelEngine } from '../aggregation/kernels/kernels.ts'
import { loadKernels } from '../aggregation/kernels/load.ts'
import { roundCost } from '../aggregation/round-cost.ts'
import { parseRunFile } from '../protocol/run-spec.ts'

const { values: given } = parseArgs({
  options: {
    millions: { type: 'string', default: '1' },
    members: { type: 'string', default: '8,32' },
    compressors: { type: 'string', default: 'int8,sparse-loco' },
    rules: { type: 'string', default: 'mean,median,krum,multi-krum,geometric-median,centered-clipping' },
    plain: { type: 'boolean', default: false },
  },
})
const parameterCount = Number(given.millions) * 1_000_000
const repetitions = 3

/** Evenly distributed, and the same every time. */
function noise(seed: number): Float32Array {
  const values = new Float32Array(parameterCount)
  let x = seed
  for (let index = 0; index < parameterCount; index++) {
    x = (Math.imul(x, 1664525) + 1013904223) >>> 0
    values[index] = x / 2 ** 32 - 0.5
  }
  return values
}

function leastMs(work: () => void): number {
  let least = Number.POSITIVE_INFINITY
  for (let repetition = 0; repetition < repetitions; repetition++) {
    const before = process.threadCpuUsage()
    work()
    const { user, system } = process.threadCpuUsage()
    least = Math.min(least, (user + system - before.user - before.system) / 1_000)
  }
  return least
}

if (!given.plain) await loadKernels()
console.log(`engine ${kernelEngine()}, ${given.millions} M parameters, one core`)
console.log('compressor   members rule                      ms  expected')
for (const compressor of given.compressors.split(',')) {
  for (const members of given.members.split(',').map(Number)) {
    // Coordinate rules refuse sparse updates in a run file; the arithmetic is the same for as few as many.
    const topK = compressor === 'sparse-loco' ? 2048 : 512
    for (const rule of given.rules.split(',')) {
      const byCoordinate = rule === 'median' || rule === 'trimmed-mean'
      const section = { compressor, rule, topK: byCoordinate ? topK : 512 }
      const file = parseRunFile({ averaging: section }, 'bench')
      const averaging = averagingOf(file)
      const contributions = Array.from({ length: members }, (_, index) => {
        const residual = averaging.compressor.init(parameterCount)
        return averaging.compressor.compress(noise(index + 1), residual, residual).bytes
      })
      const state = Array.from({ length: averaging.rule.vectors }, () => new Float32Array(parameterCount))
      const ms = leastMs(() => {
        const updates = contributions.map((bytes) => ({
          update: averaging.compressor.decompress(bytes, parameterCount),
          tokens: 64,
        }))
        averaging.rule.aggregate(updates, parameterCount, state)
      })
      const expected = roundCost(file.averaging, members, { parameterCount }).seconds * 1_000
      console.log(
        `${compressor.padEnd(12)} ${`${members}`.padStart(7)} ${rule.padEnd(18)} ${ms.toFixed(1).padStart(9)} ${expected.toFixed(1).padStart(9)}`,
      )
    }
  }
}
