import { MurmurError } from '../protocol/errors.ts'
import type { AveragingSection, RunFile, TrainSection } from '../protocol/run-spec.ts'
import { assertAffordable } from './affordable.ts'
import type { Compressor } from './compressor.ts'
import { averageCompressor, compressorOf } from './compressor-of.ts'
import { type Fragment, fragmentOf, mostFragments } from './fragments.ts'
import { vectorsOfRun } from './kernels/vectors-of-run.ts'
import { outerOf } from './outer/outer-of.ts'
import type { OuterOptimizer } from './outer/outer-optimizer.ts'
import type { ReplicaState } from './replica-state.ts'
import type { ModelSize } from './round-cost.ts'
import type { Rule } from './rules/rule.ts'
import { ruleOf } from './rules/rule-of.ts'
import { weightedMean } from './rules/weighted-mean.ts'
import type { Vectors } from './vectors.ts'

/** How a run's workers average: what they send, how that is folded into one pseudo-gradient, what the model makes of it. */
export interface Averaging {
  /** Of contributions. */
  readonly compressor: Compressor
  /** Folds what replicas fetch of a round. */
  readonly rule: Rule
  /** Where replicas fetch one average instead of all contributions; absent: they don't. */
  readonly shared?: SharedAverage | undefined
  readonly outer: OuterOptimizer
  /** Parts that are averaged in turn, one a round (aggregation/fragments.ts); 1: everything in every round. */
  readonly fragments: number
  /**
   * Eager updates (Kale, Douillard and Donchev, arXiv 2502.12996): a round trains from the θ of the round before, moved by
   * what its worker has learnt since, so that it can begin before the contributions of that round are there.
   */
  readonly eager: boolean
  /** Leading elements of the flat vector that rounds move and contributions are about, the others being frozen; absent: all. */
  readonly movingCount?: number | undefined
  /** Where the vectors of its rounds come from; absent: fresh ones. */
  readonly vectors?: Vectors
}

/**
 * A round's average as one block, which the head makes and workers fetch in place of everybody's contributions: what a worker
 * moves in a round then depends no more on how many they are. Compressing what comes down as well as what goes up is
 * DoubleSqueeze (Tang et al., arXiv 1905.05957, algorithm 1), here without memory on the way down: what is cut off is dropped,
 * so that the block is a function of the round's contributions alone and anybody who fetches these can check it.
 */
export interface SharedAverage {
  /** Folds the contributions. It carries no vectors from round to round, which only the head would have. */
  readonly rule: Rule
  readonly compressor: Compressor
}

/** The averaging that a run spec asks for; how many parameters are not frozen is told by its program. */
export function averagingOf(
  {
    averaging,
    train,
  }: {
    readonly averaging: AveragingSection
    readonly train: Pick<TrainSection, 'roundsPerEpoch' | 'epochs'>
  },
  movingCount?: number,
): Averaging {
  const { averageTopK: k } = averaging
  const rule = ruleOf(averaging)
  return {
    movingCount,
    compressor: compressorOf(averaging),
    ...(k === null ? { rule } : { rule: weightedMean, shared: { rule, compressor: averageCompressor(k) } }),
    outer: outerOf(averaging, train.roundsPerEpoch * train.epochs),
    fragments: averaging.fragments,
    eager: averaging.schedule === 'eager',
    vectors: vectorsOfRun(),
  }
}

/** What of a program decides how its runs can average. */
export interface AveragedModel extends ModelSize {
  readonly table: readonly { readonly role?: string }[]
}

/**
 * @throws MurmurError AVERAGING_INVALID: a model of this many parameters cannot average so, no node could fold a full
 * round of `workers.max` members in time and memory, or its running statistics would crowd out its weights.
 */
export function checkAveraging(
  { averaging, workers }: Pick<RunFile, 'averaging' | 'workers'>,
  { parameterCount, frozenCount, table }: AveragedModel,
): void {
  const { fragments, compressor, averageTopK } = averaging
  const isCoarse = compressor === 'sparse-loco' || compressor === 'demo' || compressor === 'sign'
  // They move alike on every worker, and far: they would be most of what few values tell, make honest updates copies, and
  // by whole steps of their mean size variances would fall below zero.
  if ((isCoarse || averageTopK !== null) && table.some(({ role }) => role === 'statistic')) {
    const [what, next] = isCoarse
      ? [compressor, 'set averaging.compressor to int8, bf16 or int4']
      : ['averaging.averageTopK', 'leave averaging.averageTopK out']
    throw new MurmurError('AVERAGING_INVALID', {
      message: `the model has running statistics (BatchNorm), of which ${what} keeps too little`,
      next,
      exit: 'usage',
    })
  }
  const most = mostFragments(parameterCount)
  if (fragments > most) {
    throw new MurmurError('AVERAGING_INVALID', {
      message: `averaging.fragments is ${fragments}, and ${parameterCount} parameters have ${most} chunks to part`,
      next: `set averaging.fragments to ${most} or fewer`,
      exit: 'usage',
    })
  }
  assertAffordable(averaging, workers, { parameterCount, frozenCount })
}

/** Whether what a worker has learnt stays with it beyond the round, as an offset of its own from what all start from. */
export const hasDrift = ({ fragments, eager }: Averaging): boolean => fragments > 1 || eager

/** Of `parameterCount` parameters, those that rounds move. */
export const movingOf = ({ movingCount }: Averaging, parameterCount: number): number =>
  movingCount ?? parameterCount

/** What of the flat vector round `round` averages. */
export const averagedPart = (round: number, averaging: Averaging, parameterCount: number): Fragment =>
  fragmentOf(round, averaging.fragments, movingOf(averaging, parameterCount))

/** Vectors that a replica carries beside θ: the outer optimizer's, the rule's, and the θ of the round before where needed. */
export const replicaVectors = ({ rule, outer, eager }: Averaging): number =>
  outer.vectors + rule.vectors + (eager ? 1 : 0)

/** Before round 0: θ as initialized, and zeros; the θ before it is itself. */
export function initialState(theta: Float32Array, averaging: Averaging): ReplicaState {
  const { outer, rule, eager } = averaging
  const zeros = Array.from({ length: outer.vectors + rule.vectors }, () => new Float32Array(theta.length))
  return { theta, vectors: eager ? [...zeros, theta] : zeros }
}

/** What the workers of a round all start from, each moved by its own drift. */
export const trainingBase = ({ theta, vectors }: ReplicaState, { eager }: Averaging): Float32Array =>
  eager ? vectors.at(-1)! : theta
