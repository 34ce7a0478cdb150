import { readFileSync } from 'node:fs'
import { CID } from 'multiformats/cid'
import protobuf from 'protobufjs'
import { z } from 'zod'
import { parseCid } from './content-id.ts'
import { MurmurError } from './errors.ts'
import type { CidText, Hash, RunId, WorkerId } from './ids.ts'
import {
  maxHeads,
  maxMembers,
  maxPeersTold,
  maxStepsPerRound,
  maxTokensPerRound,
  maxTraceLeaves,
} from './limits.ts'

/** The schema of docs/protocol.md, read once. */
const root = protobuf.parse(readFileSync(new URL('./messages.proto', import.meta.url), 'utf8')).root

// ---- fields: wire form on the left, the product's own types on the right ------------------------------------

const bytes = z.custom<Uint8Array>((value) => value instanceof Uint8Array, 'not bytes')
const text = (max: number) => z.string().max(max)
const uint32 = z.int().min(0).max(0xffffffff)
/** A finite number that is one as an f32 too. */
const largestFloat = (2 - 2 ** -23) * 2 ** 127
const finite = z.number().min(-largestFloat).max(largestFloat)

const hash = z.codec(
  bytes.refine((b) => b.length === 32, 'not 32 bytes'),
  z.custom<Hash>(),
  {
    decode: (value) => `0x${Buffer.from(value).toString('hex')}` as Hash,
    encode: (value) => Buffer.from(value.slice(2), 'hex'),
  },
)

const cidOrNull = z.codec(
  bytes.refine((b) => b.length <= 64, 'longer than a CID'),
  z.custom<CidText | null>(),
  {
    decode: (value, context) => {
      if (value.length === 0) return null
      try {
        return parseCid(CID.decode(value).toString())
      } catch {
        context.issues.push({ code: 'custom', message: 'not a CID', input: value })
        return z.NEVER
      }
    },
    encode: (value) => (value === null ? new Uint8Array() : CID.parse(value).bytes),
  },
)

const cid = cidOrNull.pipe(z.custom<CidText>((value) => value !== null, 'missing CID'))

const peer = z
  .string()
  .regex(/^[1-9A-HJ-NP-Za-km-z]{40,64}$/, 'not a peer id')
  .pipe(z.custom<WorkerId>())
const run = z
  .string()
  .regex(/^[a-z2-7]{50,70}$/, 'not a run id')
  .pipe(z.custom<RunId>())
const addressList = z.array(text(256)).max(8)
const slots = z.array(z.object({ worker: peer, steps: z.int().min(1).max(maxStepsPerRound) })).max(maxMembers)
const trace = z.array(hash).max(maxTraceLeaves)

const commitEntry = z.object({ worker: peer, hash })
const manifestEntry = z.object({
  worker: peer,
  contribution: cid,
  contributionBytes: uint32,
  tokens: z.int().min(1).max(maxTokensPerRound),
  trace,
  lossNats: finite,
})
const refusal = z.object({ worker: peer, code: text(64) })

// ---- messages ---------------------------------------------------------------------------------------------

const roundOpen = z.object({ round: uint32, stateRoot: hash, parent: cidOrNull, slots })
const revealOpen = z.object({ round: uint32, commits: z.array(commitEntry).max(maxMembers) })
const manifestPublished = z.object({ signedManifest: bytes })
const runEnd = z.object({ rounds: uint32, reason: text(256), newest: cidOrNull })
const large = z.object({ cid, bytes: uint32 })
const commit = z.object({ round: uint32, hash })
const reveal = z.object({
  round: uint32,
  contribution: cid,
  contributionBytes: uint32,
  trace,
  salt: hash,
  tokens: z.int().min(1).max(maxTokensPerRound),
  lossNats: finite,
})
const stateRoot = z.object({ round: uint32, root: hash, checkpoint: cidOrNull })

