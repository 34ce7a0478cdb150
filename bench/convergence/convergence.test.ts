import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { trafficOf } from './bytes.ts'
import { along, type Cell, keyOf, type Sync } from './cell.ts'
import { describe as nameOf } from './describe.ts'
import type { Finished } from './finished.ts'
import { bestBeyond, frontierOf } from './frontier.ts'
import { groupsOf } from './groups.ts'
import { measuredGaps } from './measured.ts'
import { filesOf, pageOf } from './page.ts'
import { plan } from './plan.ts'
import { newFlock, stepsToSync, synchronize } from './replicas.ts'
import { readResults } from './results.ts'
import { readAllFinished, readFinished, readProgress, writeFinished, writeProgress } from './store.ts'
import { dataOf } from './tasks.ts'
import { trainCell } from './train-cell.ts'

let folder: string
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'convergence-'))
})
afterAll(() => rm(folder, { recursive: true, force: true }))

const sync: Sync = {
  when: 'blocking',
  innerSteps: 5,
  codec: { kind: 'sparse', k: 512, beta: 1 },
  outer: { learningRate: 1, momentum: 0 },
  residual: 'held',
  firstMoment: 'kept',
}
const cell: Cell = {
  task: 'test',
  seed: 1,
  steps: 30,
  workers: 2,
  inner: { optimizer: 'muon', learningRate: 0.01, warmupSteps: 5 },
  sync,
}
const whole = { from: null, onRound: () => true }

test('a cell that is stopped and read from disk goes on to the same bits', async () => {
  const one: Cell = {
    ...cell,
    sync: { ...sync, when: 'eager', outer: { learningRate: 0.7, momentum: 0.5 } },
  }
  const straight = await trainCell(one, whole)
  const stopped = await trainCell(one, {
    from: null,
    async onRound(progress) {
      await writeProgress(folder, one, progress)
      return progress.flock.rounds < 3
    },
  })
  expect(stopped).toBeNull()
  const resumed = await trainCell(one, { from: await readProgress(folder, one), onRound: () => true })
  expect(resumed).toEqual(straight)
})

test('the loss falls, workers that average do better than one alone, and DDP better than these', async () => {
  const loss = async (change: Partial<Cell>) => {
    const one = { ...cell, steps: 50, ...change }
    const outcome = (await trainCell(one, whole))!
    await writeFinished(folder, { cell: one, outcome })
    return outcome.lossNats
  }
  const alone = await loss({ sync: 'every-step', workers: 1 })
  const averaged = await loss({ workers: 4, sync: { ...sync, codec: { kind: 'f32' } } })
  const together = await loss({ workers: 4, sync: 'every-step' })
  expect(alone).toBeLessThan(4)
  expect(averaged).toBeLessThan(alone)
  expect(together).toBeLessThan(averaged)
  const finished = await readAllFinished(folder)
  expect(finished).toHaveLength(3)
  expect(await readFinished(folder, finished[0]!.cell)).toEqual(finished[0])
  const [group] = groupsOf(finished)
  expect(group!.cells).toHaveLength(3)
  expect(group!.references.muon?.outcome.lossNats).toBe(together)
  const { markdown, figures } = pageOf(finished)
  expect(markdown).toContain(`| H 5, f32, Muon 0.01 | ${averaged.toFixed(4)} |`)
  expect([...figures.keys()]).toEqual(['test-50-r4-s1.svg'])
})

test('images apart by label: a worker sees two to four digits, and what is held out is told right by chance or better', async () => {
  const { shards, manifest } = await dataOf('mnist-by-label', 4)
  const record = 28 * 28 + 1
  const seen = shards.map((shard) => {
    const digits = Array.from({ length: shard.length / record }, (_, row) => shard[(row + 1) * record - 1])
    return new Set(digits).size
  })
  expect(seen).toHaveLength(4)
  for (const digits of seen) expect([2, 3, 4]).toContain(digits)
  expect(manifest.heldOutCount).toBe(2_000)
  const one: Cell = {
    ...{ ...cell, task: 'mnist-by-label', steps: 4, workers: 4 },
    sync: { ...sync, innerSteps: 2, codec: { kind: 'int4', beta: 1 } },
  }
  const averaged = { cell: one, outcome: (await trainCell(one, whole))! }
  expect(averaged.outcome.accuracy).toBeGreaterThan(0.05)
  expect(averaged.outcome.accuracy).toBeLessThan(1)
  const together = { ...averaged, cell: { ...one, sync: 'every-step' as const } }
  expect(measuredGaps([averaged, together])).toMatchObject([
    {
      ...{ task: 'classification', split: 'by-label', compressor: 'int4', topK: null, innerSteps: 2 },
      ...{ optimizer: 'muon', workers: 4, steps: 4, parameterCount: 9_098 },
    },
  ])
  const growing: Finished = {
    ...averaged,
    cell: { ...one, sync: { ...sync, innerSteps: { from: 1, to: 2 } } },
  }
  expect(measuredGaps([growing, together])).toEqual([])
  expect(measuredGaps([averaged])).toEqual([])
})

