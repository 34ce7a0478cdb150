import fc from 'fast-check'
import protobuf from 'protobufjs'
import { describe, expect, test } from 'vitest'
import { isMurmurError } from './errors.ts'
import { aRun, cidOf, hashOf, peer } from './fixtures/names.ts'
import type { Hash } from './ids.ts'
import {
  maxGossipBytes,
  maxHeads,
  maxMembers,
  maxPeersTold,
  maxStepsPerRound,
  maxTraceLeaves,
} from './limits.ts'
import { decode, encode, type Gossip, type MessageName, type MessageOf } from './wire.ts'

const uint32 = fc.integer({ min: 0, max: 0xffffffff })
const text = (maxLength: number) => fc.string({ unit: 'grapheme-ascii', maxLength })
// What a protobuf `float` can carry, so that a round trip can be compared exactly.
const float = fc.float({ noNaN: true, noDefaultInfinity: true }).map((value) => value + 0)
const bytes = (maxLength: number) => fc.uint8Array({ maxLength })
const hash = fc
  .uint8Array({ minLength: 32, maxLength: 32 })
  .map((value): Hash => `0x${Buffer.from(value).toString('hex')}`)
const cid = fc.string({ maxLength: 8 }).map(cidOf)
const cidOrNull = fc.option(cid)
const worker = fc.integer({ min: 0, max: 255 }).map(peer)
const slots = fc.array(fc.record({ worker, steps: fc.integer({ min: 1, max: maxStepsPerRound }) }), {
  maxLength: maxMembers,
})
const trace = fc.array(hash, { maxLength: maxTraceLeaves })
const tokens = fc.integer({ min: 1, max: 2 ** 31 - 1 })
const address = fc
  .uint8Array({ minLength: 20, maxLength: 20 })
  .map((value) => `0x${Buffer.from(value).toString('hex')}`)
const addresses = fc.array(text(256), { maxLength: 8 })
const measured = float.map(Math.abs)
const bytesNumber = fc.maxSafeNat()
const node = fc.record({
  devices: fc.array(
    fc.record({
      kind: fc.constantFrom('cpu' as const, 'cuda' as const, 'webgpu' as const),
      name: text(128),
      memoryBytes: bytesNumber,
      tokensPerSecond: measured,
    }),
    { maxLength: 16 },
  ),
  cores: uint32,
  memoryBytes: bytesNumber,
  diskBytes: bytesNumber,
  upBytesPerSecond: measured,
  downBytesPerSecond: measured,
  roundTripMs: measured,
  labels: fc.array(
    fc.record({ key: fc.constantFrom('region', 'asn', 'example.org/rack-1'), value: text(63) }),
    {
      maxLength: 16,
    },
  ),
})
const incarnation = fc.uint8Array({ minLength: 16, maxLength: 16 })
const heads = fc.array(fc.record({ id: worker, addresses }), { maxLength: maxHeads })
const kind = <K extends string>(value: K) => fc.constant(value)

