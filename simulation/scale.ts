import { parseArgs } from 'node:util'
import { contributionBytes } from '../aggregation/contribution-format.ts'
import { Scale } from './scale-run.ts'
import { topologyTable } from './topology.ts'

const { values } = parseArgs({
  options: { json: { type: 'boolean', default: false }, quick: { type: 'boolean', default: false } },
})

/** Workers and rounds of each measured run. */
const sizes: readonly (readonly [workers: number, rounds: number])[] = values.quick
  ? [
      [64, 5],
      [256, 5],
    ]
  : [
      [64, 50],
      [250, 50],
      [1_000, 50],
      [2_500, 20],
      [5_000, 10],
      [10_000, 10],
    ]

// Compiled, and loaded what it needs, before anything is measured.
new Scale(32, 3).play()

const rows = sizes.map(([workers, rounds]) => {
  const row = new Scale(workers, rounds).play()
  process.stderr.write(`${JSON.stringify(row)}\n`)
  return row
})

/** The exponent b of y = a·xᵇ, by least squares over logarithms. */
function exponent(of: (row: (typeof rows)[number]) => number): number {
  const points = rows.map((row) => [Math.log(row.workers), Math.log(of(row))] as const)
  const meanX = points.reduce((sum, [x]) => sum + x, 0) / points.length
  const meanY = points.reduce((sum, [, y]) => sum + y, 0) / points.length
  const covariance = points.reduce((sum, [x, y]) => sum + (x - meanX) * (y - meanY), 0)
  return covariance / points.reduce((sum, [x]) => sum + (x - meanX) ** 2, 0)
}

const law = {
  headSentBytesPerRound: exponent((row) => row.headSentBytesPerRound),
  headReceivedBytesPerRound: exponent((row) => row.headReceivedBytesPerRound),
  headCpuMsPerRound: exponent((row) => row.headCpuMsPerRound),
  headMemoryBytes: exponent((row) => row.headMemoryBytesPerWorker * row.workers),
}

if (values.json) process.stdout.write(`${JSON.stringify({ rows, law })}\n`)
else {
  const columns = Object.keys(rows[0]!)
  const line = (cells: readonly string[]) => `| ${cells.join(' | ')} |`
  const table = [
    line(columns),
    line(columns.map(() => '---:')),
    ...rows.map((row) =>
      line(Object.values(row).map((value) => (Number.isInteger(value) ? String(value) : value.toFixed(2)))),
    ),
  ]
  const laws = Object.entries(law).map(([name, power]) => `${name} grows as workers^${power.toFixed(2)}`)
  const parameters = 865_000
  const bytes = contributionBytes({ chunkSize: 4096, k: 64 }, parameters)
  process.stdout.write(`${[...table, '', ...laws, '', ...topologyTable(parameters, bytes)].join('\n')}\n`)
}
