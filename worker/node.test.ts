import { expect, test } from 'vitest'
import { createLoopback, testSignal } from '../network/loopback.ts'
import { MurmurError } from '../protocol/errors.ts'
import { aRun } from '../protocol/fixtures/names.ts'
import { maxRequestBytes } from '../protocol/limits.ts'
import type { Network } from '../protocol/ports.ts'
import { type Assignment, decode, encode } from '../protocol/wire.ts'
import { WorkerNode, type WorkerNodeDependencies } from './node.ts'

/** A head that has no work unless told, tells how often and with what it was asked, and wants to hear once a minute. */
function idleHead(network: Network) {
  let beats = 0
  let assignment: Assignment | null = null
  const phases: string[] = []
  let tell = () => {}
  network.handleRequests(async (_, payload) => {
    const { body } = decode('HeadRequest', payload, maxRequestBytes)
    if (body.kind === 'join') {
      return encode('HeadReply', {
        body: { kind: 'welcome', name: 'w1', heartbeatMs: 60_000, heads: [], protocol: 1 },
      })
    }
    if (body.kind === 'heartbeat') {
      beats++
      phases.push(body.phase)
    }
    tell()
    return encode('HeadReply', {
      body: {
        ...{ kind: 'beat', assignment, announcement: new Uint8Array(), heads: [] },
        ...{ drain: false, stay: false },
      },
    })
  })
  return {
    phases,
    assign: (given: Assignment | null) => {
      assignment = given
    },
    beat: async (count: number) => {
      while (beats < count)
        await new Promise<void>((resolve) => {
          tell = resolve
        })
      return beats
    },
  }
}

test('its head wakes a worker between two heartbeats; what anybody else asks is refused', async () => {
  await using loopback = createLoopback()
  const [head, node, stranger] = [await loopback.start(), await loopback.start(), await loopback.start()]
  const { beat } = idleHead(head)
  const worker = new WorkerNode(
    { addresses: [head.addresses()[0]!], token: '', payout: null, agent: 'test' },
    {
      ...{ network: node, clock: { now: () => Date.now() }, log: () => {} },
      engine: { engineClass: 'none' },
      store: { blocks: { get: async () => undefined } },
    } as unknown as WorkerNodeDependencies,
  )
  const life = worker.live()
  await beat(1)
  await head.request(node.self, new Uint8Array(), testSignal())
  expect(await beat(2)).toBe(2)
  await loopback.connect(stranger, node)
  for (const [asker, payload] of [
    [stranger, new Uint8Array()],
    [head, Uint8Array.of(1)],
  ] as const)
    await expect(asker.request(node.self, payload, testSignal())).rejects.toMatchObject({
      code: 'NOT_SERVING',
    })
  await worker.stop()
  await life
})

test('a run that it cannot do is loaded once, and the head is told until it gives other work', async () => {
  await using loopback = createLoopback()
  const [head, node] = [await loopback.start(), await loopback.start()]
  const { beat, assign, phases } = idleHead(head)
  assign({
    ...{ run: aRun, term: 1, peers: [], newestManifest: null, payoutTree: null },
    ...{ escrow: null, ended: false },
  } as unknown as Assignment)
  const logged: string[] = []
  const lacking = new MurmurError('ENGINE_LACKS_F16', { message: 'no', next: 'none', exit: 'infeasible' })
  const worker = new WorkerNode(
    { addresses: [head.addresses()[0]!], token: '', payout: null, agent: 'test' },
    {
      ...{ network: node, clock: { now: () => Date.now() }, log: (code: string) => logged.push(code) },
      engine: { engineClass: 'none' },
      store: { blocks: { get: async () => await Promise.reject(lacking) } },
    } as unknown as WorkerNodeDependencies,
  )
  const life = worker.live()
  // Woken by its own failure, and then by the head.
  await beat(2)
  for (const [change, count] of [
    [() => {}, 3],
    [() => assign(null), 4],
    [() => {}, 5],
  ] as const) {
    change()
    await head.request(node.self, new Uint8Array(), testSignal())
    await beat(count)
  }
  expect(phases).toEqual(['idle', 'declined', 'declined', 'declined', 'idle'])
  expect(logged.filter((code) => code === 'ENGINE_LACKS_F16')).toHaveLength(1)
  await worker.stop()
  await life
})
