import type { AveragingSection, TrainSection } from '../protocol/run-spec.ts'
import type { TaskKind } from '../protocol/tasks.ts'
import measured from './measured-gaps.json' with { type: 'json' }

/** How one low-communication training run of the convergence bench ended (docs/convergence.md). */
export interface MeasuredGap {
  /** Of the page's group. */
  readonly name: string
  readonly task: TaskKind
  readonly split: Split
  readonly parameterCount: number
  /** Inner steps of every worker. */
  readonly steps: number
  readonly workers: number
  /** H. */
  readonly innerSteps: number
  readonly optimizer: TrainSection['optimizer']
  readonly compressor: AveragingSection['compressor']
  /** Of sparse-loco; null for the others. */
  readonly topK: number | null
  /** Where workers fetched a round's average: values kept of each 4,096 of it. Null or left out: they fetched all contributions. */
  readonly averageTopK?: number | null
  /** Of values that share a scale; left out: 4,096 of signs, 128 of int8 and int4. */
  readonly blockSize?: number
  /** β. */
  readonly errorFeedback: number
  readonly outerLearningRate: number
  /** Where the inner rate ended, as a part of its peak; left out: 0.1. */
  readonly finalLearningRate?: number
  readonly schedule: Schedule
  readonly seed: number
  readonly heldOut: Quality
  /** Of synchronous training with the same inner optimizer on the same batches. */
  readonly synchronous: Quality
}

export interface Quality {
  readonly lossNats: number
  /** Share of rows told right; null but for a classification. */
  readonly accuracy: number | null
}

type Split = 'shuffled' | 'by-label'
type Schedule = 'blocking' | 'eager' | 'streaming'

export interface ExpectedGap {
  /** How much more held-out loss than synchronous training ended with, in %. Measured there, not promised here. */
  readonly gapPercent: number
  readonly measured: MeasuredGap
  /** Where the run is known to differ from what was measured, beside sizes. */
  readonly differences: readonly GapDifference[]
}

/** A key of the run, and what stands for it in what was measured. */
export type GapDifference =
  | {
      readonly key: NumericKey
      readonly measured: number
      readonly asked: number
    }
  /** Measured was training of all parameters. */
  | { readonly key: 'train.lora' | 'train.freeze' }

type NumericKey =
  | 'averaging.blockSize'
  | 'averaging.errorFeedback'
  | 'averaging.outerLearningRate'
  | 'train.finalLearningRate'

/** What of a run decides how well its averaging trains. */
export interface GapQuestion {
  readonly task: TaskKind
  readonly split: Split
  /** Those that rounds move. */
  readonly parameterCount: number
  readonly workers: number
  /** Inner steps of every worker over the whole run. */
  readonly steps: number
  readonly train: Pick<TrainSection, 'innerSteps' | 'optimizer' | 'finalLearningRate' | 'lora' | 'freeze'>
  readonly averaging: AveragingSection
}

/** Factors within which a run and what was measured are comparable, either way. */
const within = {
  ...{ innerSteps: 2.5, steps: 4, workers: 2, topK: 2, averageTopK: 2, parameterCount: 32 },
} as const
const mostOuterDifference = 0.25

/** Rules that fold honest updates about as the mean of the bench does (docs/robustness.md). */
const meanLike: readonly AveragingSection['rule'][] = ['mean', 'geometric-median']

/**
 * What averaging as asked cost in loss where it was measured most alike: the same task, inner optimizer, compressor and
 * schedule, and rounds, steps, workers and model of about the same size; the fewer other settings differ, the sooner (block
 * size, error feedback, outer rate, end of the inner rate). Null where nothing comparable was measured.
 */
export function expectedGap(
  question: GapQuestion,
  cells: readonly MeasuredGap[] = measured as readonly MeasuredGap[],
): ExpectedGap | null {
  const { averaging } = question
  if (question.workers < 2 || averaging.outer !== 'sgd' || !meanLike.includes(averaging.rule)) return null
  const candidates = cells.flatMap((cell) => {
    const distance = distanceTo(cell, question)
    return distance === null ? [] : [{ cell, distance, differences: differencesFrom(cell, question) }]
  })
  const [nearest] = candidates.sort(
    (a, b) => a.differences.length - b.differences.length || a.distance - b.distance,
  )
  if (nearest === undefined) return null
  const { cell, differences } = nearest
  const gapPercent = (cell.heldOut.lossNats / cell.synchronous.lossNats - 1) * 100
  return { gapPercent, measured: cell, differences }
}

const defaultBlockSizes: Readonly<Partial<Record<AveragingSection['compressor'], number>>> = {
  ...{ sign: 4096, int8: 128, int4: 128 },
}
const defaultFinalLearningRate = 0.1

function differencesFrom(cell: MeasuredGap, { train, averaging }: GapQuestion): GapDifference[] {
  const found: GapDifference[] = []
  const told = (key: NumericKey, measured: number | undefined, asked: number) => {
    if (measured !== undefined && measured !== asked) found.push({ key, measured, asked })
  }
  told('averaging.blockSize', cell.blockSize ?? defaultBlockSizes[cell.compressor], averaging.blockSize)
  told('averaging.errorFeedback', cell.errorFeedback, averaging.errorFeedback)
  told('averaging.outerLearningRate', cell.outerLearningRate, outerRateOf(averaging))
  const end = cell.finalLearningRate ?? defaultFinalLearningRate
  told('train.finalLearningRate', end, train.finalLearningRate)
  if (train.lora !== null) found.push({ key: 'train.lora' })
  if (train.freeze.length > 0) found.push({ key: 'train.freeze' })
  return found
}

/** Of a plain outer step; null stands for 1. */
const outerRateOf = ({ outerLearningRate }: AveragingSection): number => outerLearningRate ?? 1

/** Whether workers fetch the average of a round. */
const averages = ({ averageTopK }: { readonly averageTopK?: number | null }): boolean =>
  typeof averageTopK === 'number'

/** The sum of what differs, in doublings; null where the two are not comparable. */
function distanceTo(cell: MeasuredGap, { averaging, train, ...question }: GapQuestion): number | null {
  const isAlike =
    cell.task === question.task &&
    cell.split === question.split &&
    cell.optimizer === train.optimizer &&
    cell.compressor === averaging.compressor &&
    cell.schedule === (averaging.fragments > 1 ? 'streaming' : averaging.schedule) &&
    averages(cell) === averages(averaging)
  const outerDifference = Math.abs(cell.outerLearningRate - outerRateOf(averaging))
  if (!isAlike || outerDifference > mostOuterDifference) return null
  const factors = [
    [train.innerSteps / cell.innerSteps, within.innerSteps],
    [question.steps / cell.steps, within.steps],
    [question.workers / cell.workers, within.workers],
    [averaging.topK / (cell.topK ?? averaging.topK), within.topK],
    [(averaging.averageTopK ?? 1) / (cell.averageTopK ?? 1), within.averageTopK],
    [question.parameterCount / cell.parameterCount, within.parameterCount],
  ] as const
  if (factors.some(([factor, most]) => factor > most || factor < 1 / most)) return null
  const doublings = factors.reduce((sum, [factor]) => sum + Math.abs(Math.log2(factor)), 0)
  return doublings + outerDifference + Math.abs(cell.errorFeedback - averaging.errorFeedback)
}
