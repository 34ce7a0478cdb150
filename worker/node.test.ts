import { expect, test } from 'vitest'
import { createLoopback, testSignal } from '../network/loopback.ts'
import { maxRequestBytes } from '../protocol/limits.ts'
import type { Network } from '../protocol/ports.ts'
import { decode, encode } from '../protocol/wire.ts'
import { WorkerNode, type WorkerNodeDependencies } from './node.ts'

/** A head that has no work, tells how often it was asked, and wants to hear once a minute. */
function idleHead(network: Network) {
  let beats = 0
  let tell = () => {}
  network.handleRequests(async (_, payload) => {
    const { kind } = decode('HeadRequest', payload, maxRequestBytes).body
    if (kind === 'join') {
      return encode('HeadReply', {
        body: { kind: 'welcome', name: 'w1', heartbeatMs: 60_000, heads: [], protocol: 1 },
      })
    }
    beats += kind === 'heartbeat' ? 1 : 0
    tell()
    return encode('HeadReply', {
      body: {
        ...{ kind: 'beat', assignment: null, announcement: new Uint8Array(), heads: [] },
        ...{ drain: false, stay: false },
      },
    })
  })
  return {
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