const gossip = z.object({
  run,
  term: uint32,
  body: z.discriminatedUnion('kind', [
    roundOpen.extend({ kind: z.literal('roundOpen') }),
    revealOpen.extend({ kind: z.literal('revealOpen') }),
    manifestPublished.extend({ kind: z.literal('manifest') }),
    runEnd.extend({ kind: z.literal('runEnd') }),
    large.extend({ kind: z.literal('large') }),
    commit.extend({ kind: z.literal('commit') }),
    reveal.extend({ kind: z.literal('reveal') }),
    stateRoot.extend({ kind: z.literal('stateRoot') }),
  ]),
})

const roundManifest = z.object({
  run,
  term: uint32,
  round: uint32,
  epoch: uint32,
  parent: cidOrNull,
  baseRoot: hash,
  stateRoot: hash,
  entries: z.array(manifestEntry).max(maxMembers),
  refused: z.array(refusal).max(maxMembers),
  closesEpoch: z.boolean(),
  checkpoint: cidOrNull,
  slots,
  average: z.object({ cid, bytes: uint32 }).nullable(),
})
const signedManifest = z.object({
  manifest: bytes,
  signer: peer,
  signature: bytes.refine((b) => b.length === 64),
})

/** Shown to people: no control characters, and none that turn the direction of writing. */
const label = (max: number) =>
  z
    .string()
    .max(max)
    .regex(/^[^\p{Cc}\p{Cf}\u2028\u2029]*$/u, 'has control characters')
const measured = finite.min(0)
const node = z.object({
  devices: z
    .array(
      z.object({
        kind: z.enum(['cpu', 'cuda', 'webgpu']),
        name: label(128),
        memoryBytes: z.int().min(0),
        tokensPerSecond: measured,
      }),
    )
    .max(16),
  cores: uint32,
  memoryBytes: z.int().min(0),
  diskBytes: z.int().min(0),
  upBytesPerSecond: measured,
  downBytesPerSecond: measured,
  roundTripMs: measured,
  labels: z
    .array(z.object({ key: z.string().regex(/^[a-z0-9][a-z0-9./-]{0,62}$/), value: label(63) }))
    .max(16),
})
const incarnation = bytes.refine((b) => b.length === 16, 'not 16 bytes')
const peers = z.object({ id: peer, addresses: addressList })
const heads = z.array(peers).max(maxHeads)
const sequence = z.int().min(0)

const ethereumAddress = z.string().regex(/^(0x[0-9a-fA-F]{40})?$/, 'not an Ethereum address')
const headRequest = z.object({
  body: z.discriminatedUnion('kind', [
    z.object({
      kind: z.literal('join'),
      agent: label(128),
      engineClass: label(256),
      addresses: addressList,
      payout: ethereumAddress,
      payoutBinding: bytes.refine((b) => b.length <= 65, 'longer than a signature'),
      token: text(256),
      incarnation,
      protocolMin: uint32,
      protocolMax: uint32,
      node: node.nullable(),
    }),
    z.object({
      kind: z.literal('heartbeat'),
      run: text(70),
      phase: label(32),
      round: uint32,
      step: uint32,
      lossNats: finite,
      tokensPerSecond: measured,
      utilization: finite.min(0).max(1),
      sentBytes: z.int().min(0),
      receivedBytes: z.int().min(0),
      outstanding: bytes,
      error: label(1024),
      term: uint32,
      newest: cidOrNull,
      draining: z.boolean(),
      node: node.nullable(),
    }),
    z.object({ kind: z.literal('leave'), reason: label(256) }),
    z.object({
      kind: z.literal('append'),
      term: uint32,
      from: sequence,
      records: z.array(bytes).max(4096),
      reset: z.boolean(),
    }),
    z.object({
      kind: z.literal('follow'),
      token: text(256),
      addresses: addressList,
      next: sequence,
      term: uint32,
      incarnation,
      chain: hash,
    }),
  ]),
})