test('an average of f32 updates is the mean of the workers, whatever the schedule, once the last sync is done', () => {
  const theta = Float32Array.of(1, 2, 3)
  for (const when of ['blocking', 'eager', 'streaming'] as const) {
    const flock = newFlock(theta.slice(), 2, 1)
    const f32: Sync = { ...sync, when, codec: { kind: 'f32' } }
    for (const done of [0.5, 1]) {
      const starts = flock.replicas.map(({ params }) => params.slice())
      for (const [slot, replica] of flock.replicas.entries())
        replica.params = replica.params.map((value) => value + slot)
      synchronize(flock, f32, starts, done)
      // An eager worker goes on from θ with its own half of the average; the other's is not here yet.
      if (when === 'eager' && done < 1)
        expect(flock.replicas.map(({ params }) => params[0])).toEqual([1, 1.5])
    }
    expect(flock.theta).toEqual(Float32Array.of(2, 3, 4))
    expect(flock.replicas.map(({ params }) => params)).toEqual([flock.theta, flock.theta])
  }
})

test('syncs fill the steps, without a stub at the end', () => {
  for (const innerSteps of [1, 7, 50, { from: 2, to: 40 }, { from: 40, to: 3 }]) {
    for (const when of ['blocking', 'streaming'] as const) {
      const fragments = when === 'streaming' ? 4 : 1
      let step = 0
      while (step < 201) {
        const due = stepsToSync({ ...sync, innerSteps, when }, step, 201)
        const wanted = Math.max(1, along(innerSteps, step / 201) / fragments)
        expect(due).toBeGreaterThanOrEqual(Math.floor(wanted / 2))
        expect(due).toBeLessThanOrEqual(Math.ceil(wanted * 1.5))
        step += due
      }
      expect(step).toBe(201)
    }
  }
  expect(along({ from: 2, to: 32 }, 0.5)).toBeCloseTo(8)
})

test('traffic is one contribution up and those of the others down, against the ring of every step', () => {
  const outcome = { parameterCount: 1_000, curve: [], lossNats: 1, bytes: 4 * 500, rounds: 2 }
  const finished: Finished = { cell: { ...cell, workers: 4, steps: 100 }, outcome }
  expect(trafficOf(finished)).toEqual({ up: 500, down: 1_500, ratio: (12 * 1_000 * 100) / 2_000 })
  const ddp = trafficOf({ ...finished, cell: { ...finished.cell, sync: 'every-step' } })
  expect(ddp).toEqual({ up: 600_000, down: 600_000, ratio: 1 })
})

test('the frontier has no cell that another beats in both', () => {
  const made = (bytes: number, lossNats: number): Finished => ({
    cell: { ...cell, workers: 4, steps: 100 },
    outcome: { parameterCount: 1_000, curve: [], lossNats, bytes, rounds: 1 },
  })
  const cells = [made(4_000, 2), made(1_000, 3), made(2_000, 3.5), made(500, 4)]
  expect(frontierOf(cells).map(({ outcome }) => outcome.bytes)).toEqual([500, 1_000, 4_000])
  expect(bestBeyond(cells, 1_000)?.outcome.bytes).toBe(1_000)
  expect(bestBeyond(cells, 10_000)).toBeNull()
})

test('every cell of the plan is there once, under a name of its own in its group', () => {
  const cells = plan()
  expect(new Set(cells.map(keyOf)).size).toBe(cells.length)
  const names = cells.map((one) => [one.task, one.steps, one.workers, one.seed, nameOf(one)].join())
  expect(new Set(names).size).toBe(cells.length)
})

test('the page, its figures and measured-gaps.json are what results.jsonl says: `npm run bench:convergence -- --page-only` writes them again', async () => {
  const root = new URL('../../', import.meta.url)
  const files = filesOf(await readResults())
  for (const [path, text] of files) expect(await readFile(new URL(path, root), 'utf8')).toBe(text)
  const figures = (await readdir(new URL('docs/convergence', root))).map((name) => `docs/convergence/${name}`)
  expect(figures.filter((path) => !files.has(path))).toEqual([])
})
