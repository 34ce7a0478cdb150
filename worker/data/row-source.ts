import { maxNameChars } from './format.ts'
import { refused } from './open-file.ts'
import { assertColumns, numberOf, type Table } from './table.ts'

/** What is to be told of a row: numbers, or the text of a class. */
export type Cell = number | string

/** Rows of equal length with their targets; reading them again gives the same. */
export interface RowSource {
  /** Where they are from, for messages. */
  readonly name: string
  /** Of one row's inputs; an image's is channels, height, width. */
  readonly shape: readonly number[]
  /** Whole numbers from 0 to 255, or any. */
  readonly type: 'u8' | 'f32'
  readonly columns: { readonly features: readonly string[]; readonly targets: readonly string[] } | null
  /** Visits every row, from 1. The lists are the source's own, and good until the next row. */
  read(visit: (inputs: ArrayLike<number>, targets: readonly Cell[], row: number) => void): Promise<void>
}

export interface TableRows {
  readonly targets: readonly string[]
  /** Every column that is no target where they are not named. */
  readonly features: readonly string[] | undefined
}

/**
 * Numbers of a table and what is to be told from them.
 * @throws MurmurError DATA_COLUMN_MISSING, DATA_COLUMN_TWICE, DATA_TOO_LARGE; reading: DATA_VALUE_INVALID with row and column.
 */
export function tableRows(table: Table, { targets, features: named }: TableRows): RowSource {
  const features = named ?? table.columns.filter((column) => !targets.includes(column))
  const wanted = [...features, ...targets]
  assertColumns(table, wanted)
  if (features.length === 0)
    throw refused('DATA_COLUMN_MISSING', `${table.name} has no features`, 'name columns in data.features')
  if (new Set(wanted).size < wanted.length)
    throw refused(
      'DATA_COLUMN_TWICE',
      'a column is named twice in data.features and data.target',
      'name each once',
    )
  const long = wanted.find((column) => column.length > maxNameChars)
  if (long !== undefined)
    throw refused(
      'DATA_TOO_LARGE',
      `${table.name}: the column ${long.slice(0, 40)}… has a name of ${long.length} characters, over ${maxNameChars}`,
      'rename it, or leave it out of data.features',
    )
  const inputs = new Float64Array(features.length)
  return {
    name: table.name,
    shape: [features.length],
    type: 'f32',
    columns: { features, targets },
    read: (visit) =>
      table.read(wanted, (cells, row) => {
        for (const [at, column] of features.entries()) {
          const value = numberOf(cells[at])
          if (value === null) throw table.invalid(row, column, cells[at], 'a number')
          inputs[at] = value
        }
        const told = targets.map((column, at) => {
          const cell = cells[features.length + at]
          const value = targetOf(cell)
          if (value === null) throw table.invalid(row, column, cell, 'a class or a number')
          return value
        })
        visit(inputs, told, row)
      }),
  }
}

/** A target as the table has it: text stays text, so that a class 007 keeps its name. */
function targetOf(cell: unknown): Cell | null {
  if (typeof cell === 'boolean') return String(cell)
  if (typeof cell !== 'string') return numberOf(cell)
  const text = cell.trim()
  return text === '' || text.length > maxNameChars ? null : text
}
