import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { type Cell, canonical, keyOf } from './cell.ts'
import { decodeFinished, type Finished } from './finished.ts'

/**
 * Committed outcomes, one line a cell, of whichever plan: the page is written from these. The first 181 are recovered from the
 * page and its figures, with their precision: losses to four decimals, further where gaps or order tell, bytes of sparse
 * updates to three or four digits, curves as drawn, and none where no figure ever drew them. Eleven cells are of no plan in
 * the history and rebuilt from their names, with the warm-up of all plans.
 */
export const resultsPath = join(import.meta.dirname, 'results.jsonl')

export const readResults = async (): Promise<Finished[]> => decodeResults(await readFile(resultsPath, 'utf8'))

/** Both in one; where a cell has an outcome in both, the fresh one stands: it may replace one that was recovered. */
export function merged(results: readonly Finished[], fresh: readonly Finished[]): Finished[] {
  return [...new Map([...results, ...fresh].map((one) => [keyOf(one.cell), one])).values()]
}

/** @throws Error that names the first line which is not an outcome, or is of a cell that has one above. */
export function decodeResults(text: string): Finished[] {
  const seen = new Set<string>()
  const lines = text.split('\n').filter((line) => line !== '')
  return lines.map((line, index) => {
    const source = `results.jsonl, line ${index + 1}`
    const one = decodeFinished(line, source)
    const key = keyOf(one.cell)
    if (seen.has(key)) throw new Error(`${source} is of a cell that has an outcome above`)
    seen.add(key)
    return one
  })
}

/** In an order that depends on the cells alone; curves with four decimals, which is more than a figure shows. */
export function encodeResults(finished: readonly Finished[]): string {
  const lines = finished.map(({ cell, outcome }) => {
    const curve = outcome.curve.map(({ step, lossNats }) => ({ step, lossNats: rounded(lossNats) }))
    const line = `{"cell":${canonical(cell)},"outcome":${JSON.stringify({ ...outcome, curve })}}\n`
    return { place: placeOf(cell), line }
  })
  lines.sort((a, b) => (a.place < b.place ? -1 : 1))
  return lines.map(({ line }) => line).join('')
}

/** Groups of the page stand together, small before large. */
function placeOf(cell: Cell): string {
  const { task, steps, workers, seed } = cell
  return `${task} ${`${steps}`.padStart(9)} ${`${workers}`.padStart(9)} ${seed} ${canonical(cell)}`
}

const rounded = (value: number): number => Math.round(value * 1e4) / 1e4
