import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import fc from 'fast-check'
import { afterAll, beforeAll, expect, test, vi } from 'vitest'
import { type ApiClient, connectApi } from '../cli/api-client.ts'
import { type HeadProcess, startHead } from '../cli/head-process.ts'
import { headToken } from '../cli/home.ts'
import { prepareRun, submitRun } from '../cli/submit.ts'
import { Journal } from '../coordinator/journal/journal.ts'
import { maxClusterMembers } from '../coordinator/members.ts'
import { networkLimits } from '../network/limits.ts'
import { createLoopback, testSignal } from '../network/loopback.ts'
import type { MurmurError } from '../protocol/errors.ts'
import { aRun, cidOf, hashOf, peer } from '../protocol/fixtures/names.ts'
import { type Hash, type RunId, type WorkerId, workerId } from '../protocol/ids.ts'
import { maxGossipBytes, maxHeads } from '../protocol/limits.ts'
import type { RunReport } from '../protocol/report.ts'
import { topicOf } from '../protocol/topic.ts'
import { encode, type GossipBody, type HeadRequest, type NodeOffer } from '../protocol/wire.ts'
import {
  appendBody,
  encodeUnchecked,
  followBody,
  HandPeer,
  heartbeatBody,
  joinBody,
} from './fixtures/hand-peer.ts'
import { mutated, mutation } from './fixtures/mutations.ts'
import { watchedOf } from './fixtures/watched-network.ts'
import { tinyRunFile } from './tiny-run.ts'
import { until } from './until.ts'

vi.mock('../network/node.ts', async (importOriginal) => {
  const { watching } = await import('./fixtures/watched-network.ts')
  return watching(await importOriginal())
})

/*
 * A real head that leads a run, over libp2p. Two workers hold the slots of its first round, which waits for them for the
 * whole test: so whatever else is said to the head must leave the run exactly as it is.
 */
const token = 'swordfish'
const seed = 20_261_122
/** Cases a peer: fewer than it may ask at once. */
const cases = 40
const loopback = createLoopback({ now: () => Date.now() })
let home: string
let head: HeadProcess
let api: ApiClient
let run: RunId
let honest: HandPeer
/** Joined and a member of the run, but without a place in its round: it has nothing to say. */
let idle: HandPeer
let logged = ''
/** What is written to the head's log: what is refused never is. */
let journaled = 0
const { append } = Journal.prototype
vi.spyOn(Journal.prototype, 'append').mockImplementation(function (this: Journal, record) {
  journaled++
  return append.call(this, record)
})
let before: Awaited<ReturnType<typeof standing>>

const headId = () => workerId(head.ready.addresses[0]!.split('/p2p/')[1]!)

async function stranger(): Promise<HandPeer> {
  const node = await loopback.start({ listen: [] })
  await node.dial(head.ready.addresses[0]!, testSignal())
  return new HandPeer(node, headId())
}

async function member(): Promise<HandPeer> {
  const joined = await stranger()
  await joined.ask(joinBody({ token }))
  joined.run = run
  return joined
}

/** What of the run and of the head nobody may change by a message that is refused. */
async function standing() {
  const { phase, round, roundsTotal, error, rounds, epochs, checkpoints, pending, workers } =
    (await api.report(run)) as RunReport
  const { term, heads } = await api.status()
  return {
    run: { phase, round, roundsTotal, error, rounds, epochs, checkpoints, pending },
    workers: workers.map(({ id, status, tokens, verifiedTokens }) => [id, status, tokens, verifiedTokens]),
    cluster: { term, heads },
    journaled,
  }
}

/** The head lives, the run is as it was, and an honest worker is answered. */
async function expectUntouched(): Promise<void> {
  expect(await standing()).toEqual(before)
  const { assignment, announcement } = await honest.beat({ run, phase: 'training' })
  expect(assignment).toMatchObject({ run, term: before.cluster.term, ended: false })
  expect(announcement.length).toBeGreaterThan(0)
  expect(logged).not.toMatch(/NETWORK_FAULT|HEAD_FAILED|HEAD_DEPOSED|INTERNAL/)
}

