import { refused } from './open-file.ts'
import type { Cell, RowSource } from './row-source.ts'
import { numberOf } from './table.ts'

/** Classes that one run can tell apart, if they have names: the manifest lists them. */
const maxClasses = 20_000
/** Whole numbers of so few kinds are classes, unless the run file says otherwise. */
const fewKinds = 100

/** What there is to be told, over all rows. */
export interface Targets {
  readonly rows: number
  /** Values a row. */
  readonly count: number
  readonly task: 'classification' | 'regression'
  /** Of a classification, in the order of their numbers; null for 0, 1, … */
  readonly labels: readonly string[] | null
  readonly classes: number
}

/**
 * Reads every row once: how many there are, and what their targets are. Words are classes, and so are whole numbers of at
 * most a hundred kinds; `task` decides otherwise. Classes that are not 0, 1, … are ordered, numbers before words.
 * @throws MurmurError DATA_EMPTY, DATA_TOO_LARGE, DATA_CLASSES_TOO_MANY, DATA_TARGETS_MISFIT, and what reading throws.
 */
export async function scanTargets(
  source: RowSource,
  task: 'classification' | 'regression' | undefined,
  maxRows: number,
): Promise<Targets> {
  const kinds = new Set<string>()
  let [rows, count, whole, numbers] = [0, 0, true, true]
  await source.read((_, targets, row) => {
    rows = row
    count = targets.length
    if (row > maxRows)
      throw refused(
        'DATA_TOO_LARGE',
        `${source.name} has over ${maxRows} rows of its size`,
        'use a part of it',
      )
    for (const cell of targets) {
      const value = numberOf(cell)
      numbers &&= value !== null
      whole &&= Number.isSafeInteger(value)
    }
    if (kinds.size <= maxClasses && targets.length === 1) kinds.add(labelOf(targets[0]!))
  })
  if (rows === 0) throw refused('DATA_EMPTY', `${source.name} has no rows`, 'name data with rows in it')
  const isFew = count === 1 && (!numbers || (whole && kinds.size <= fewKinds))
  const found = task ?? (isFew ? 'classification' : 'regression')
  if (found === 'regression') return { rows, count, task: found, labels: null, classes: 0 }
  if (count !== 1)
    throw refused('DATA_TARGETS_MISFIT', `a class is one target, ${source.name} has ${count}`, 'name one')
  if (kinds.size > maxClasses)
    throw refused(
      'DATA_CLASSES_TOO_MANY',
      `${source.name} has over ${maxClasses} classes`,
      'set data.task to regression where the target is a quantity',
    )
  const labels = [...kinds].sort(inOrder)
  const counted = labels.every((label, index) => label === String(index))
  return { rows, count: 1, task: found, labels: counted ? null : labels, classes: labels.length }
}

/** What a class is called. */
export const labelOf = (cell: Cell): string => String(cell)

/** Numbers by size, then words by code unit. */
function inOrder(a: string, b: string): number {
  const [first, second] = [numberOf(a), numberOf(b)]
  if (first !== null && second !== null && first !== second) return first - second
  if ((first === null) !== (second === null)) return first === null ? 1 : -1
  return a < b ? -1 : 1
}
