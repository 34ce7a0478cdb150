import fc from 'fast-check'
import protobuf from 'protobufjs'
import { describe, expect, test } from 'vitest'
import { isMurmurError } from './errors.ts'
import { aRun, cidOf, hashOf, peer } from './fixtures/names.ts'
import type { Hash } from './ids.ts'
import { maxGossipBytes, maxMembers, maxTraceLeaves } from './limits.ts'
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
const members = fc.array(worker, { maxLength: maxMembers })
const trace = fc.array(hash, { maxLength: maxTraceLeaves })
const tokens = fc.integer({ min: 1, max: 2 ** 31 - 1 })
const address = fc
  .uint8Array({ minLength: 20, maxLength: 20 })
  .map((value) => `0x${Buffer.from(value).toString('hex')}`)
const addresses = fc.array(text(256), { maxLength: 8 })
const kind = <K extends string>(value: K) => fc.constant(value)

const gossip: fc.Arbitrary<Gossip> = fc.record({
  run: fc.constant(aRun),
  term: uint32,
  body: fc.oneof(
    fc.record({ kind: kind('roundOpen'), round: uint32, stateRoot: hash, parent: cidOrNull, members }),
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
  members,
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
    }),
    fc.record({
      kind: kind('heartbeat'),
      run: text(70),
      phase: text(32),
      round: uint32,
      step: uint32,
      lossNats: float,
      tokensPerSecond: float,
      sentBytes: fc.maxSafeNat(),
      receivedBytes: fc.maxSafeNat(),
      outstanding: bytes(200),
      error: text(1024),
    }),
    fc.record({ kind: kind('leave'), reason: text(256) }),
  ),
})
const headReply: fc.Arbitrary<MessageOf<'HeadReply'>> = fc.record({
  body: fc.oneof(
    fc.record({ kind: kind('welcome'), name: text(64), heartbeatMs: uint32 }),
    fc.record({
      kind: kind('beat'),
      assignment: fc.option(
        fc.record({
          run: fc.constant(aRun),
          term: uint32,
          peers: fc.array(fc.record({ id: worker, addresses }), { maxLength: maxMembers + 1 }),
          newestManifest: cidOrNull,
          payoutTree: cidOrNull,
          escrow: fc.option(
            fc.record({ rpcUrl: text(512), chainId: uint32, escrow: address, token: address, run: hash }),
          ),
          ended: fc.boolean(),
        }),
      ),
      announcement: bytes(200),
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

test.each([
  ['no body', {}],
  ['another run id', { run: '../../etc/passwd', commit: { round: 1, hash: word } }],
  ['a run called __proto__', { run: '__proto__', commit: { round: 1, hash: word } }],
  [
    'too many members',
    { roundOpen: { round: 0, stateRoot: word, members: Array(maxMembers + 1).fill(peer(1)) } },
  ],
  ['a member called __proto__', { roundOpen: { round: 0, stateRoot: word, members: ['__proto__'] } }],
  [
    'a member called constructor',
    { revealOpen: { round: 0, commits: [{ worker: 'constructor', hash: word }] } },
  ],
  ['a long reason', { runEnd: { rounds: 1, reason: 'x'.repeat(257) } }],
])('gossip with %s is malformed', (_, fields) => {
  const data = raw('Gossip', { run: aRun, term: 1, ...fields })
  expect(() => decode('Gossip', data, maxGossipBytes)).toThrow(malformed)
  expect(Object.getPrototypeOf({})).toBe(Object.prototype)
})

test('text called __proto__ stays text', () => {
  const data = raw('HeadRequest', {
    join: { agent: '__proto__', engineClass: 'constructor', token: 'toString' },
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
