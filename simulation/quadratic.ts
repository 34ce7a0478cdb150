import { type Averaging, initialState } from '../aggregation/averaging.ts'
import { contribute, startOf } from '../aggregation/contribute.ts'
import { nesterov } from '../aggregation/outer/nesterov.ts'
import { outerSgd } from '../aggregation/outer/sgd.ts'
import { weightedMean } from '../aggregation/rules/weighted-mean.ts'
import { sparseLoCo } from '../aggregation/sparse-loco.ts'
import { contentId, digestHash } from '../protocol/content-id.ts'
import type { Hash } from '../protocol/ids.ts'
import { below, drawsAt } from '../protocol/random.ts'
import {
  emptyLocalState,
  localShape,
  localStateDigest,
  packLocalState,
  unpackLocalState,
} from '../verification/local-state.ts'
import { boundaryHash, segmentEnd } from '../verification/trace.ts'
import type { Output, Training } from './training.ts'

/** Parameters: few, so that a round takes microseconds; two chunks, so that the format's seams are there. */
const parameterCount = 48
const segments = 2
const innerSteps = 4
const tokensPerStep = 16
const compressor = sparseLoCo({ chunkSize: 32, k: 8, beta: 0.95 })

/** Seeds take turns: the default; an outer optimizer with a state of its own; rounds that overlap with the exchange. */
const averagings: readonly Averaging[] = [
  { compressor, rule: weightedMean, outer: outerSgd(1), fragments: 1, eager: false },
  {
    compressor,
    rule: weightedMean,
    outer: nesterov({ learningRate: 0.7, momentum: 0.3 }),
    fragments: 1,
    eager: false,
  },
  { compressor, rule: weightedMean, outer: outerSgd(1), fragments: 1, eager: true },
]

/** An average from the head, on every tenth seed: those that the corpus names keep the averaging that they were found with. */
const sharing: Averaging = {
  ...averagings[0]!,
  shared: { rule: weightedMean, compressor: sparseLoCo({ chunkSize: 32, k: 16, beta: 1 }) },
}

/**
 * min over θ of ½ Σ aᵢ (θᵢ − oᵢ)², with a noisy gradient whose noise is a function of (seed, round, slot, step) as a real
 * batch is. Its optimum o is known, so that a run can be told to have come near it. Compression, error feedback, trace
 * and local state are the real ones.
 */
export function quadratic(seed: number, uphill = false): Training {
  const averaging = seed % 10 === 5 ? sharing : averagings[seed % averagings.length]!
  const shape = localShape({ parameterCount, moments: 0 }, averaging)
  const stepSize = uphill ? -0.3 : 0.3
  const draw = drawsAt(seed, 'initialWeights', [0, 0])
  const unit = () => below(2001, draw()) / 1000 - 1
  const optimum = Float32Array.from({ length: parameterCount }, unit)
  const curvature = Float32Array.from({ length: parameterCount }, () => 1 + unit() / 2)
  const initialTheta = Float32Array.from({ length: parameterCount }, () => 3 * unit())
  const distanceOf = (theta: Float32Array) =>
    Math.sqrt(theta.reduce((sum, value, index) => sum + (value - optimum[index]!) ** 2, 0))
  const atFirst = distanceOf(initialTheta)
  const emptyLocal = packLocalState(emptyLocalState(shape))
  return {
    ...{ parameterCount, segments, innerSteps, tokensPerStep, averaging },
    ...{ initial: initialState(initialTheta, averaging), emptyLocal },
    distance: (theta) => distanceOf(theta) / atFirst,
    train({ round, slot, steps, theta, local }): Output {
      const from = unpackLocalState(local, shape)
      const trace: Hash[] = [localStateDigest(local)]
      const at = startOf(theta, from).slice()
      let lossNats = 0
      for (let step = 0; step < steps; step++) {
        const noise = drawsAt(seed, 'batch', [round, slot * 65_536 + step])
        lossNats = 0
        for (let index = 0; index < parameterCount; index++) {
          const away = at[index]! - optimum[index]!
          lossNats += 0.5 * curvature[index]! * away * away
          const gradient = curvature[index]! * away + (below(2001, noise()) / 1000 - 1) / 10
          at[index] = at[index]! - Math.fround(stepSize * gradient)
        }
        if (step + 1 === segmentEnd(trace.length - 1, segments, steps))
          trace.push(boundaryHash(from.step + step + 1, [at]))
      }
      const { bytes, ...kept } = contribute(theta, at, from, round, averaging)
      const after = packLocalState({ step: from.step + steps, moments: [], ...kept })
      const contribution = contentId(bytes, 'raw')
      trace.push(digestHash(contribution), localStateDigest(after))
      return { contribution, bytes, local: after, trace, tokens: steps * tokensPerStep, lossNats }
    },
  }
}
