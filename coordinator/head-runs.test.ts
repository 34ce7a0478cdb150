import { expect, test } from 'vitest'
import { buildTrainingProgram } from '../program/training-program.ts'
import { contentId } from '../protocol/content-id.ts'
import { cidOf } from '../protocol/fixtures/names.ts'
import { runId } from '../protocol/ids.ts'
import { encodeRunSpec, parseRunFile } from '../protocol/run-spec.ts'
import { HeadRuns, type HeadRunsDependencies } from './head-runs.ts'

test('a run whose rounds hold more tokens than a reveal can tell is refused before it is journaled', async () => {
  const shape = { preset: 'linear', features: 1, classes: 2 } as const
  const { training } = buildTrainingProgram({ ...shape, batch: 40_000 })
  const file = parseRunFile(
    { model: { preset: 'linear', classes: 2 }, data: { builtin: 'mnist' }, train: { innerSteps: 60_000 } },
    'run.yaml',
  )
  const spec = encodeRunSpec({
    ...{ ...file, version: 1, nonce: 'n', data: cidOf('data'), init: null, reward: null },
    model: { ...shape, outputs: null },
    programs: { training: contentId(training, 'raw'), evaluation: cidOf('e'), sampling: cidOf('s') },
  })
  const blocks = new Map([
    [contentId(training, 'raw'), training],
    [contentId(spec, 'dag-cbor'), spec],
  ])
  const journaled: unknown[] = []
  const runs = new HeadRuns({
    ...{ archive: { has: () => false }, chain: null, clock: { now: () => 1 } },
    store: { blocks: { get: async (cid: never) => blocks.get(cid) } },
    journal: { append: (record: unknown) => journaled.push(record), durable: async () => {} },
  } as unknown as HeadRunsDependencies)
  const submitted = runs.submit(runId(contentId(spec, 'dag-cbor')), { priority: 0, owner: 'me' })
  await expect(submitted).rejects.toMatchObject({ code: 'ROUND_TOO_LONG', exit: 'usage' })
  expect(journaled).toEqual([])
})
