import { appendFile, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { runOf } from '../api/fixtures/reports.ts'
import { EventFeed, type RoundFigures } from '../events.ts'
import { RunMetrics } from './run-metrics.ts'

const run = runOf('moby')
const figures: RoundFigures = {
  ...{ epoch: 0, trainLossNats: 2.5, tokens: 4096, seconds: 2, tokensPerSecond: 2048, bytes: 999 },
  ...{ workers: 2, members: 3, refused: ['NOT_COMMITTED'] },
}
let folder: string
let now: number
let logged: string[]
beforeEach(async () => {
  folder = await mkdtemp(path.join(tmpdir(), 'murmur-metrics-'))
  now = 1_800_000_000_000
  logged = []
})
afterEach(() => rm(folder, { recursive: true }))

/** A head's life: it tells rounds and evaluations, and ends. */
function life() {
  const clock = { now: () => now }
  const events = new EventFeed(clock)
  const metrics = new RunMetrics(
    { folder },
    { events, clock, log: (code, text) => logged.push(`${code} ${text}`) },
  )
  const place = { run, worker: null, code: 'X', text: '' } as const
  return {
    metrics,
    round: (round: number, changed: Partial<RoundFigures> = {}) =>
      void events.append({ ...place, kind: 'round-closed', round, data: { ...figures, ...changed } }),
    evaluation: (step: number, heldOutLossNats: number) =>
      void events.append({ ...place, kind: 'evaluation', round: null, data: { step, heldOutLossNats } }),
    note: () => void events.append({ ...place, kind: 'note', round: null }),
  }
}

test('a line a closed round or evaluation, in order; TensorBoard’s file beside it', async () => {
  const { metrics, round, evaluation, note } = life()
  evaluation(0, 6.5)
  round(0)
  note()
  round(1, { trainLossNats: null, tokens: 0 })
  expect(await metrics.series(run)).toEqual([
    { step: 0, heldOutLossNats: 6.5, at: now },
    {
      ...{ step: 1, at: now, epoch: 0, trainLossNats: 2.5, tokens: 4096, tokensPerSecond: 2048 },
      ...{ seconds: 2, bytes: 999, workers: 2, refused: 1 },
    },
    expect.objectContaining({ step: 2, trainLossNats: null }),
  ])
  await metrics.close()
  expect((await readdir(path.join(folder, run))).sort()).toEqual([
    'events.out.tfevents.1800000000.murmur',
    'metrics.jsonl',
  ])
  expect(await metrics.series(runOf('other'))).toEqual([])
  expect(logged).toEqual([])
})

test('a head that starts again goes on after what is there, half a line or a damaged one left out', async () => {
  const first = life()
  first.round(0)
  first.round(1)
  await first.metrics.close()
  const file = path.join(folder, run, 'metrics.jsonl')
  await appendFile(file, 'damaged\n{"step":3,"tra')
  now += 60_000
  const second = life()
  second.round(0, { tokens: 0 })
  second.round(1, { tokens: 0 })
  second.round(2)
  second.evaluation(2, 3)
  await second.metrics.close()
  const lines = await second.metrics.series(run)
  expect(lines.map(({ step, tokens }) => [step, tokens])).toEqual([
    [1, 4096],
    [2, 4096],
    [3, 4096],
    [2, undefined],
  ])
  expect((await readFile(file, 'utf8')).endsWith('}\n')).toBe(true)
  expect((await readdir(path.join(folder, run))).filter((name) => name.includes('tfevents')).length).toBe(2)
})

test('a disk that cannot be written costs the figures, and is said', async () => {
  await writeFile(path.join(folder, run), 'a file where the folder should be')
  const { metrics, round } = life()
  round(0)
  await metrics.close()
  expect(logged).toEqual([expect.stringMatching(/^METRICS_NOT_WRITTEN .*EEXIST|ENOTDIR/)])
})
