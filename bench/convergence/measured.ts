import type { MeasuredGap, Quality } from '../../aggregation/expected-gap.ts'
import type { Finished } from './finished.ts'
import { groupsOf } from './groups.ts'
import { nameOf } from './names.ts'

/** What `murmur plan` knows of: cells of a constant H and codec, with synchronous training on the same batches beside them. */
export function measuredGaps(finished: readonly Finished[]): MeasuredGap[] {
  return groupsOf(finished).flatMap(({ task, cells, references }) =>
    cells.flatMap(({ cell, outcome }): MeasuredGap[] => {
      const { sync, inner, workers, steps, seed } = cell
      const synchronous = references[inner.optimizer]
      if (sync === 'every-step' || synchronous === null || task === 'test') return []
      if (!Number.isFinite(outcome.lossNats)) return []
      const { codec, innerSteps, outer, last, residual, firstMoment, when, averageTopK } = sync
      const isPlain =
        last === undefined && residual === 'held' && firstMoment === 'kept' && outer.momentum === 0
      const topK = codec.kind === 'sparse' ? codec.k : null
      if (!isPlain || typeof innerSteps !== 'number' || (topK !== null && typeof topK !== 'number')) return []
      const isText = task !== 'mnist' && task !== 'mnist-by-label'
      return [
        {
          ...{ name: nameOf(task), task: isText ? 'language' : 'classification' },
          split: task === 'mnist-by-label' ? 'by-label' : 'shuffled',
          ...{ parameterCount: outcome.parameterCount, steps, workers, innerSteps },
          optimizer: inner.optimizer,
          compressor: codec.kind === 'sparse' ? 'sparse-loco' : codec.kind,
          ...(codec.kind === 'sign' && codec.blockSize !== undefined && { blockSize: codec.blockSize }),
          ...(inner.finalLearningRate !== undefined && { finalLearningRate: inner.finalLearningRate }),
          ...(averageTopK !== undefined && { averageTopK }),
          ...{ topK, errorFeedback: codec.kind === 'f32' ? 1 : codec.beta },
          ...{ outerLearningRate: outer.learningRate, schedule: when, seed },
          ...{ heldOut: qualityOf(outcome), synchronous: qualityOf(synchronous.outcome) },
        },
      ]
    }),
  )
}

const qualityOf = ({ lossNats, accuracy }: Finished['outcome']): Quality => ({
  lossNats: rounded(lossNats),
  accuracy: accuracy === undefined ? null : rounded(accuracy),
})

const rounded = (value: number): number => Math.round(value * 1e4) / 1e4