const gossip: fc.Arbitrary<Gossip> = fc.record({
  run: fc.constant(aRun),
  term: uint32,
  body: fc.oneof(
    fc.record({ kind: kind('roundOpen'), round: uint32, stateRoot: hash, parent: cidOrNull, slots }),
    fc.record({ kind: kind('large'), cid, bytes: uint32 }),
    fc.record({
      kind: kind('revealOpen'),
      round: uint32,
      commits: fc.array(fc.record({ worker, hash }), { maxLength: maxMembers }),
    }),
    fc.record({ kind: kind('manifest'), signedManifest: bytes(200) }),
    fc.record({ kind: kind('runEnd'), rounds: uint32, reason: text(256), newest: cidOrNull }),
    fc.record({ kind: kind('commit'), round: uint32, hash }),
    fc.record({
      kind: kind('reveal'),
      round: uint32,
      contribution: cid,
      contributionBytes: uint32,
      trace,
      salt: hash,
      tokens,
      lossNats: float,
    }),
    fc.record({ kind: kind('stateRoot'), round: uint32, root: hash, checkpoint: cidOrNull }),
  ),
})
const roundManifest: fc.Arbitrary<MessageOf<'RoundManifest'>> = fc.record({
  run: fc.constant(aRun),
  term: uint32,
  round: uint32,
  epoch: uint32,
  parent: cidOrNull,
  baseRoot: hash,
  stateRoot: hash,
  entries: fc.array(
    fc.record({ worker, contribution: cid, contributionBytes: uint32, tokens, trace, lossNats: float }),
    { maxLength: 4 },
  ),
  refused: fc.array(fc.record({ worker, code: text(64) }), { maxLength: maxMembers }),
  closesEpoch: fc.boolean(),
  checkpoint: cidOrNull,
  slots,
  average: fc.option(fc.record({ cid, bytes: uint32 })),
})
const signedManifest: fc.Arbitrary<MessageOf<'SignedManifest'>> = fc.record({
  manifest: bytes(200),
  signer: worker,
  signature: fc.uint8Array({ minLength: 64, maxLength: 64 }),
})
const headRequest: fc.Arbitrary<MessageOf<'HeadRequest'>> = fc.record({
  body: fc.oneof(
    fc.record({
      kind: kind('join'),
      agent: text(128),
      engineClass: text(256),
      addresses,
      payout: fc.oneof(fc.constant(''), address),
      payoutBinding: bytes(65),
      token: text(256),
      incarnation,
      protocolMin: uint32,
      protocolMax: uint32,
      node: fc.option(node),
    }),
    fc.record({
      kind: kind('heartbeat'),
      run: text(70),
      phase: text(32),
      round: uint32,
      step: uint32,
      lossNats: float,
      tokensPerSecond: measured,
      utilization: fc.float({ min: 0, max: 1, noNaN: true }).map(Math.fround),
      sentBytes: fc.maxSafeNat(),
      receivedBytes: fc.maxSafeNat(),
      outstanding: bytes(200),
      error: text(1024),
      term: uint32,
      newest: cidOrNull,
      draining: fc.boolean(),
      node: fc.option(node),
    }),
    fc.record({ kind: kind('leave'), reason: text(256) }),
    fc.record({
      kind: kind('append'),
      term: uint32,
      from: bytesNumber,
      records: fc.array(bytes(40), { maxLength: 20 }),
      reset: fc.boolean(),
    }),
    fc.record({
      kind: kind('follow'),
      token: text(256),
      addresses,
      next: bytesNumber,
      term: uint32,
      incarnation,
      chain: hash,
    }),
  ),
})
const headReply: fc.Arbitrary<MessageOf<'HeadReply'>> = fc.record({
  body: fc.oneof(
    fc.record({ kind: kind('welcome'), name: text(64), heartbeatMs: uint32, heads, protocol: uint32 }),
    fc.record({ kind: kind('appended'), term: uint32, next: bytesNumber, index: uint32, heads }),
    fc.record({
      kind: kind('beat'),
      assignment: fc.option(
        fc.record({
          run: fc.constant(aRun),
          term: uint32,
          peers: fc.array(fc.record({ id: worker, addresses }), { maxLength: maxPeersTold }),
          newestManifest: cidOrNull,
          payoutTree: cidOrNull,
          escrow: fc.option(
            fc.record({ rpcUrl: text(512), chainId: uint32, escrow: address, token: address, run: hash }),
          ),
          ended: fc.boolean(),
        }),
      ),
      announcement: bytes(200),
      heads,
      drain: fc.boolean(),
      stay: fc.boolean(),
    }),
  ),
})

const messages = [
  ['Gossip', gossip],
  ['RoundManifest', roundManifest],
  ['SignedManifest', signedManifest],
  ['HeadRequest', headRequest],
  ['HeadReply', headReply],
] as const satisfies readonly (readonly [MessageName, fc.Arbitrary<unknown>])[]

const unbounded = 2 ** 31
/** Bytes as hex, so that a Buffer equals a Uint8Array. */
function plain(value: unknown): unknown {
  if (value instanceof Uint8Array) return Buffer.from(value).toString('hex')
  if (Array.isArray(value)) return value.map(plain)
  if (typeof value !== 'object' || value === null) return value
  return Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, plain(inner)]))
}

