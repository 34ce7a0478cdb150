import type { TaskKind } from '../protocol/tasks.ts'

/** What a run counts: tokens of text, or rows. */
export const unitsOf = (task: TaskKind): string => (task === 'language' ? 'tokens' : 'rows')

/** What the loss of a run is measured in. */
export function lossUnits(task: TaskKind): string {
  switch (task) {
    case 'language':
      return 'nats a token'
    case 'classification':
      return 'nats a row'
    case 'regression':
      return 'mean squared error'
    default:
      return task satisfies never
  }
}

/** A share of rows, as people read it: 98.35 %. */
export const percent = (share: number): string => `${(100 * share).toFixed(2)} %`
