import { expect, test } from 'vitest'
import { initialState } from '../aggregation/averaging.ts'
import { stateRoot } from '../aggregation/state-root.ts'
import { stores } from '../checkpoints/fixtures/stores.ts'
import { prepareRun } from '../cli/submit.ts'
import { contentId } from '../protocol/content-id.ts'
import { hashOf, peer } from '../protocol/fixtures/names.ts'
import { signManifest } from '../protocol/manifest.ts'
import type { Network } from '../protocol/ports.ts'
import { parseRunFile } from '../protocol/run-spec.ts'
import { firstTerm as term } from '../protocol/term.ts'
import { topicOf } from '../protocol/topic.ts'
import { encode, type GossipBody, type RoundManifest } from '../protocol/wire.ts'
import { loadRunContext, type RunContext } from './run-context.ts'
import { WorkerRun, type WorkerRunDependencies } from './worker-run.ts'

const { openIn } = stores()
const [self, head] = [peer(1), peer(2)]
const elsewhere = Buffer.from('a block that peers have')
const cid = contentId(elsewhere, 'raw')
const network = {
  ...{ self, subscribe: async () => {}, unsubscribe: () => {}, publish: async () => {} },
  ...{ verify: async () => true, fetchBlock: async () => elsewhere },
} as unknown as Network

async function aContext(): Promise<RunContext> {
  const file = { data: { file: 'examples/paragraphs.csv', target: 'words' }, model: { preset: 'linear' } }
  const { run, blocks } = await prepareRun(parseRunFile(file, 'test'), 'test')
  return await loadRunContext(run, async (of) => blocks.get(of)!)
}

/** Of round 0, signed. */
async function manifestOf(run: RunContext['run'], baseRoot: RoundManifest['baseRoot']) {
  const manifest: RoundManifest = {
    ...{ run, term, round: 0, epoch: 0, parent: null, baseRoot, stateRoot: hashOf('next') },
    ...{ entries: [], refused: [], closesEpoch: false, checkpoint: null, slots: [], average: null },
  }
  return await signManifest(manifest, head, async () => new Uint8Array(64))
}

const told: [string, (run: RunContext['run'], root: RoundManifest['baseRoot']) => Promise<GossipBody>][] = [
  ['fetches what the head says', async () => ({ kind: 'large', cid, bytes: 100 })],
  [
    'catches up',
    async () => ({ kind: 'roundOpen', round: 1, stateRoot: hashOf('other'), parent: cid, slots: [] }),
  ],
  ['applies a round', async (...of) => ({ kind: 'manifest', signedManifest: await manifestOf(...of) })],
]

test.each(told)('a close waits while it %s and writes that', async (_, body) => {
  const context = await aContext()
  const { run } = context
  const store = await openIn('worker')
  const [writing, gate] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()]
  let isOpen = true
  const dependencies: WorkerRunDependencies = {
    ...{ run, network, kept: await store.kept(), peers: () => [head], log: () => {}, now: () => 0 },
    blocks: {
      ...store.blocks,
      put: async (...of) => {
        if (!isOpen) {
          writing.resolve()
          await gate.promise
        }
        await store.blocks.put(...of)
      },
    },
    session: { close: async () => {} } as unknown as WorkerRunDependencies['session'],
    randomSalt: () => hashOf('salt'),
    readCheckpoint: () => expect.unreachable(),
    writeCheckpoint: () => expect.unreachable(),
  }
  const { signal } = new AbortController()
  const options = { context, heads: [head], term, topic: topicOf(run) }
  const worker = await WorkerRun.open(options, dependencies, null, signal)
  isOpen = false
  const theta = context.model.initialWeights(context.spec.train.seed)
  const start = stateRoot(initialState(theta, context.averaging))
  expect(worker.offer(head, encode('Gossip', { run, term, body: await body(run, start) }))).toBe('accept')
  await writing.promise
  let isClosed = false
  const closing = worker.close().then(() => {
    isClosed = true
  })
  await new Promise((resolve) => setImmediate(resolve))
  expect(isClosed).toBe(false)
  gate.resolve()
  await closing
})