/** Decoding bytes from outside either gives a message within its bounds or a coded refusal; never anything else. */
function decodesOrRefuses(name: MessageName, data: Uint8Array): void {
  try {
    const message = decode(name, data, maxGossipBytes)
    decode(name, encode(name, message), unbounded)
  } catch (error) {
    if (!isMurmurError(error, 'MESSAGE_MALFORMED') && !isMurmurError(error, 'MESSAGE_TOO_LONG')) throw error
    expect(error.verdict).toBe('reject')
    expect(error.message.length).toBeLessThan(400)
  }
}

describe.each(messages)('%s', (name, arbitrary: fc.Arbitrary<MessageOf<typeof name>>) => {
  test('round trip', () => {
    fc.assert(
      fc.property(arbitrary, (message) => {
        expect(plain(decode(name, encode(name, message), unbounded))).toEqual(plain(message))
      }),
      { numRuns: 60 },
    )
  })

  test('truncated at every place', () => {
    const [message] = fc.sample(arbitrary, { numRuns: 1, seed: 7 })
    const data = encode(name, message!)
    for (let length = 0; length < Math.min(data.length, 400); length++) {
      decodesOrRefuses(name, data.subarray(0, length))
    }
  })

  test('mutated and random bytes', () => {
    const mutation = fc.array(fc.tuple(fc.nat(), fc.integer({ min: 0, max: 255 })), {
      minLength: 1,
      maxLength: 6,
    })
    fc.assert(
      fc.property(arbitrary, mutation, (message, changes) => {
        const data = encode(name, message)
        for (const [at, value] of changes) if (data.length > 0) data[at % data.length] = value
        decodesOrRefuses(name, data)
      }),
      { numRuns: 150 },
    )
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 300 }), (data) => decodesOrRefuses(name, data)),
      { numRuns: 150 },
    )
  })

  test('a field of a later version is passed over', () => {
    const [message] = fc.sample(arbitrary, { numRuns: 1, seed: 11 })
    const later = protobuf.Writer.create()
      .uint32((1000 << 3) | 2)
      .string('from the future')
      .finish()
    const data = Buffer.concat([encode(name, message!), later])
    expect(plain(decode(name, data, unbounded))).toEqual(plain(message))
  })
})

test('a message over its bound is refused before it is read', () => {
  const data = new Uint8Array(maxGossipBytes + 1)
  expect(() => decode('Gossip', data, maxGossipBytes)).toThrow(
    expect.objectContaining({ code: 'MESSAGE_TOO_LONG' }),
  )
})

const malformed = expect.objectContaining({ code: 'MESSAGE_MALFORMED', verdict: 'reject' })

/** Encodes with protobuf alone, which knows no bounds: what other software could send. */
const proto = protobuf.loadSync(new URL('./messages.proto', import.meta.url).pathname)
function raw(name: MessageName, fields: Record<string, unknown>): Uint8Array {
  const type = proto.lookupType(`murmur.v1.${name}`)
  return type.encode(type.fromObject(fields)).finish()
}

const word = Buffer.alloc(32, 1)
const reveal = {
  round: 1,
  contribution: Buffer.from([1, 0x55, 0x12, 32, ...word]),
  contributionBytes: 10,
  trace: [word],
  salt: word,
  tokens: 16,
  lossNats: 1,
}
const withReveal = (change: Record<string, unknown>) =>
  raw('Gossip', { run: aRun, term: 1, reveal: { ...reveal, ...change } })

test('a reveal within all bounds decodes', () => {
  expect(decode('Gossip', withReveal({}), maxGossipBytes).body).toMatchObject({ kind: 'reveal', tokens: 16 })
})

