import type { Measurement } from '../protocol/report.ts'
import type { TaskKind } from '../protocol/tasks.ts'
import type { DataFormat } from '../worker/data/format.ts'
import { percent } from './units.ts'

/** What `murmur eval` tells, in the units of what was learned. */
export type Evaluation =
  | {
      readonly task: 'language'
      readonly lossNats: number
      /** Null where tokens are not bytes. */
      readonly bitsPerByte: number | null
      readonly perplexity: number
      readonly tokens: number
    }
  | {
      readonly task: 'classification'
      readonly lossNats: number
      readonly accuracy: number
      readonly rows: number
    }
  | {
      readonly task: 'regression'
      /** Of the values as they are trained on: where they are standardized, 1 is what always telling the mean gives. */
      readonly meanSquaredError: number
      readonly standardized: boolean
      /** In the value's own units; null where there are several. */
      readonly rootMeanSquaredError: number | null
      readonly rows: number
    }

/** @param count tokens or rows that were measured */
export function evaluationOf(
  { lossNats, accuracy }: Measurement,
  task: TaskKind,
  format: DataFormat,
  count: number,
): Evaluation {
  switch (task) {
    case 'language': {
      const bitsPerByte = format.kind === 'bytes' ? lossNats / Math.LN2 : null
      return { task, lossNats, bitsPerByte, perplexity: Math.exp(lossNats), tokens: count }
    }
    case 'classification':
      return { task, lossNats, accuracy: accuracy ?? 0, rows: count }
    case 'regression': {
      const deviations = format.kind === 'rows' ? (format.values?.deviations ?? null) : null
      const single = format.kind === 'rows' && format.targets.type === 'f32' && format.targets.values === 1
      return {
        ...{ task, meanSquaredError: lossNats, standardized: deviations !== null, rows: count },
        rootMeanSquaredError: single ? Math.sqrt(lossNats) * (deviations?.[0] ?? 1) : null,
      }
    }
    default:
      return task satisfies never
  }
}

/** One line, to be followed by what it was measured on. */
export function evaluationText(evaluation: Evaluation): string {
  const many = (count: number, what: string) => `on ${count.toLocaleString('en')} ${what}`
  switch (evaluation.task) {
    case 'language': {
      const { lossNats, bitsPerByte, perplexity, tokens } = evaluation
      const unit = bitsPerByte === null ? 'token' : 'byte'
      const bits = bitsPerByte === null ? '' : `${bitsPerByte.toFixed(4)} bits a byte, `
      return `${lossNats.toFixed(4)} nats a ${unit}, ${bits}perplexity ${perplexity.toFixed(2)}, ${many(tokens, `${unit}s`)}`
    }
    case 'classification': {
      const { lossNats, accuracy, rows } = evaluation
      return `${percent(accuracy)} right, ${lossNats.toFixed(4)} nats a row, ${many(rows, 'rows')}`
    }
    case 'regression': {
      const { meanSquaredError, standardized, rootMeanSquaredError: root, rows } = evaluation
      const of = standardized ? ' of the variance' : ''
      const own = root === null ? '' : `, off by ${root.toPrecision(4)} in the root of the mean square`
      return `mean squared error ${meanSquaredError.toFixed(4)}${of}${own}, ${many(rows, 'rows')}`
    }
    default:
      return evaluation satisfies never
  }
}
