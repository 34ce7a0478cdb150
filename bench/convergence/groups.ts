import type { Cell } from './cell.ts'
import type { Finished } from './finished.ts'

/** Cells that may be compared: one model, equal tokens, equal seed. */
export interface Group {
  readonly task: Cell['task']
  readonly steps: number
  readonly workers: number
  readonly seed: number
  /** Synchronous data parallelism at its best learning rate, by inner optimizer. */
  readonly references: Readonly<Record<Cell['inner']['optimizer'], Finished | null>>
  /** By loss. */
  readonly cells: readonly Finished[]
}

/** One worker alone (`workers: 1`) stands beside the cells of every number of workers. */
export function groupsOf(finished: readonly Finished[]): Group[] {
  const keys = new Map<string, Finished[]>()
  for (const one of finished.filter(({ cell }) => cell.workers > 1)) {
    const { task, steps, workers, seed } = one.cell
    const key = JSON.stringify([task, steps, workers, seed])
    keys.set(key, [...(keys.get(key) ?? []), one])
  }
  const groups = [...keys.values()].map((together): Group => {
    const { task, steps, workers, seed } = together[0]!.cell
    const alone = finished.filter(
      ({ cell }) => cell.workers === 1 && cell.task === task && cell.steps === steps && cell.seed === seed,
    )
    const cells = [...together, ...alone].sort((a, b) => a.outcome.lossNats - b.outcome.lossNats)
    const reference = (optimizer: Cell['inner']['optimizer']) =>
      cells.find(
        ({ cell }) =>
          cell.sync === 'every-step' && cell.workers === workers && cell.inner.optimizer === optimizer,
      ) ?? null
    return {
      task,
      steps,
      workers,
      seed,
      cells,
      references: { adamw: reference('adamw'), muon: reference('muon'), normuon: reference('normuon') },
    }
  })
  const order = ({ task, steps, workers, seed }: Group) =>
    `${place(task)} ${`${steps}`.padStart(7)} ${`${workers}`.padStart(4)} ${seed}`
  return groups.sort((a, b) => (order(a) < order(b) ? -1 : 1))
}

/** The large model first, images last. */
function place(task: Cell['task']): string {
  if (task === 'gpt') return '0'
  return task === 'mnist' || task === 'mnist-by-label' ? `2 ${task}` : '1'
}

/** How much more loss, in %; null without a reference. */
export const gapPercent = ({ outcome }: Finished, reference: Finished | null): number | null =>
  reference === null ? null : (outcome.lossNats / reference.outcome.lossNats - 1) * 100
