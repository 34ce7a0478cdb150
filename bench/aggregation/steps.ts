import { packBf16 } from '../../aggregation/bf16.ts'
import type { Compressor } from '../../aggregation/compressor.ts'
import { int4, int8 } from '../../aggregation/compressors/absmax.ts'
import { sign } from '../../aggregation/compressors/sign.ts'
import { sparseLoCoRice } from '../../aggregation/compressors/sparse-loco-rice.ts'
import { kernelsFor } from '../../aggregation/kernels/kernels.ts'
import { outerSgd } from '../../aggregation/outer/sgd.ts'
import { pseudoGradient } from '../../aggregation/pseudo-gradient.ts'
import { median } from '../../aggregation/rules/median.ts'
import { weightedMean } from '../../aggregation/rules/weighted-mean.ts'
import { sparseLoCo } from '../../aggregation/sparse-loco.ts'
import { stateRoot } from '../../aggregation/state-root.ts'
import type { Update } from '../../aggregation/update.ts'
import { freshVectors } from '../../aggregation/vectors.ts'
import { fillWithNoise } from './noise.ts'

export interface Step {
  readonly name: string
  /** Bytes that it must read and write, once each. */
  readonly bytes: number
  work(): unknown
}

/** PyTorch takes a quarter of a microsecond for the median of eight. */
const largestSorted = 20_000_000

const sparse = { chunkSize: 4096, k: 64, beta: 0.95 }

/**
 * The steps of a round. θ and what comes from elsewhere lie anywhere, as in a node; Δ, the error feedback before a round, and
 * the mean where a run's vectors do (aggregation/kernels/vectors-of-run.ts), and so do the dense vectors of a mean.
 */
export function stepsOf(parameterCount: number): Step[] {
  const vectors = kernelsFor(parameterCount)?.placesFor(parameterCount, 8) ?? freshVectors
  const place = (seed: number) => fillWithNoise(vectors.take(parameterCount), seed)
  const [theta, end] = [1, 2].map((seed) => fillWithNoise(new Float32Array(parameterCount), seed))
  const [delta, ...others] = [2, 5, 6, 7, 8].map(place)
  const [residual, next] = [place(3), place(4)]
  const vector = 4 * parameterCount
  // As a worker does: the error feedback after the round over Δ, that before it left alone.
  const compress = (name: string, compressor: Compressor): Step => ({
    name,
    bytes: 3 * vector + compressor.maxBytes(parameterCount),
    work: () => compressor.compress(delta!, residual, delta),
  })
  const mean = (updates: readonly Update[]) => {
    const weighted = updates.map((update) => ({ update, tokens: 1 }))
    vectors.release(weightedMean.aggregate(weighted, parameterCount, [], vectors))
  }
  const meanOf = (what: string, count: number, compressor: Compressor): Step => {
    const { bytes } = compressor.compress(delta!, residual, next)
    return {
      name: `${what}decompress + mean of ${count}`,
      bytes: count * bytes.length + vector,
      work: () => mean(Array.from({ length: count }, () => compressor.decompress(bytes, parameterCount))),
    }
  }
  // A linear memory has room for seven of the largest and their mean.
  const eight = [delta, residual, next, ...others, delta].map((values) => {
    return { kind: 'dense' as const, parameterCount, values: values! }
  })
  const sorted = eight.map((update) => ({ update, tokens: 1 }))
  const outer = outerSgd(0.7)
  const small = parameterCount <= largestSorted
  return [
    { name: 'pseudo-gradient', bytes: 3 * vector, work: () => pseudoGradient(theta!, end!, next) },
    compress('compress', sparseLoCo(sparse)),
    compress('compress, Rice-coded', sparseLoCoRice(sparse)),
    compress('int8 compress', int8()),
    compress('int4 compress', int4()),
    compress('sign compress', sign()),
    meanOf('', 8, sparseLoCo(sparse)),
    meanOf('', 32, sparseLoCo(sparse)),
    meanOf('Rice-coded ', 32, sparseLoCoRice(sparse)),
    meanOf('int8 ', 8, int8()),
    meanOf('sign ', 8, sign()),
    { name: 'mean of 8 dense', bytes: 9 * vector, work: () => mean(eight) },
    ...(small
      ? [
          {
            name: 'median of 8 dense',
            bytes: 9 * vector,
            work: () => median.aggregate(sorted, parameterCount, []),
          },
        ]
      : []),
    { name: 'outer step', bytes: 3 * vector, work: () => outer.apply(end!, delta!, [], 0) },
    { name: 'bf16', bytes: 1.5 * vector, work: () => packBf16(next) },
    { name: 'root hash', bytes: vector, work: () => stateRoot({ theta: theta!, vectors: [] }) },
  ]
}
