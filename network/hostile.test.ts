import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import type { GossipSub } from '@libp2p/gossipsub'
import type { Stream } from '@libp2p/interface'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { contentId } from '../protocol/content-id.ts'
import { networkLimits } from './limits.ts'
import { createInbox, createLoopback, type Loopback, testSignal } from './loopback.ts'
import type { Libp2pNetwork } from './node.ts'
import { protocols } from './protocols.ts'
import { topicScores } from './topic-scores.ts'

/** How many connections are attempted, and messages flooded; the suite takes few, `HOSTILE=10000` many. */
const attempts = Number(process.env.HOSTILE ?? 400)
const patientMs = 60_000 + attempts * 50

const topic = '/murmur/1/test'
const bytes = (text: string): Uint8Array => new TextEncoder().encode(text)

let loopback: Loopback
let now = 0
beforeEach(() => {
  now = 0
  loopback = createLoopback({ now: () => now })
})
afterEach(async () => {
  await loopback[Symbol.asyncDispose]()
  expect(loopback.faults).toEqual([])
})

async function cluster() {
  const [head, honest, hostile] = [
    await loopback.start({ relay: { serve: true } }),
    await loopback.start({ listen: [] }),
    await loopback.start({ listen: [] }),
  ]
  await loopback.connect(honest, head)
  await loopback.connect(hostile, head)
  head.handleRequests(async (_peer, payload) => payload)
  return { head, honest, hostile }
}

/** Requests, blocks: what the head owes an honest peer whatever others do. */
async function served(honest: Libp2pNetwork, head: Libp2pNetwork): Promise<void> {
  expect(await honest.request(head.self, bytes('beat'), testSignal())).toEqual(bytes('beat'))
  const block = new Uint8Array(1_000_000).fill(7)
  head.serveBlocks({ get: async () => block })
  const options = { signal: testSignal(), maxBytes: block.length }
  expect(await honest.fetchBlock([head.self], contentId(block, 'raw'), options)).toHaveLength(block.length)
}

setFlagsFromString('--expose-gc')
const collectGarbage: () => void = runInNewContext('gc')
/** What is held, and not only not yet collected. */
const heldBytes = (): number => {
  collectGarbage()
  const { heapUsed, external } = process.memoryUsage()
  return heapUsed + external
}

test('streams that say half a request and then nothing fill one peer’s places, and nobody else’s', async () => {
  const { head, honest, hostile } = await cluster()
  const [connection] = hostile.libp2p.getConnections(head.libp2p.peerId)
  const opened: Stream[] = []
  let refused = 0
  for (const [protocol, places, half] of [
    [protocols.requests, networkLimits.requestStreamsPerPeer, Uint8Array.of(0, 0, 0, 9, 1)],
    [protocols.blocks, networkLimits.blockStreamsPerPeer, Uint8Array.of(0, 9, 1)],
    [protocols.probe, networkLimits.probeStreamsPerPeer, Uint8Array.of(1)],
  ] as const)
    for (let stream = 0; stream < 3 * places; stream++)
      await connection!
        .newStream(protocol, { signal: testSignal(), maxOutboundStreams: 1000 })
        .then((one) => {
          one.send(half)
          opened.push(one)
        })
        .catch(() => {
          refused++
        })
  const held = head.libp2p.getConnections(hostile.libp2p.peerId).flatMap(({ streams }) => streams)
  for (const [protocol, places] of [
    [protocols.requests, networkLimits.requestStreamsPerPeer],
    [protocols.blocks, networkLimits.blockStreamsPerPeer],
    [protocols.probe, networkLimits.probeStreamsPerPeer],
  ] as const)
    expect(held.filter((stream) => stream.protocol === protocol).length).toBeLessThanOrEqual(places)
  expect(refused + opened.filter(({ status }) => status !== 'open').length).toBeGreaterThan(0)
  await served(honest, head)
})

test('a block that never ends costs its asker the length that was claimed, and the next peer is asked', async () => {
  const { head, hostile } = await cluster()
  await hostile.libp2p.unhandle(protocols.blocks)
  const claimed = 1_000_000
  const { promise: cut, resolve } = Promise.withResolvers<number>()
  await hostile.libp2p.handle(protocols.blocks, (stream) => {
    const [header, piece] = [new Uint8Array(5), new Uint8Array(65_536)]
    header[0] = 1
    new DataView(header.buffer).setUint32(1, claimed)
    let sent = 0
    const more = (): void => {
      while (stream.writeStatus === 'writable' && stream.send(piece)) sent += piece.length
    }
    stream.addEventListener('drain', more)
    stream.addEventListener('close', () => resolve(sent))
    stream.send(header)
    more()
  })
  const asker = await loopback.start()
  await loopback.connect(hostile, asker)
  await loopback.connect(asker, head)
  const block = new Uint8Array(claimed).fill(7)
  head.serveBlocks({ get: async () => block })
  const fetched = await asker.fetchBlock([hostile.self, head.self], contentId(block, 'raw'), {
    signal: testSignal(),
    maxBytes: claimed,
  })
  expect(fetched).toHaveLength(claimed)
  expect(await cut).toBeLessThan(claimed + 8 * networkLimits.unreadBytes)
})

