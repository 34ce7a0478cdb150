import { execFileSync } from 'node:child_process'
import { setTimeout as sleep } from 'node:timers/promises'
import { applyRound, decodeContributions } from '../../aggregation/apply-round.ts'
import { type Averaging, initialState } from '../../aggregation/averaging.ts'
import { int8 } from '../../aggregation/compressors/absmax.ts'
import { contribute, type Kept } from '../../aggregation/contribute.ts'
import { loadKernels } from '../../aggregation/kernels/load.ts'
import { vectorsOfRun } from '../../aggregation/kernels/vectors-of-run.ts'
import { outerSgd } from '../../aggregation/outer/sgd.ts'
import { weightedMean } from '../../aggregation/rules/weighted-mean.ts'
import { freshVectors } from '../../aggregation/vectors.ts'
import { fillWithNoise } from './noise.ts'

/** Where a worker's vectors lie: with the kernels, or fresh ones. */
const places = { placed: vectorsOfRun, fresh: () => freshVectors } as const

const rounds = 4

/** Freed memory is handed back by threads of the engine's. */
const settleMs = 300

/**
 * Memory that a worker of int8 uses between rounds beside θ and its error feedback, in models of f32; not what a node's allocator
 * keeps of what was freed (cli/allocator.cjs). Each in a process of its own, with the system's allocator as it comes:
 * `node --expose-gc bench/aggregation/kept.ts PARAMETERS placed|fresh`.
 */
export function keptModels(parameterCount: number, where: keyof typeof places): number {
  const file = import.meta.filename
  const env = { ...process.env, GLIBC_TUNABLES: '' }
  return Number(execFileSync(process.execPath, ['--expose-gc', file, String(parameterCount), where], { env }))
}

async function measure(parameterCount: number, where: keyof typeof places): Promise<number> {
  await loadKernels()
  const averaging: Averaging = {
    ...{ compressor: int8(), rule: weightedMean, outer: outerSgd(), fragments: 1, eager: false },
    vectors: places[where](),
  }
  const theta = fillWithNoise(new Float32Array(parameterCount), 1)
  const end = fillWithNoise(new Float32Array(parameterCount), 2)
  let held: Kept = { errorFeedback: new Float32Array(parameterCount).fill(0), drift: null }
  let state = initialState(theta, averaging)
  const memory = async (): Promise<number> => {
    globalThis.gc!()
    await sleep(settleMs)
    return process.memoryUsage().rss
  }
  const before = await memory()
  for (let round = 0; round < rounds; round++) {
    const { bytes, errorFeedback } = contribute(theta, end, held, round, averaging)
    held = { errorFeedback, drift: null }
    const updates = decodeContributions(averaging, round, parameterCount, [{ bytes, tokens: 1 }])
    state = applyRound(state, updates, averaging, round).state
    // As a worker trains for minutes between two rounds.
    await memory()
  }
  // θ after a round is a vector of its own here, as that before is kept.
  const grown = (await memory()) - before - state.theta.byteLength
  return (grown + 0 * held.errorFeedback[0]!) / (4 * parameterCount)
}

if (process.argv[1] === import.meta.filename) {
  const [, , parameterCount, where] = process.argv
  console.log(await measure(Number(parameterCount), where as keyof typeof places))
}
