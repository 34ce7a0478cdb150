import { setImmediate as nextTurn } from 'node:timers/promises'
import { expect, test, vi } from 'vitest'
import { contentId } from '../protocol/content-id.ts'
import { cidOf } from '../protocol/fixtures/names.ts'
import { runId } from '../protocol/ids.ts'
import { encodeRunSpec, parseRunFile } from '../protocol/run-spec.ts'
import { HeadRuns, type HeadRunsDependencies } from './head-runs.ts'
import type { Recovered } from './recovery.ts'

/** A run that is over as soon as it is opened. */
vi.mock('./open-run.ts', async (original) => ({
  ...(await original<typeof import('./open-run.ts')>()),
  openRun: async () => ({
    ...{ lead: () => {}, finished: Promise.resolve(), isOver: true },
    ...{ report: async () => ({}), close: async () => {} },
  }),
}))

test('a head that stops while a run’s report is stored waits for that; one that has stopped stores none', async () => {
  const file = parseRunFile(
    { model: { preset: 'mlp', hidden: [4], classes: 2 }, data: { builtin: 'mnist' } },
    'run.yaml',
  )
  const programs = {
    training: cidOf('training'),
    evaluation: cidOf('evaluation'),
    sampling: cidOf('sampling'),
  }
  const model = { preset: 'mlp', features: 2, hidden: [4], classes: 2, outputs: null } as const
  const spec = encodeRunSpec({
    ...{ ...file, version: 1, nonce: 'n', data: cidOf('data'), init: null, reward: null, programs },
    model: { ...model, hidden: [...model.hidden] },
  })
  const run = runId(contentId(spec, 'dag-cbor'))
  const [keeping, kept] = [Promise.withResolvers<void>(), Promise.withResolvers<Uint8Array>()]
  const [storing, stored] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()]
  let [puts, isStored] = [0, false]
  const start = async () => {
    const runs = new HeadRuns({
      archive: {
        has: () => false,
        keep: () => {
          keeping.resolve()
          return kept.promise
        },
      },
      clock: { now: () => 1 },
      store: {
        blocks: {
          get: async () => spec,
          put: async () => {
            puts++
            storing.resolve()
            await stored.promise
            await nextTurn()
            isStored = true
          },
        },
      },
      journal: { append: () => {}, durable: async () => {}, compact: async () => {} },
      ...{ heads: () => [], members: () => new Map(), term: 1, log: () => {} },
      ...{ opened: () => {}, tell: () => {}, changed: () => {} },
    } as unknown as HeadRunsDependencies)
    const submitted = { kind: 'submitted', run, submittedAt: 1, priority: 0, owner: 'me' }
    await runs.start(new Map([[run, [submitted]]]) as unknown as Recovered['runs'])
    await keeping.promise
    return runs
  }
  const early = await start()
  await early.stop()
  kept.resolve(Uint8Array.of(1))
  await nextTurn()
  expect(puts).toBe(0)
  const late = await start()
  await storing.promise
  const stopped = late.stop()
  stored.resolve()
  await stopped
  expect(isStored).toBe(true)
})
