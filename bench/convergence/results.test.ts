import { readFile } from 'node:fs/promises'
import { expect, test } from 'vitest'
import type { Cell, Sync } from './cell.ts'
import { describe as nameOf } from './describe.ts'
import type { Finished } from './finished.ts'
import { measuredGaps } from './measured.ts'
import { pageOf } from './page.ts'
import { decodeResults, encodeResults, merged, resultsPath } from './results.ts'

const sync: Sync = {
  ...{ when: 'blocking', innerSteps: 5, codec: { kind: 'sign', beta: 1 }, residual: 'held' },
  ...{ outer: { learningRate: 1, momentum: 0 }, firstMoment: 'kept' },
}
const cell: Cell = {
  ...{ task: 'micro', seed: 1, steps: 30, workers: 2 },
  ...{ inner: { optimizer: 'muon', learningRate: 0.01, warmupSteps: 5 }, sync },
}
const finished = (change: Partial<Cell>, lossNats: number): Finished => ({
  cell: { ...cell, ...change },
  outcome: {
    ...{ parameterCount: 11_696, curve: [{ step: 30, lossNats }], lossNats, ofLastThree: lossNats },
    ...{ bytes: 100, rounds: 6 },
  },
})

test('the committed results are in the form and order in which the bench writes them', async () => {
  const text = await readFile(resultsPath, 'utf8')
  expect(encodeResults(decodeResults(text).reverse())).toBe(text)
})

test('results are read as they were written, curves to four decimals', () => {
  const later = finished({ steps: 200 }, 1.23456789)
  const earlier = finished({}, 2)
  const read = decodeResults(encodeResults([later, earlier]))
  expect(read).toEqual([
    earlier,
    { ...later, outcome: { ...later.outcome, curve: [{ step: 30, lossNats: 1.2346 }] } },
  ])
})

test('a cell that is measured again has its fresh outcome, the others stay', () => {
  const [first, again, other] = [finished({}, 3), finished({}, 2), finished({ seed: 2 }, 1)]
  expect(merged([first, other], [again])).toEqual([again, other])
})

test('what is no result is refused with its line: two of a cell, unknown keys, another type, no JSON', () => {
  const line = encodeResults([finished({}, 2)])
  expect(() => decodeResults(line + line)).toThrow('results.jsonl, line 2 is of a cell that has an outcome')
  const wrong = [
    [line.replace('"seed"', '"sead"'), 'line 2 is not the outcome of a cell: cell.seed'],
    [line.replace('"beta":1', '"beta":1,"gamma":1'), 'cell.sync'],
    [line.replace('"when"', '"averageStep":1,"when"'), 'cell.sync'],
    [line.replace('"rounds":6', '"rounds":"6"'), 'outcome.rounds'],
    [line.slice(0, 40), 'it is not JSON'],
  ] as const
  const good = encodeResults([finished({ seed: 2 }, 2)])
  for (const [text, reason] of wrong) expect(() => decodeResults(good + text)).toThrow(reason)
})

test('a cell without a finite loss is read as diverged: last in its table, the best of none, unknown to plans', () => {
  const together = finished({ sync: 'every-step' }, 1)
  const diverged = finished({}, Number.NaN)
  const read = decodeResults(encodeResults([diverged, together]))
  const { markdown } = pageOf(read)
  expect(markdown).toContain('No cell here has 1,000 times fewer bytes')
  expect(markdown.trimEnd()).toMatch(/\| H 5, sign, Muon 0.01 \| diverged \| {2}\| {2}\| {2}\| 6 \|[^\n]*$/)
  expect(measuredGaps(read)).toEqual([])
})

test('a cell whose curve is not known is in the table, not in the figure', () => {
  const known = finished({}, 2)
  const { cell: fewer, outcome } = finished({ sync: { ...sync, innerSteps: 10 } }, 3)
  const lost: Finished = { cell: fewer, outcome: { ...outcome, bytes: 50, curve: [] } }
  const { markdown, figures } = pageOf([known, lost])
  const [figure] = [...figures.values()]
  expect(markdown).toContain(nameOf(lost.cell))
  expect(figure).toContain(nameOf(known.cell))
  expect(figure).not.toContain(nameOf(lost.cell))
})