test.each([
  ['no tokens', { tokens: 0 }],
  ['too many tokens', { tokens: 2 ** 31 }],
  ['a loss that is not a number', { lossNats: Number.NaN }],
  ['an infinite loss', { lossNats: Number.NEGATIVE_INFINITY }],
  ['too many trace leaves', { trace: Array(maxTraceLeaves + 1).fill(word) }],
  ['a short trace leaf', { trace: [word.subarray(1)] }],
  ['a long salt', { salt: Buffer.alloc(33) }],
  ['no contribution', { contribution: Buffer.alloc(0) }],
  ['a contribution that is no CID', { contribution: Buffer.alloc(36, 7) }],
  ['a CID of version 0', { contribution: Buffer.from([0x12, 32, ...word]) }],
  ['a CID by the identity hash', { contribution: Buffer.from([1, 0x55, 0, 32, ...word]) }],
  ['a CID of an unknown codec', { contribution: Buffer.from([1, 0x7b, 0x12, 32, ...word]) }],
])('a reveal with %s is malformed', (_, change) => {
  expect(() => decode('Gossip', withReveal(change), maxGossipBytes)).toThrow(malformed)
})

const opening = (slot: unknown) => ({ roundOpen: { round: 0, stateRoot: word, slots: [slot] } })

test.each([
  ['no body', {}],
  ['another run id', { run: '../../etc/passwd', commit: { round: 1, hash: word } }],
  ['a run called __proto__', { run: '__proto__', commit: { round: 1, hash: word } }],
  [
    'too many slots',
    { roundOpen: { round: 0, stateRoot: word, slots: Array(1025).fill({ worker: peer(1), steps: 1 }) } },
  ],
  ['a slot for __proto__', opening({ worker: '__proto__', steps: 1 })],
  ['a slot of no steps', opening({ worker: peer(1), steps: 0 })],
  ['a slot of too many steps', opening({ worker: peer(1), steps: 65_536 })],
  ['a block that is no CID', { large: { cid: Buffer.alloc(36, 7), bytes: 1 } }],
  ['a block without a CID', { large: { bytes: 1 } }],
  [
    'a member called constructor',
    { revealOpen: { round: 0, commits: [{ worker: 'constructor', hash: word }] } },
  ],
  ['a long reason', { runEnd: { rounds: 1, reason: 'x'.repeat(257) } }],
])('gossip with %s is malformed', (_, fields) => {
  const data = raw('Gossip', { run: aRun, term: 1, ...fields })
  expect(() => decode('Gossip', data, unbounded)).toThrow(malformed)
  expect(Object.getPrototypeOf({})).toBe(Object.prototype)
})

const join = { agent: 'murmur', engineClass: 'ort-cpu', incarnation: Buffer.alloc(16, 1) }
const withNode = (node: unknown) => ({ join: { ...join, node } })
const device = (change: Record<string, unknown>) => withNode({ devices: [{ kind: 'cpu', ...change }] })
const labelled = (key: string, value: string) => withNode({ labels: [{ key, value }] })

test.each([
  ['nothing of its host', { join }],
  ['letters of any script', { join: { ...join, agent: 'стая 群れ 🐦' } }],
  ['a label', labelled('example.org/rack-1', 'Zürich 2')],
])('a join that tells %s decodes', (_, fields) => {
  expect(decode('HeadRequest', raw('HeadRequest', fields), maxGossipBytes).body.kind).toBe('join')
})