const assignment = z.object({
  run,
  term: uint32,
  peers: z.array(peers).max(maxPeersTold),
  newestManifest: cidOrNull,
  payoutTree: cidOrNull,
  escrow: z
    .object({
      rpcUrl: text(512),
      chainId: uint32,
      escrow: ethereumAddress,
      token: ethereumAddress,
      run: hash,
    })
    .nullable(),
  ended: z.boolean(),
})
const headReply = z.object({
  body: z.discriminatedUnion('kind', [
    z.object({ kind: z.literal('welcome'), name: label(64), heartbeatMs: uint32, heads, protocol: uint32 }),
    z.object({
      kind: z.literal('beat'),
      assignment: assignment.nullable(),
      announcement: bytes,
      heads,
      drain: z.boolean(),
      stay: z.boolean(),
    }),
    z.object({ kind: z.literal('appended'), term: uint32, next: sequence, index: uint32, heads }),
  ]),
})

// ---- encode, decode ---------------------------------------------------------------------------------------

const messages = {
  Gossip: gossip,
  RoundManifest: roundManifest,
  SignedManifest: signedManifest,
  HeadRequest: headRequest,
  HeadReply: headReply,
} as const

export type MessageName = keyof typeof messages
export type MessageOf<Name extends MessageName> = z.output<(typeof messages)[Name]>
export type Gossip = MessageOf<'Gossip'>
export type GossipBody = Gossip['body']
export type RoundManifest = MessageOf<'RoundManifest'>
export type ManifestEntry = RoundManifest['entries'][number]
export type HeadRequest = MessageOf<'HeadRequest'>
/** What a host offers; measured figures are 0 while unknown. */
export type NodeOffer = z.output<typeof node>
export type Slot = RoundManifest['slots'][number]
export type PeerAddresses = z.output<typeof peers>
export type HeadReply = MessageOf<'HeadReply'>
export type Assignment = MessageOf<'HeadReply'>['body'] extends infer B
  ? B extends { kind: 'beat'; assignment: infer A }
    ? NonNullable<A>
    : never
  : never

type Plain = Record<string, unknown>

/** protobuf's `oneof` {body: 'commit', commit: {…}} ↔ our {body: {kind: 'commit', …}}. */
function liftOneof(object: Plain): Plain {
  const kind = object.body
  if (typeof kind !== 'string') return object
  return { ...object, body: { ...(object[kind] as Plain), kind } }
}

function lowerOneof(object: Plain): Plain {
  const body = object.body as ({ kind: string } & Plain) | undefined
  return body === undefined ? object : { ...object, [body.kind]: body }
}

/** Encodes a message of ours. Throws only when the message itself breaks its own bounds. */
export function encode<Name extends MessageName>(name: Name, message: MessageOf<Name>): Uint8Array {
  const type = root.lookupType(`murmur.v1.${name}`)
  const wire = z.encode(messages[name] as z.ZodType<unknown, unknown>, message) as Plain
  return new Uint8Array(type.encode(type.fromObject(lowerOneof(wire))).finish())
}

/**
 * Decodes bytes from outside: refused when longer than `maxBytes`, truncated, or with any field out of bounds.
 * @throws MurmurError MESSAGE_TOO_LONG | MESSAGE_MALFORMED, both with verdict `reject`.
 */
export function decode<Name extends MessageName>(
  name: Name,
  data: Uint8Array,
  maxBytes: number,
): MessageOf<Name> {
  if (data.length > maxBytes) {
    throw new MurmurError('MESSAGE_TOO_LONG', {
      message: `a ${name} message of ${data.length} bytes is over the bound of ${maxBytes}`,
      next: 'the sender runs other software or is hostile; nothing to do here',
    })
  }
  const type = root.lookupType(`murmur.v1.${name}`)
  try {
    const object = type.toObject(type.decode(data), {
      defaults: true,
      arrays: true,
      oneofs: true,
      longs: Number,
    })
    return z.decode(messages[name] as z.ZodType<unknown, unknown>, liftOneof(object)) as MessageOf<Name>
  } catch (cause) {
    throw new MurmurError('MESSAGE_MALFORMED', {
      message: `a ${name} message does not decode: ${describe(cause)}`,
      next: 'the sender runs other software or is hostile; nothing to do here',
      cause,
    })
  }
}

function describe(cause: unknown): string {
  if (cause instanceof z.ZodError) {
    const first = cause.issues[0]!
    return `${first.path.join('.')}: ${first.message}`
  }
  return cause instanceof Error ? cause.message.slice(0, 200) : 'unknown cause'
}
