import { expect, test, vi } from 'vitest'
import { some } from '../checkpoints/fixtures/stores.ts'
import { createLoopback, testSignal } from '../network/loopback.ts'
import { MurmurError } from '../protocol/errors.ts'
import type { RunId } from '../protocol/ids.ts'
import { maxRequestBytes } from '../protocol/limits.ts'
import { type Assignment, decode, encode } from '../protocol/wire.ts'
import { WorkerNode, type WorkerNodeDependencies } from './node.ts'
import { WorkerRun, type WorkerRunDependencies } from './worker-run.ts'

vi.mock('./run-context.ts', () => ({
  loadRunContext: async (run: string) => {
    if (loads.has(run)) return {}
    throw new MurmurError('DATA_MISFIT', { message: `not ${run}`, next: 'none', exit: 'usage' })
  },
}))

const runNamed = (name: string) => some(name) as string as RunId
const [first, second, good] = [runNamed('first'), runNamed('second'), runNamed('good')]
const loads = new Set<string>([good])

test('the head hears why this run is declined, nothing old of one that loads, and of a false average', async () => {
  let dependencies: WorkerRunDependencies | null = null
  const open = vi.spyOn(WorkerRun, 'open').mockImplementation(async (_, given) => {
    dependencies = given
    return {
      ...{ phase: 'ready', progress: {}, standing: { term: 0, newest: null } },
      ...{ ended: new Promise(() => {}), outstanding: () => new Uint8Array(), close: async () => {} },
      ...{ setHeads: () => {}, offer: () => 'ignore' },
    } as unknown as WorkerRun
  })
  await using loopback = createLoopback()
  const [head, node] = [await loopback.start(), await loopback.start()]
  let run: RunId = first
  let heard: { run: string; error: string; phase: string } = { run: '', error: '', phase: '' }
  head.handleRequests(async (_, payload) => {
    const { body } = decode('HeadRequest', payload, maxRequestBytes)
    if (body.kind === 'heartbeat') heard = body
    const assignment = {
      ...{ run, term: 1, peers: [], newestManifest: null, payoutTree: null },
      ...{ escrow: null, ended: false },
    } as unknown as Assignment
    return encode('HeadReply', {
      body:
        body.kind === 'join'
          ? { kind: 'welcome', name: 'w1', heartbeatMs: 60_000, heads: [], protocol: 1 }
          : {
              ...{ kind: 'beat', assignment, announcement: new Uint8Array(), heads: [] },
              ...{ drain: false, stay: false },
            },
    })
  })
  const worker = new WorkerNode(
    { addresses: [head.addresses()[0]!], token: '', payout: null, agent: 'test' },
    {
      ...{ network: node, clock: { now: () => Date.now() }, log: () => {}, store: { blocks: {} } },
      kept: { drop: async () => {}, runs: () => new Map() },
      engine: { engineClass: 'none', loadTraining: async () => ({}) },
    } as unknown as WorkerNodeDependencies,
  )
  const life = worker.live()
  const hears = async (expected: Partial<typeof heard>) => {
    await vi.waitFor(
      async () => {
        await head.request(node.self, new Uint8Array(), testSignal())
        expect(heard).toMatchObject(expected)
      },
      { timeout: 5_000, interval: 20 },
    )
  }
  for (const declined of [first, second, first]) {
    run = declined
    await hears({ run, phase: 'declined', error: expect.stringContaining(`not ${declined}`) })
  }
  run = good
  await hears({ run, phase: 'ready', error: '' })
  for (const code of ['AVERAGE_UNCHECKED', 'AVERAGE_FALSE']) {
    dependencies!.log(code, 'round 3')
    await hears({ run, error: `${code}: round 3` })
  }
  await worker.stop()
  await life
  open.mockRestore()
})
