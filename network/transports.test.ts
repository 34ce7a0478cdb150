import { afterEach, beforeEach, expect, test } from 'vitest'
import { contentId } from '../protocol/content-id.ts'
import { createInbox, createLoopback, type Loopback, testSignal } from './loopback.ts'
import type { Libp2pNetwork } from './node.ts'

let loopback: Loopback
beforeEach(() => {
  loopback = createLoopback()
})
afterEach(async () => {
  await loopback[Symbol.asyncDispose]()
  expect(loopback.faults).toEqual([])
})

const topic = '/murmur/1/test'
const bytes = (text: string): Uint8Array => new TextEncoder().encode(text)

/** Everything that the port has, over whatever connection there is. */
async function talk(a: Libp2pNetwork, b: Libp2pNetwork): Promise<void> {
  b.handleRequests(async (peer, payload) => bytes(`${peer} ${payload.length}`))
  expect(await a.request(b.self, new Uint8Array(50_000), testSignal())).toEqual(bytes(`${a.self} 50000`))
  const block = Uint8Array.from({ length: 3_000_000 }, (_, index) => (index * 2654435761) >>> 13)
  b.serveBlocks({ get: async () => block })
  const fetched = await a.fetchBlock([b.self], contentId(block, 'raw'), {
    signal: testSignal(),
    maxBytes: block.length,
  })
  expect(Buffer.compare(fetched, block)).toBe(0)
  const inboxes = [createInbox(), createInbox()] as const
  await a.subscribe(topic, () => 'accept', inboxes[0].listener)
  await b.subscribe(topic, () => 'accept', inboxes[1].listener)
  await a.waitForTopicPeer(topic, b.self, testSignal())
  await b.waitForTopicPeer(topic, a.self, testSignal())
  await a.publish(topic, bytes('from a'))
  await b.publish(topic, bytes('from b'))
  await Promise.all(inboxes.map((inbox) => inbox.until(() => inbox.messages.length === 1)))
}

test.each([
  ['/ip4/127.0.0.1/tcp/0/ws', /\/tcp\/\d+\/ws\/p2p\//],
  ['/ip4/127.0.0.1/udp/0/webrtc-direct', /\/webrtc-direct\/certhash\//],
])('requests, blocks and gossip over %s, and every byte is metered', async (listen, shown) => {
  const [a, b] = [await loopback.start({ listen: [] }), await loopback.start({ listen: [listen] })]
  expect(b.addresses()[0]).toMatch(shown)
  await loopback.connect(a, b)
  await talk(a, b)
  for (const { sentBytes, receivedBytes } of [a.traffic(), b.traffic()])
    expect(Math.max(sentBytes, receivedBytes)).toBeGreaterThan(3_000_000)
  const { sentBytes } = b.traffic()
  expect(sentBytes).toBeLessThan(3_000_000 * 1.1)
  const gone = new Promise<void>((resolve) => b.onDisconnect(() => resolve()))
  await a.stop()
  await gone
  expect(b.traffic().sentBytes).toBeGreaterThanOrEqual(sentBytes)
})

async function behindRelay(connectionBytes?: number) {
  const relay = await loopback.start({
    relay: { serve: true, ...(connectionBytes === undefined ? {} : { connectionBytes }) },
  })
  const reserveAt = [relay.addresses()[0]!]
  const [a, b] = [
    await loopback.start({ listen: [], reserveAt, reserveWhen: 'always' }),
    await loopback.start({ listen: [], reserveAt, reserveWhen: 'always' }),
  ]
  await loopback.reserved(a)
  await loopback.reserved(b)
  return { relay, a, b }
}

test('two nodes that cannot be dialled talk over a relay, which can dial neither', async () => {
  const { relay, a, b } = await behindRelay()
  const [address] = b.addresses()
  expect(address).toBe(`${relay.addresses()[0]}/p2p-circuit/p2p/${b.self}`)
  expect(await a.dial(address!, testSignal())).toBe(b.self)
  await talk(a, b)
  const [connection] = a.libp2p.getConnections(b.libp2p.peerId)
  expect(connection?.limits).toBeDefined()
  // Counted once, on the connection to the relay.
  expect(a.traffic().receivedBytes).toBeLessThan(3_000_000 * 1.05)
})