beforeAll(async () => {
  vi.spyOn(process.stderr, 'write').mockImplementation((text) => {
    logged += String(text)
    return true
  })
  home = await mkdtemp(path.join(tmpdir(), 'murmur-fuzz-'))
  head = await startHead({
    ...{ home, listen: ['/ip4/127.0.0.1/tcp/0'], apiPort: 0, token, devnet: false, chain: null },
  })
  api = await connectApi(home)
  const file = await tinyRunFile(home, {
    workers: { min: 2, max: 3 },
    timing: { trainTimeoutMs: 3_600_000 },
  })
  const prepared = await prepareRun(file, 'fuzz')
  run = prepared.run
  await submitRun(api, prepared)
  const workers = [await member(), await member()]
  honest = workers[0]!
  await until('the round to open', 30_000, async () => {
    for (const worker of workers) await worker.beat({ run, phase: 'ready' })
    return (await api.report(run))?.phase === 'train'
  })
  idle = await member()
  await until('a third member', 30_000, async () => {
    await idle.beat({ run, phase: 'warming' })
    return (await api.report(run))?.workers.length === 3
  })
  await until(
    'the held-out loss',
    30_000,
    async () => (await api.report(run))?.heldOutLossNats.before !== null,
  )
  // Nobody is lost while this test thinks.
  const beating = setInterval(() => {
    for (const worker of [...workers, idle]) worker.beat({ run, phase: 'training' }).catch(() => {})
  }, 2_000)
  endings.push(() => clearInterval(beating))
  before = await standing()
})
const endings: (() => void)[] = []
afterAll(async () => {
  for (const end of endings) end()
  await loopback[Symbol.asyncDispose]()
  await head.stop()
  await rm(home, { recursive: true })
  vi.restoreAllMocks()
})

const all = (name: string) => ({
  seed: seed + [...name].reduce((sum, letter) => sum + letter.charCodeAt(0), 0),
  numRuns: cases,
})

// ---- requests ---------------------------------------------------------------------------------------------

const offer: NodeOffer = {
  devices: [{ kind: 'cpu', name: 'x', memoryBytes: 1, tokensPerSecond: 1 }],
  ...{ cores: 1, memoryBytes: 1, diskBytes: 1, upBytesPerSecond: 1, downBytesPerSecond: 1, roundTripMs: 1 },
  labels: [{ key: 'region', value: 'eu' }],
}
const guess = 'swordfisH'
const requests: { readonly [Kind in HeadRequest['body']['kind']]: HeadRequest['body'] } = {
  join: joinBody({ token: guess, addresses: ['/ip4/127.0.0.1/tcp/1'], node: offer }),
  heartbeat: heartbeatBody({ run: aRun, term: 8, newest: cidOf('x'), outstanding: new Uint8Array(40) }),
  leave: { kind: 'leave', reason: 'x' },
  append: appendBody({ records: [new Uint8Array(30), new Uint8Array(3)] }),
  follow: followBody({ token: guess, addresses: ['/ip4/127.0.0.1/tcp/1'], next: 3, term: 8 }),
}
/** Everything that a stranger can be told. */
const refusals = [
  'MESSAGE_MALFORMED',
  'JOIN_REFUSED',
  'NOT_JOINED',
  'NOT_THE_LEADER',
  'PROTOCOL_MISMATCH',
  'PAYOUT_BINDING_INVALID',
]

test.each(Object.keys(requests) as HeadRequest['body']['kind'][])(
  '%s of a stranger, broken in any way, is refused by code',
  async (kind) => {
    const node = await stranger()
    const whole = encode('HeadRequest', { body: requests[kind] })
    await fc.assert(
      fc.asyncProperty(mutation, async (how) => {
        const code = await node.refusal(mutated(whole, how))
        // To leave where one never was is harmless.
        if (code !== null || kind !== 'leave') expect(refusals).toContain(code)
      }),
      all(kind),
    )
    await expectUntouched()
  },
)