test.each([
  ['no incarnation', { join: { ...join, incarnation: Buffer.alloc(0) } }],
  ['a short incarnation', { join: { ...join, incarnation: Buffer.alloc(15) } }],
  ['a long incarnation', { join: { ...join, incarnation: Buffer.alloc(17) } }],
  ['colours in its agent', { join: { ...join, agent: '\u001b[31mred' } }],
  ['a line break in its engine class', { join: { ...join, engineClass: 'a\nb' } }],
  ['text turned around in a label', labelled('region', 'eu\u202emoc')],
  ['an isolate in a label', labelled('region', '\u2066eu')],
  ['a line separator in a label', labelled('region', 'eu\u2028west')],
  ['a zero-width space in a label', labelled('region', 'eu\u200b')],
  ['a control character in a label', labelled('region', 'eu\u0007')],
  ['a long label', labelled('region', 'x'.repeat(64))],
  ['a label called __proto__', labelled('__proto__', 'x')],
  ['a label without a key', labelled('', 'x')],
  ['seventeen labels', withNode({ labels: Array(17).fill({ key: 'k', value: 'v' }) })],
  ['seventeen devices', withNode({ devices: Array(17).fill({ kind: 'cpu' }) })],
  ['a device of an unknown kind', device({ kind: 'abacus' })],
  ['bidi in a device’s name', device({ name: 'GPU\u202e' })],
  ['a device of negative speed', device({ tokensPerSecond: -1 })],
  ['a device of infinite speed', device({ tokensPerSecond: Number.POSITIVE_INFINITY })],
  ['a speed that is no number', withNode({ upBytesPerSecond: Number.NaN })],
])('a join with %s is malformed', (_, fields) => {
  expect(() => decode('HeadRequest', raw('HeadRequest', fields), maxGossipBytes)).toThrow(malformed)
})

test.each([
  ['colours in the error', { heartbeat: { error: '\u001b[2J' } }],
  ['a negative speed', { heartbeat: { tokensPerSecond: -1 } }],
  ['more time computed than there was', { heartbeat: { utilization: 1.5 } }],
  ['a newest manifest that is no CID', { heartbeat: { newest: Buffer.from([1, 2, 3]) } }],
  ['a line break in the reason', { leave: { reason: 'a\nb' } }],
  ['a sequence number beyond 2⁵³', { append: { term: 8, from: '9007199254740993' } }],
  ['too many records', { append: { term: 8, from: 0, records: Array(4097).fill(Buffer.alloc(0)) } }],
  ['a chain that is no hash', { follow: { incarnation: Buffer.alloc(16), chain: Buffer.alloc(31) } }],
  ['no incarnation of a standby', { follow: { chain: word } }],
])('a request with %s is malformed', (_, fields) => {
  expect(() => decode('HeadRequest', raw('HeadRequest', fields), maxGossipBytes)).toThrow(malformed)
})

const peers = (count: number) => Array.from({ length: count }, (_, index) => ({ id: peer(index) }))

test.each([
  ['nine heads', { welcome: { name: 'a', heads: peers(maxHeads + 1) } }],
  ['nine heads in a beat', { beat: { heads: peers(maxHeads + 1) } }],
  ['nine heads for a standby', { appended: { heads: peers(maxHeads + 1) } }],
  ['a head that is no peer', { welcome: { name: 'a', heads: [{ id: 'me' }] } }],
  ['nine addresses of a head', { beat: { heads: [{ id: peer(1), addresses: Array(9).fill('/ip4/1') }] } }],
  ['65 peers', { beat: { assignment: { run: aRun, peers: peers(maxPeersTold + 1) } } }],
  ['colours in its name', { welcome: { name: '\u001b[31m' } }],
])('a reply with %s is malformed', (_, fields) => {
  expect(() => decode('HeadReply', raw('HeadReply', fields), maxGossipBytes)).toThrow(malformed)
})

test('text called __proto__ stays text', () => {
  const data = raw('HeadRequest', {
    join: { ...join, agent: '__proto__', engineClass: 'constructor', token: 'toString' },
  })
  const { body } = decode('HeadRequest', data, maxGossipBytes)
  expect(body).toMatchObject({ agent: '__proto__', engineClass: 'constructor', token: 'toString' })
})

test('encode refuses what decode would refuse', () => {
  const commit = (hash: Hash): Gossip => ({ run: aRun, term: 1, body: { kind: 'commit', round: 1, hash } })
  expect(() => encode('Gossip', commit('0x12'))).toThrow()
  expect(() => encode('Gossip', { ...commit(hashOf('x')), term: -1 })).toThrow()
  const loss = {
    kind: 'reveal',
    ...{ round: 1, contribution: cidOf('c'), contributionBytes: 1, trace: [] },
  } as const
  const body = { ...loss, salt: hashOf('s'), tokens: 1, lossNats: 1e39 }
  expect(() => encode('Gossip', { run: aRun, term: 1, body })).toThrow()
})
