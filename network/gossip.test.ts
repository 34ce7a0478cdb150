import type { GossipSub } from '@libp2p/gossipsub'
import { afterEach, beforeEach, expect, test } from 'vitest'
import type { Verdict } from '../protocol/errors.ts'
import { networkLimits } from './limits.ts'
import { createInbox, createLoopback, type Inbox, type Loopback, testSignal } from './loopback.ts'
import type { Libp2pNetwork } from './node.ts'
import { topicScores } from './topic-scores.ts'

const topic = '/murmur/1/test'
const bytes = (text: string): Uint8Array => new TextEncoder().encode(text)
const routerOf = (node: Libp2pNetwork): GossipSub => (node.libp2p.services as { gossip: GossipSub }).gossip

let loopback: Loopback
let now = 0
beforeEach(() => {
  now = 0
  loopback = createLoopback({ now: () => now })
})
afterEach(async () => {
  await loopback[Symbol.asyncDispose]()
})

async function join(node: Libp2pNetwork, judge: (text: string) => Verdict = () => 'accept'): Promise<Inbox> {
  const inbox = createInbox()
  await node.subscribe(topic, ({ data }) => judge(new TextDecoder().decode(data)), inbox.listener)
  return inbox
}

/** What `node` thinks of `peer`, reckoned afresh: gossipsub keeps a score for a heartbeat before it looks again. */
function scoreAt(node: Libp2pNetwork, peer: Libp2pNetwork): number {
  const { score } = routerOf(node) as unknown as { score: { scoreCache: Map<string, unknown> } }
  score.scoreCache.clear()
  return topicScores(routerOf(node)).of(peer.self)
}

/** a – b – c: what c hears of a, b has relayed. */
async function line(judgeOfB?: (text: string) => Verdict) {
  const [a, b, c] = [await loopback.start(), await loopback.start(), await loopback.start()]
  const inboxes = { a: await join(a), b: await join(b, judgeOfB), c: await join(c) }
  await loopback.connect(a, b)
  await loopback.connect(c, b)
  for (const [node, peer] of [
    [a, b],
    [b, a],
    [b, c],
    [c, b],
  ] as const)
    await node.waitForTopicPeer(topic, peer.self, testSignal())
  return { a, b, c, inboxes }
}

test('a relayed message arrives under its author’s name', async () => {
  const { a, c, inboxes } = await line()
  await a.publish(topic, bytes('hello'))
  await inboxes.c.until(() => inboxes.c.messages.length === 1)
  expect(inboxes.c.messages[0]!.author).toBe(a.self)
  expect(c.connectedPeers()).not.toContain(a.self)
  expect(inboxes.a.messages).toEqual([])
})

test('a message in another’s name is dropped, and its sender scored down', async () => {
  const { a, b, c, inboxes } = await line()
  const configOf = (node: Libp2pNetwork) =>
    (routerOf(node) as unknown as { publishConfig: { author: unknown; key: unknown } }).publishConfig
  const { author, key } = configOf(a)
  Object.assign(configOf(a), { author: configOf(c).author, key: configOf(c).key })
  await a.publish(topic, bytes('forged'))
  Object.assign(configOf(a), { author, key })
  await a.publish(topic, bytes('mine'))
  await inboxes.b.until(() => inboxes.b.texts().includes('mine'))
  expect(inboxes.b.texts()).toEqual(['mine'])
  expect(scoreAt(b, a)).toBeLessThan(0)
})

test('what the judge ignores is neither delivered nor relayed, and blames nobody', async () => {
  const { a, b, inboxes } = await line((text) => (text === 'old' ? 'ignore' : 'accept'))
  await a.publish(topic, bytes('old'))
  await a.publish(topic, bytes('new'))
  await inboxes.c.until(() => inboxes.c.messages.length > 0)
  await inboxes.b.until(() => inboxes.b.messages.length > 0)
  expect(inboxes.b.texts()).toEqual(['new'])
  expect(inboxes.c.texts()).toEqual(['new'])
  expect(scoreAt(b, a)).toBe(0)
})