test('numbers out of all bounds: negative, past 32 and 53 bits, not finite', async () => {
  const node = await stranger()
  await node.ask(joinBody({ token }))
  const beat = encode('HeadRequest', { body: heartbeatBody() })
  const inner = beat.subarray(2)
  const varints = [
    [0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01],
    [0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f],
    [0x80, 0x80, 0x80, 0x80, 0x10],
  ]
  const fields = [3, 4, 7, 8, 11].flatMap((field) => varints.map((varint) => [field << 3, ...varint]))
  const floats = [5, 6].flatMap((field) =>
    [0x7fc00000, 0x7f800000, 0xff800000].map((bits) => {
      const bytes = Buffer.alloc(5)
      bytes[0] = (field << 3) | 5
      bytes.writeUInt32LE(bits, 1)
      return [...bytes]
    }),
  )
  for (const field of [...fields, ...floats]) {
    const body = Buffer.concat([inner, Uint8Array.from(field)])
    const code = await node.refusal(Buffer.concat([Uint8Array.of(0x12, body.length), body]))
    // A round of 2³² − 1 is one that a worker may say; nobody believes it.
    expect([null, 'MESSAGE_MALFORMED']).toContain(code)
    if (floats.includes(field)) expect(code).toBe('MESSAGE_MALFORMED')
  }
  const told = (await api.status()).nodes.find(({ id }) => id === node.id)
  expect(Number.isFinite(told?.tokensPerSecond)).toBe(true)
  await node.ask({ kind: 'leave', reason: '' })
  // It had the token, so that it was given a place; more than that it has not changed.
  const { journaled: records, workers } = await standing()
  expect(workers.filter(([id]) => id !== node.id)).toEqual(before.workers)
  before = { ...before, journaled: records, workers }
  await expectUntouched()
})

// ---- gossip -----------------------------------------------------------------------------------------------

const rounds = fc.constantFrom(0, 1, 2, 7, 2 ** 31 - 1, 2 ** 31, 2 ** 32 - 1)
const terms = fc.constantFrom(0, 7, 8, 9, 16, 24, 2 ** 31, 2 ** 32 - 8, 2 ** 32 - 1)
const hash = fc.constantFrom<Hash>(hashOf('a'), hashOf('b'), `0x${'00'.repeat(32)}`)
const anyWorker = fc.constantFrom(0, 1, 2).map((who) => [peer(0), honest.id, idle.id][who] as WorkerId)
const cid = fc.constantFrom(cidOf('a'), cidOf('b'))
const cidOrNull = fc.option(cid, { nil: null })
const slots = fc.array(fc.record({ worker: anyWorker, steps: fc.integer({ min: 1, max: 65_535 }) }), {
  maxLength: 3,
})
const bytes = fc.uint8Array({ maxLength: 400 })
const bodies: { readonly [Kind in GossipBody['kind']]: fc.Arbitrary<GossipBody> } = {
  roundOpen: fc.record({
    kind: fc.constant('roundOpen'),
    round: rounds,
    stateRoot: hash,
    parent: cidOrNull,
    slots,
  }),
  revealOpen: fc.record({
    ...{ kind: fc.constant('revealOpen'), round: rounds },
    commits: fc.array(fc.record({ worker: anyWorker, hash }), { maxLength: 3 }),
  }),
  manifest: fc.record({ kind: fc.constant('manifest'), signedManifest: bytes }),
  runEnd: fc.record({ kind: fc.constant('runEnd'), rounds, reason: fc.string(), newest: cidOrNull }),
  large: fc.record({ kind: fc.constant('large'), cid, bytes: rounds }),
  commit: fc.record({ kind: fc.constant('commit'), round: rounds, hash }),
  reveal: fc.record({
    ...{
      kind: fc.constant('reveal'),
      round: rounds,
      contribution: cid,
      contributionBytes: rounds,
      salt: hash,
    },
    ...{ trace: fc.array(hash, { maxLength: 20 }), tokens: fc.integer({ min: 1, max: 2 ** 31 - 1 }) },
    lossNats: fc.float({ noNaN: true, noDefaultInfinity: true }),
  }),
  stateRoot: fc.record({ kind: fc.constant('stateRoot'), round: rounds, root: hash, checkpoint: cidOrNull }),
}
const kinds = Object.keys(bodies) as GossipBody['kind'][]

