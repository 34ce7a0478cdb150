/**
 * Convergence of low-communication training, measured against synchronous data parallelism on the same tokens. Trains the
 * cells of bench/convergence/plan.ts that have no outcome yet in this process, one after the other, adds what is through to
 * bench/convergence/results.jsonl, and from that writes docs/convergence.md and what `murmur plan` knows of them
 * (aggregation/measured-gaps.json). It may be stopped at any time and goes on where it was. A cell is trained again once its line
 * is deleted there.
 * Usage: node bench/convergence.ts [--tasks gpt,mini] [--workers 4,8] [--steps 200] [--only words,that a cell's name has]
 *        [--budget-minutes 60] [--out folder] [--list] [--page-only]
 */
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { type Cell, keyOf } from './convergence/cell.ts'
import { describe } from './convergence/describe.ts'
import { filesOf } from './convergence/page.ts'
import { plan } from './convergence/plan.ts'
import { decodeResults, encodeResults, merged, readResults, resultsPath } from './convergence/results.ts'
import {
  defaultFolder,
  readAllFinished,
  readFinished,
  readProgress,
  writeFinished,
  writeProgress,
} from './convergence/store.ts'
import { trainCell } from './convergence/train-cell.ts'

const { values: given } = parseArgs({
  options: {
    tasks: { type: 'string' },
    workers: { type: 'string' },
    steps: { type: 'string' },
    only: { type: 'string' },
    'budget-minutes': { type: 'string' },
    out: { type: 'string' },
    list: { type: 'boolean', default: false },
    'page-only': { type: 'boolean', default: false },
  },
})
const folder = given.out ?? defaultFolder()
const budgetMinutes = Number(given['budget-minutes'] ?? Number.POSITIVE_INFINITY)
if (Number.isNaN(budgetMinutes)) throw new Error('--budget-minutes is a number')
const end = performance.now() + budgetMinutes * 60_000
const checkpointMs = 60_000

const among = (list: string | undefined, value: string | number): boolean =>
  list === undefined || list.split(',').includes(`${value}`)
const wanted = plan().filter(
  (cell) =>
    among(given.tasks, cell.task) &&
    among(given.workers, cell.workers) &&
    among(given.steps, cell.steps) &&
    (given.only ?? '').split(',').every((word) => describe(cell).includes(word)),
)

if (given.list) for (const cell of wanted) console.log(nameOf(cell))
else {
  if (!given['page-only']) await trainAll()
  await writePage()
}

async function trainAll(): Promise<void> {
  const known = new Set((await readResults()).map(({ cell }) => keyOf(cell)))
  for (const cell of wanted) {
    if (known.has(keyOf(cell)) || (await readFinished(folder, cell)) !== null) continue
    if (performance.now() >= end) return
    let saved = performance.now()
    const outcome = await trainCell(cell, {
      from: await readProgress(folder, cell),
      async onRound(progress) {
        const now = performance.now()
        if (now >= end || now - saved >= checkpointMs) {
          await writeProgress(folder, cell, progress)
          saved = performance.now()
        }
        return now < end
      },
    })
    if (outcome === null) return
    await writeFinished(folder, { cell, outcome })
    console.log(`${nameOf(cell)}: ${outcome.lossNats.toFixed(4)} nats, ${outcome.bytes} bytes a worker`)
  }
}

async function writePage(): Promise<void> {
  const results = encodeResults(merged(await readResults(), await readAllFinished(folder)))
  await writeFile(resultsPath, results)
  for (const [path, text] of filesOf(decodeResults(results))) {
    await writeFile(join(import.meta.dirname, '..', path), text)
  }
}

function nameOf(cell: Cell): string {
  return `${cell.task} ${cell.steps} steps R ${cell.workers}: ${describe(cell)}`
}
