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
  /** β. */
  readonly errorFeedback: number
  readonly outerLearningRate: number
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
}

/** What of a run decides how well its averaging trains. */
export interface GapQuestion {
  readonly task: TaskKind
  readonly split: Split
  /** Those that rounds move. */
  readonly parameterCount: number
  readonly workers: number
  /** Inner steps of every worker over the whole run. */
  readonly steps: number
  readonly innerSteps: number
  readonly optimizer: TrainSection['optimizer']
  readonly averaging: AveragingSection
}

/** Factors within which a run and what was measured are comparable, either way. */
const within = { innerSteps: 2.5, steps: 4, workers: 2, topK: 2, parameterCount: 32 } as const
const mostOuterDifference = 0.25

/** Rules that fold honest updates about as the mean of the bench does (docs/robustness.md). */
const meanLike: readonly AveragingSection['rule'][] = ['mean', 'geometric-median']

/**
 * What averaging as asked cost in loss where it was measured most alike: the same task, inner optimizer, compressor and
 * schedule, and rounds, steps, workers and model of about the same size. Null where nothing comparable was measured.
 */
export function expectedGap(
  question: GapQuestion,
  cells: readonly MeasuredGap[] = measured as readonly MeasuredGap[],
): ExpectedGap | null {
  const { averaging } = question
  if (question.workers < 2 || averaging.outer !== 'sgd' || !meanLike.includes(averaging.rule)) return null
  let nearest: MeasuredGap | null = null
  let least = Number.POSITIVE_INFINITY
  for (const cell of cells) {
    const distance = distanceTo(cell, question)
    if (distance === null || distance >= least) continue
    least = distance
    nearest = cell
  }
  if (nearest === null) return null
  const gapPercent = (nearest.heldOut.lossNats / nearest.synchronous.lossNats - 1) * 100
  return { gapPercent, measured: nearest }
}

/** The sum of what differs, in doublings; null where the two are not comparable. */
function distanceTo(cell: MeasuredGap, { averaging, ...question }: GapQuestion): number | null {
  const isAlike =
    cell.task === question.task &&
    cell.split === question.split &&
    cell.optimizer === question.optimizer &&
    cell.compressor === averaging.compressor &&
    cell.schedule === (averaging.fragments > 1 ? 'streaming' : averaging.schedule)
  const outerDifference = Math.abs(cell.outerLearningRate - (averaging.outerLearningRate ?? 1))
  if (!isAlike || outerDifference > mostOuterDifference) return null
  const factors = [
    [question.innerSteps / cell.innerSteps, within.innerSteps],
    [question.steps / cell.steps, within.steps],
    [question.workers / cell.workers, within.workers],
    [averaging.topK / (cell.topK ?? averaging.topK), within.topK],
    [question.parameterCount / cell.parameterCount, within.parameterCount],
  ] as const
  if (factors.some(([factor, most]) => factor > most || factor < 1 / most)) return null
  const doublings = factors.reduce((sum, [factor]) => sum + Math.abs(Math.log2(factor)), 0)
  return doublings + outerDifference + Math.abs(cell.errorFeedback - averaging.errorFeedback)
}