/** A member of the run without a place in its round: whatever it says is refused. It leaves when the next one comes. */
async function another(): Promise<HandPeer> {
  const { network } = idle
  await idle.ask({ kind: 'leave', reason: '' })
  await network.stop()
  idle = await member()
  await until('a third member', 30_000, async () => {
    await idle.beat({ run, phase: 'warming' })
    return (await api.report(run))?.workers.some(({ id, status }) => id === idle.id && status === 'warming')
  })
  before = await standing()
  return idle
}

test.each(kinds)(
  'a %s of a member that has nothing to say changes nothing, whatever it says',
  async (kind) => {
    const speaker = await another()
    await fc.assert(
      fc.asyncProperty(
        bodies[kind],
        terms,
        fc.boolean(),
        fc.option(mutation),
        async (body, term, right, how) => {
          const whole = encode('Gossip', { run: right ? run : aRun, term, body })
          await speaker.say(how === null ? whole : mutated(whole, how))
        },
      ),
      all(kind),
    )
    await expectUntouched()
  },
)

test('the same over the topic, from strangers: nothing is relayed, the run is untouched', async () => {
  const watched = watchedOf(headId()).network
  const topic = topicOf(run)
  const heard: string[] = []
  await honest.network.subscribe(
    topic,
    () => 'accept',
    ({ author }) => heard.push(author),
  )
  await watched.waitForTopicPeer(topic, honest.id, testSignal())
  for (const kind of kinds) {
    const node = await stranger()
    await node.network.subscribe(
      topic,
      () => 'accept',
      () => {},
    )
    await node.network.waitForTopicPeer(topic, watched.self, testSignal())
    const said = fc.sample(bodies[kind], { seed, numRuns: 3 })
    for (const body of said)
      await node.network.publish(topic, encode('Gossip', { run, term: before.cluster.term, body }))
    await node.network.publish(topic, new Uint8Array(maxGossipBytes).fill(0xff))
    // Rejected where no honest node would have said it; what only a member may say is ignored in a stranger.
    await until(`the head to score the ${kind}`, 20_000, () => watched.scoreOf(node.id) < 0)
  }
  expect(heard).toEqual([])
  honest.network.unsubscribe(topic)
  await expectUntouched()
})

// ---- other heads ------------------------------------------------------------------------------------------

test('nobody is deposed, and no log read or overwritten, by whoever lacks the token or a place among the heads', async () => {
  const outsider = await stranger()
  const worker = await another()
  const terms = [0, 1, 8, 9, 16, 2 ** 20 + 8, 2 ** 32 - 8, 2 ** 32 - 1]
  for (const peer of [outsider, worker]) {
    for (const term of terms) {
      for (const wrong of ['', guess, `${token}\0`, token.repeat(20)])
        expect(await peer.refusal(followBody({ token: wrong, term }))).toBe('JOIN_REFUSED')
      for (const append of [
        appendBody({ term }),
        appendBody({ term, reset: true, records: [new Uint8Array(9)] }),
      ])
        expect(await peer.refusal(append)).toBe('NOT_THE_LEADER')
    }
    // Nobody's answer is a log: Follow and Append are answered to heads alone.
    await peer.network.dial(head.ready.addresses[0]!, testSignal())
  }
  for (const term of terms) {
    const { heads } = await worker.beat({
      run,
      phase: 'warming',
      term,
      newest: cidOf('a history of its own'),
    })
    expect(heads.map(({ id }) => id)).toEqual([headId()])
  }
  await expectUntouched()
})

