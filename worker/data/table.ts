import type { MurmurError } from '../../protocol/errors.ts'
import { nearest } from '../../protocol/nearest.ts'
import { refused } from './open-file.ts'

/** Rows of named cells; reading them again gives the same. */
export interface Table {
  /** Where it is from, for messages. */
  readonly name: string
  readonly columns: readonly string[]
  /** Visits every row, from 1, with its cells of `wanted` in that order. */
  read(wanted: readonly string[], visit: (cells: readonly unknown[], row: number) => void): Promise<void>
  /** The refusal of a cell, to be thrown. */
  invalid(row: number, column: string, cell: unknown, wanted: string): MurmurError
}

const maxColumns = 20_000

/** @throws MurmurError DATA_TOO_LARGE: more columns than a table may have. */
export function refuseWide(name: string, columns: readonly string[]): void {
  if (columns.length <= maxColumns) return
  throw refused('DATA_TOO_LARGE', `${name} has ${columns.length} columns, over ${maxColumns}`, 'drop some')
}

/** DATA_VALUE_INVALID with row, column and what stands there. */
export const invalidCell = (name: string, row: number, column: string, cell: unknown, wanted: string) =>
  refused(
    'DATA_VALUE_INVALID',
    `${name}: row ${row}, column ${column}: ${shown(cell)} is not ${wanted}`,
    'mend the row or leave it out; data.features names the columns to use',
  )

export const malformedData = (name: string, reason: string, cause?: unknown) =>
  refused('DATA_MALFORMED', `${name}: ${reason}`, 'mend the file, or say its format with data.format', cause)

function shown(cell: unknown): string {
  if (cell === undefined || cell === null || cell === '') return 'nothing'
  if (typeof cell !== 'string') return typeof cell === 'object' ? 'a list or object' : String(cell)
  return JSON.stringify(cell.length > 40 ? `${cell.slice(0, 40)}…` : cell)
}

/** @throws MurmurError DATA_COLUMN_MISSING, with a suggestion. */
export function assertColumns({ name, columns }: Table, wanted: readonly string[]): void {
  const known = new Set(columns)
  for (const column of wanted) {
    if (known.has(column)) continue
    const near = nearest(column, columns)
    const all = columns.slice(0, 12).join(', ')
    throw refused(
      'DATA_COLUMN_MISSING',
      `${name} has no column ${column}${near === undefined ? '' : `, did you mean ${near}?`}`,
      `its columns are ${all}${columns.length > 12 ? ', …' : ''}`,
    )
  }
}

const decimal = /^\s*[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?\s*$/

/** A finite number, or null: empty cells, words and dates are none. */
export function numberOf(cell: unknown): number | null {
  let value: number
  if (typeof cell === 'number') value = cell
  else if (typeof cell === 'bigint') value = Number(cell)
  else if (typeof cell === 'string' && cell.length <= 64 && decimal.test(cell)) value = Number(cell)
  else return null
  return Number.isFinite(value) ? value : null
}
