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

test('a head that stops while a run is archived waits for it: nothing is written once its store is closed', async () => {
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
  const [archiving, archived] = [Promise.withResolvers<void>(), Promise.withResolvers<Uint8Array>()]
  const done: string[] = []
  const runs = new HeadRuns({
    archive: {
      has: () => false,
      keep: () => {
        archiving.resolve()
        return archived.promise
      },
    },
    clock: { now: () => 1 },
    store: { blocks: { get: async () => spec, put: () => nextTurn().then(() => done.push('report')) } },
    journal: {
      append: ({ kind }: { readonly kind: string }) => done.push(kind),
      ...{ durable: async () => {}, compact: async () => {} },
    },
    ...{
      heads: () => [],
      members: () => new Map(),
      term: 1,
      log: (...said: unknown[]) => done.push(String(said)),
    },
    ...{ opened: () => {}, tell: () => {}, changed: () => done.push('changed') },
  } as unknown as HeadRunsDependencies)
  const submitted = { kind: 'submitted', run, submittedAt: 1, priority: 0, owner: 'me' }
  await runs.start(new Map([[run, [submitted]]]) as unknown as Recovered['runs'])
  await archiving.promise
  const before = [...done]
  const stopped = runs.stop().then(() => done.push('stopped'))
  archived.resolve(Uint8Array.of(1))
  await stopped
  expect(done.slice(before.length)).toEqual(['report', 'archived', 'stopped'])
})