test('a head that has the token, and claims terms far ahead, deposes nobody and leaves the log alone', async () => {
  const rival = await stranger()
  const secret = await headToken(home)
  expect(await rival.refusal(followBody({ token }))).toBe('JOIN_REFUSED')
  for (const term of [2 ** 21 + 9, 2 ** 32 - 7, 2 ** 32 - 1]) {
    const answer = await rival.ask(followBody({ token: secret, term, next: 2 ** 40 }))
    expect(answer).toMatchObject({ kind: 'appended', term: before.cluster.term })
  }
  // It has a place now: it may lead terms of its own, after this one, and none of the leader's.
  for (const term of [before.cluster.term, before.cluster.term + maxHeads, 2 ** 32 - 8])
    expect(await rival.refusal(appendBody({ term, reset: true, records: [new Uint8Array(9)] }))).toBe(
      'NOT_THE_LEADER',
    )
  expect(await rival.refusal(appendBody({ term: 2 ** 32 - 7 }))).toBe('NOT_THE_LEADER')
  const { cluster, run: after } = await standing()
  expect([cluster.term, after]).toEqual([before.cluster.term, before.run])
  expect(cluster.heads).toHaveLength(2)
  await rival.network.stop()
  before = await standing()
  await expectUntouched()
})

// ---- names ------------------------------------------------------------------------------------------------

/** What a terminal would obey: escapes, a bell, a carriage return, C1, bidi overrides, line separators. */
const nasty = ['\x1b[2J', '\x07', '\rHEAD_READY', '\x9b31m', '\u202egnp.exe', '\u2066x', '\u2028', '\0']
// biome-ignore lint/suspicious/noControlCharactersInRegex: they are what must not be there
const raw = /[\x00-\x09\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]/u

test('names that are code somewhere: refused, or only text; nothing raw reaches a log or an answer', async () => {
  const peers = [await stranger(), await stranger()]
  const [first, second] = peers
  for (const text of nasty) {
    const changes: Partial<ReturnType<typeof joinBody>>[] = [
      { agent: text },
      { engineClass: text },
      { node: { ...offer, labels: [{ key: 'region', value: text }] } },
      { node: { ...offer, devices: [{ ...offer.devices[0]!, name: text }] } },
    ]
    for (const change of changes)
      expect(await first!.refusal(encodeUnchecked(joinBody({ token, ...change })))).toBe('MESSAGE_MALFORMED')
    expect(await second!.refusal(encodeUnchecked(heartbeatBody({ error: text })))).toBe('MESSAGE_MALFORMED')
    expect(await second!.refusal(encodeUnchecked(heartbeatBody({ phase: text })))).toBe('MESSAGE_MALFORMED')
    expect(await second!.refusal(encodeUnchecked({ kind: 'leave', reason: text }))).toBe('MESSAGE_MALFORMED')
    // Addresses and tokens are only ever compared, dialled, and logged as any other text is.
    expect(await second!.refusal(joinBody({ token: text, addresses: [text] }))).toBe('JOIN_REFUSED')
  }
  for (const key of ['__proto__', 'a\u202eb', 'A', ''])
    expect(
      await first!.refusal(
        encodeUnchecked(joinBody({ token, node: { ...offer, labels: [{ key, value: 'x' }] } })),
      ),
    ).toBe('MESSAGE_MALFORMED')
  const names = [
    '__proto__',
    'constructor',
    'hasOwnProperty',
    '<img src=x onerror=alert(1)>',
    '$(reboot)',
    '%s%n',
  ]
  const named = await stranger()
  for (const name of names) {
    const labels = [{ key: 'constructor', value: name }]
    await named.ask(joinBody({ token, agent: name, engineClass: name, node: { ...offer, labels } }))
    await named.beat({ run: `${name}${nasty[0]}`, phase: name.slice(0, 32), error: name })
    const node = (await api.status()).nodes.find(({ id }) => id === named.id)
    expect(node).toMatchObject({ run: null, engineClass: name, phase: name.slice(0, 32), offer: { labels } })
  }
  expect(Object.keys(Object.prototype)).toEqual([])
  await named.ask({ kind: 'leave', reason: '' })
  expect(logged.replaceAll('\n', '')).not.toMatch(raw)
  expect(JSON.stringify([await api.status(), { ...(await api.report(run)), samples: null }])).not.toMatch(raw)
  before = await standing()
  await expectUntouched()
})