test('a peer whose messages are rejected is soon not read any more', async () => {
  const { promise: rejectedSome, resolve } = Promise.withResolvers<void>()
  let rejected = 0
  const { a, b, c, inboxes } = await line((text) => {
    if (text !== 'bad') return 'accept'
    if (++rejected === 5) resolve()
    return 'reject'
  })
  for (let sent = 0; sent < 20; sent++) await a.publish(topic, bytes('bad'))
  await rejectedSome
  // gossipsub trusts a peer for a second, or 128 messages, before it looks at its score again.
  for (let beat = 0; beat < 3; beat++)
    await new Promise((next) => routerOf(b).addEventListener('gossipsub:heartbeat', next, { once: true }))
  expect(scoreAt(b, a)).toBeLessThan(-80)
  await a.publish(topic, bytes('unheard'))
  await c.publish(topic, bytes('again c'))
  await inboxes.b.until(() => inboxes.b.texts().includes('again c'))
  expect(inboxes.b.texts()).not.toContain('unheard')
  expect(inboxes.c.texts()).not.toContain('bad')
})

test('a judge that throws is our fault: reported, the message ignored', async () => {
  const { a, b, inboxes } = await line((text) => {
    if (text === 'trap') throw new Error('bug')
    return 'accept'
  })
  await a.publish(topic, bytes('trap'))
  await a.publish(topic, bytes('fine'))
  await inboxes.b.until(() => inboxes.b.messages.length > 0)
  expect(inboxes.b.texts()).toEqual(['fine'])
  expect(loopback.faults).toHaveLength(1)
  expect(scoreAt(b, a)).toBe(0)
})

test('an oversize message is refused when published, and rejected when received', async () => {
  const { a, b, inboxes } = await line()
  const long = new Uint8Array(networkLimits.gossipBytes + 1)
  await expect(a.publish(topic, long)).rejects.toMatchObject({ code: 'GOSSIP_TOO_LONG' })
  await routerOf(a).publish(topic, long)
  await a.publish(topic, new Uint8Array(networkLimits.gossipBytes))
  await inboxes.b.until(() => inboxes.b.messages.length > 0)
  expect(inboxes.b.messages.map(({ data }) => data.length)).toEqual([networkLimits.gossipBytes])
  expect(scoreAt(b, a)).toBeLessThan(0)
})

test('publishing to nobody is not an error; to a topic not joined it is', async () => {
  const node = await loopback.start()
  await join(node)
  await node.publish(topic, bytes('anyone?'))
  await expect(node.publish('/murmur/1/other', bytes('x'))).rejects.toMatchObject({
    code: 'TOPIC_NOT_JOINED',
  })
  await expect(join(node)).rejects.toMatchObject({ code: 'TOPIC_JOINED' })
  node.unsubscribe(topic)
  await expect(node.publish(topic, bytes('x'))).rejects.toMatchObject({ code: 'TOPIC_NOT_JOINED' })
})

test('a flood by one author is cut to its bound, while another is still heard', async () => {
  const { a, c, inboxes } = await line()
  const { authorBurstMessages: burst, authorMessagesPerSecond: perSecond } = networkLimits
  const fromA = (): number => inboxes.b.messages.filter(({ author }) => author === a.self).length
  for (let sent = 0; sent < 2 * burst; sent++) await a.publish(topic, bytes(`flood ${sent}`))
  await c.publish(topic, bytes('still here'))
  await inboxes.b.until(() => inboxes.b.texts().includes('still here') && fromA() >= burst)
  expect(fromA()).toBe(burst)
  now += 1000
  for (let sent = 0; sent < 2 * perSecond; sent++) await a.publish(topic, bytes(`more ${sent}`))
  await c.publish(topic, bytes('and here'))
  await inboxes.b.until(() => inboxes.b.texts().includes('and here') && fromA() >= burst + perSecond)
  expect(fromA()).toBe(burst + perSecond)
})

test('five nodes that know only the head hear each other', async () => {
  const head = await loopback.start()
  const workers = await Promise.all([1, 2, 3, 4].map(() => loopback.start({ listen: [] })))
  const inboxes = await Promise.all([head, ...workers].map((node) => join(node)))
  for (const worker of workers) {
    await loopback.connect(worker, head)
    await head.waitForTopicPeer(topic, worker.self, testSignal())
    await worker.waitForTopicPeer(topic, head.self, testSignal())
  }
  for (const node of [head, ...workers]) await node.publish(topic, bytes(node.self))
  await Promise.all(inboxes.map((inbox) => inbox.until(() => inbox.messages.length === 4)))
  for (const inbox of inboxes)
    expect(inbox.messages.every(({ author, data }) => author === new TextDecoder().decode(data))).toBe(true)
})