test(
  `${attempts} sockets that say nothing, or nonsense, keep neither members nor newcomers out`,
  async () => {
    const { head, honest } = await cluster()
    const port = Number(/tcp\/(\d+)/.exec(head.addresses()[0]!)![1])
    await served(honest, head)
    const before = heldBytes()
    const sockets: Socket[] = []
    for (let attempt = 0; attempt < attempts; attempt++) {
      // From another host than the honest ones, as far as the head can see.
      const socket = connect({ port, host: '127.0.0.1', localAddress: '127.0.0.2' })
      socket.on('error', () => {})
      const opened = once(socket, 'connect').catch(() => {})
      if (attempt % 4 === 3) socket.write('GET / HTTP/1.1\r\n\r\n')
      await opened
      sockets.push(socket)
      // More than these at once would be refused by this host's own bound on open files.
      if (sockets.length > 1000) sockets.shift()?.destroy()
    }
    expect(head.libp2p.getConnections()).toHaveLength(2)
    await served(honest, head)
    const newcomer = await loopback.start({ listen: [] })
    await loopback.connect(newcomer, head)
    await served(newcomer, head)
    expect(heldBytes() - before).toBeLessThan(64 * 1024 * 1024)
    for (const socket of sockets) socket.destroy()
  },
  patientMs,
)

test(
  `${attempts} messages of a flood, valid or not, are cut to the bound; the flooder is named, others heard`,
  async () => {
    const nuisances: unknown[] = []
    const head = await loopback.start({}, { onNuisance: (nuisance) => nuisances.push(nuisance) })
    const [honest, flooder, liar] = [
      await loopback.start({ listen: [] }),
      await loopback.start({ listen: [] }),
      await loopback.start({ listen: [] }),
    ]
    const inbox = createInbox()
    const { promise: judgedAll, resolve } = Promise.withResolvers<void>()
    await head.subscribe(
      topic,
      ({ author, data }) => {
        if (author !== liar.self) return 'accept'
        if (new TextDecoder().decode(data) === `lie ${attempts - 1}`) resolve()
        return 'reject'
      },
      inbox.listener,
    )
    for (const node of [honest, flooder, liar]) {
      await node.subscribe(
        topic,
        () => 'accept',
        () => {},
      )
      await loopback.connect(node, head)
      await node.waitForTopicPeer(topic, head.self, testSignal())
      await head.waitForTopicPeer(topic, node.self, testSignal())
    }
    const before = heldBytes()
    const from = (node: Libp2pNetwork) => inbox.messages.filter(({ author }) => author === node.self).length
    for (let sent = 0; sent < attempts; sent++) {
      await flooder.publish(
        topic,
        new Uint8Array(networkLimits.gossipBytes).fill(sent % 256).fill(sent >> 8, 0, 4),
      )
      await liar.publish(topic, bytes(`lie ${sent}`))
      // The flooder alone would fill what its own node may have waiting to be sent.
      if (sent % 64 === 0) await new Promise((next) => setImmediate(next))
    }
    await honest.publish(topic, bytes('still here'))
    await inbox.until(() => inbox.texts().includes('still here'))
    await inbox.until(() => from(flooder) >= Math.min(networkLimits.authorBurstMessages, attempts))
    await Promise.race([judgedAll, scoredOut(head, liar)])
    expect(from(flooder)).toBe(networkLimits.authorBurstMessages)
    expect(from(liar)).toBe(0)
    expect(from(honest)).toBe(1)
    expect(nuisances).toContainEqual({ peer: liar.self, kind: 'rejected' })
    expect(nuisances.filter((nuisance) => (nuisance as { peer: string }).peer === liar.self)).toHaveLength(1)
    expect(nuisances).toContainEqual({ peer: flooder.self, kind: 'flood' })
    expect(scoreAfresh(head, liar)).toBeLessThan(-80)
    expect(scoreAfresh(head, honest)).toBe(0)
    expect(heldBytes() - before).toBeLessThan(128 * 1024 * 1024)
  },
  patientMs,
)

/** gossipsub keeps a score for a heartbeat before it looks again. */
function scoreAfresh(node: Libp2pNetwork, peer: Libp2pNetwork): number {
  const { gossip } = node.libp2p.services as unknown as { gossip: GossipSub }
  ;(gossip as unknown as { score: { scoreCache: Map<string, unknown> } }).score.scoreCache.clear()
  return topicScores(gossip).of(peer.self)
}

async function scoredOut(node: Libp2pNetwork, peer: Libp2pNetwork): Promise<void> {
  const { gossip } = node.libp2p.services as unknown as { gossip: GossipSub }
  while (scoreAfresh(node, peer) >= -80) await once(gossip as never, 'gossipsub:heartbeat')
}