test('text that is no UTF-8 is refused, or replaced', async () => {
  const node = await stranger()
  const whole = encode('HeadRequest', { body: joinBody({ token, agent: 'AAAA', engineClass: 'BBBB' }) })
  for (const bad of [
    [0xff, 0xfe, 0xfd, 0xfc],
    [0xc0, 0xaf, 0xc0, 0xaf],
    [0xed, 0xa0, 0x80, 0x41],
    [0xf8, 0x88, 0x80, 0x80],
  ]) {
    const broken = Buffer.from(whole)
    broken.set(bad, broken.indexOf('BBBB'))
    const code = await node.refusal(broken)
    if (code !== null) expect(code).toBe('MESSAGE_MALFORMED')
    const told = (await api.status()).nodes.find(({ id }) => id === node.id)
    if (code === null) expect(told?.engineClass.isWellFormed()).toBe(true)
  }
  before = await standing()
  await expectUntouched()
})

// ---- growth -----------------------------------------------------------------------------------------------

test('thousands of joins and heartbeats, under one name and under ever new ones, are held to their bounds', async () => {
  const { answer, network } = watchedOf(headId())
  const code = (peer: WorkerId, body: HeadRequest['body']) =>
    answer(peer, encode('HeadRequest', { body })).then(
      () => 'OK',
      (error: MurmurError) => error.code,
    )
  const count = (codes: readonly string[], wanted: string) => codes.filter((one) => one === wanted).length
  const burst = networkLimits.askerBurstRequests
  const eager = workerId(`${headId().slice(0, -4)}aaaa`)
  const incarnation = (index: number) => new Uint8Array(16).fill(index % 256).fill(index >> 8, 0, 4)
  const again = await Promise.all(
    Array.from({ length: 2_000 }, (_, index) =>
      code(eager, joinBody({ token, incarnation: incarnation(index) })),
    ),
  )
  expect(count(again, 'OK') + count(again, 'TOO_MANY_REQUESTS')).toBe(2_000)
  expect(count(again, 'OK')).toBeLessThan(4 * burst)
  expect(logged.match(new RegExp(`PEER_NUISANCE ${eager}`, 'g'))).toHaveLength(1)
  const addresses = Array.from({ length: 8 }, () => `/dns4/${'x'.repeat(240)}/tcp/1`)
  const letters = '123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz'
  const fresh = (index: number) =>
    workerId(`${headId().slice(0, -3)}${letters[index % 58]}${letters[Math.floor(index / 58) % 58]}z`)
  const crowd: string[] = []
  for (let index = 0; index < 3_000; index += 50) {
    const wave = Array.from({ length: 50 }, (_, place) => fresh(index + place))
    crowd.push(...(await Promise.all(wave.map((peer) => code(peer, joinBody({ token, addresses }))))))
    await new Promise((next) => setImmediate(next))
  }
  expect(count(crowd, 'OK') + count(crowd, 'CLUSTER_FULL')).toBe(3_000)
  expect(count(crowd, 'CLUSTER_FULL')).toBeGreaterThan(3_000 - maxClusterMembers)
  expect((await api.status()).nodes).toHaveLength(maxClusterMembers)
  expect(network.connectedPeers().length).toBeLessThan(64)
  const { notes } = (await api.report(run))!
  expect(notes.length).toBeLessThanOrEqual(100)
  before = { ...before, workers: (await standing()).workers, journaled: (await standing()).journaled }
  await expectUntouched()
})
