import * as dagCbor from '@ipld/dag-cbor'
import { z } from 'zod'
import { MurmurError } from '../../protocol/errors.ts'
import { maxHeads, maxMembers, maxMetadataBlockBytes } from '../../protocol/limits.ts'
import { address, cid, count, finite, hash, peer, run, text, weiText } from './fields.ts'
import { loggedEventSchema } from './round-event.ts'

/** No record is longer: the settlement of an epoch with 1,024 members takes 400 KiB. */
export const maxRecordBytes = maxMetadataBlockBytes
/** Members over the life of a cluster that one settlement can name. */
const maxAccounts = 16 * maxMembers

const headPeer = z.strictObject({ id: peer, addresses: z.array(text(256)).max(8) })
const audit = z.strictObject({
  worker: peer,
  round: count,
  outcome: z.enum(['verified', 'refuted', 'unavailable']),
  code: text(64),
  bytes: count,
  verdict: cid,
})
const epochReport = z.strictObject({
  epoch: count,
  manifest: cid,
  beacon: z.strictObject({ blockNumber: weiText, blockHash: hash }).nullable(),
  audits: z.array(audit).max(maxMembers).readonly(),
  verified: z.boolean(),
  settled: z.boolean(),
  payoutTree: cid.nullable(),
  payoutRoot: hash.nullable(),
  paid: weiText,
  txHash: hash.nullable(),
  gasUsed: weiText.nullable(),
})
const accounts = z
  .array(z.tuple([address, weiText]))
  .max(maxAccounts)
  .readonly()

const schema = z.discriminatedUnion('kind', [
  /** The heads of the cluster in the order of their terms. */
  z.strictObject({ kind: z.literal('heads'), heads: z.array(headPeer).max(maxHeads).readonly() }),
  /** A leadership begins. Durable before it does anything. */
  z.strictObject({ kind: z.literal('term'), term: count }),
  /** A worker joined or came back: what of it outlives its connection. */
  z.strictObject({
    kind: z.literal('member'),
    member: z.looseObject({
      id: peer,
      name: text(64),
      engineClass: text(256),
      addresses: z.array(text(256)).max(8).readonly(),
      payout: address.nullable(),
    }),
  }),
  z.strictObject({
    kind: z.literal('submitted'),
    run,
    submittedAt: count,
    priority: z.int(),
    owner: text(256),
  }),
  z.strictObject({ kind: z.literal('round'), run, now: finite, event: loggedEventSchema }),
  z.strictObject({ kind: z.literal('audited'), run, epoch: count, audit }),
  /** What an epoch will be settled with. Durable before its transaction is sent. */
  z.strictObject({
    kind: z.literal('settling'),
    run,
    epoch: count,
    payoutTree: cid,
    payoutRoot: hash,
    cumulative: accounts,
    /** The block hash by which the audits were drawn; absent in records from before it was kept. */
    beacon: hash.optional(),
  }),
  z.strictObject({
    kind: z.literal('settled'),
    run,
    report: epochReport,
    /** Verified tokens, and what was earned, of this epoch by worker. */
    tokens: z
      .array(z.tuple([peer, count]))
      .max(maxAccounts)
      .readonly(),
    earned: z
      .array(z.tuple([peer, weiText]))
      .max(maxAccounts)
      .readonly(),
    cumulative: accounts,
  }),
  z.strictObject({
    kind: z.literal('measured'),
    run,
    what: text(64),
    epoch: count.nullable(),
    lossNats: finite.nullable(),
    /** Of a classification; absent in records from before there was any. */
    accuracy: finite.nullable().optional(),
    text: text(65_536).nullable(),
  }),
  /** The run is over: its other records may go. Null where its report is kept nowhere, or is too long for a block. */
  z.strictObject({ kind: z.literal('archived'), run, report: cid.nullable().default(null) }),
])

/** One entry of the head's history. The records in their order are the head: replaying them is how it restarts. */
export type HeadRecord = z.output<typeof schema>
/** What of a cluster member outlives its connection; further fields are plain data that dag-cbor can hold. */
export type DurableMember = Extract<HeadRecord, { kind: 'member' }>['member']

/**
 * The canonical bytes of a record (dag-cbor: one form for one value, so that logs can be compared by their hashes).
 * @throws MurmurError JOURNAL_RECORD_INVALID: a record that would not be read back.
 */
export function encodeRecord(record: HeadRecord): Uint8Array {
  let bytes: Uint8Array
  try {
    bytes = dagCbor.encode(z.encode(schema, record))
  } catch (cause) {
    throw invalid(reasonOf(cause), cause)
  }
  if (bytes.length > maxRecordBytes) throw invalid(`${bytes.length} bytes are over ${maxRecordBytes}`)
  return bytes
}

/**
 * Reads a record from disk, or from another head.
 * @throws MurmurError JOURNAL_RECORD_INVALID: too long, not dag-cbor, or any field out of bounds.
 */
export function decodeRecord(bytes: Uint8Array): HeadRecord {
  if (bytes.length > maxRecordBytes) throw invalid(`${bytes.length} bytes are over ${maxRecordBytes}`)
  try {
    return z.decode(schema, dagCbor.decode(bytes))
  } catch (cause) {
    throw invalid(reasonOf(cause), cause)
  }
}

function reasonOf(cause: unknown): string {
  if (cause instanceof z.ZodError) return `${cause.issues[0]?.path.join('.')}: ${cause.issues[0]?.message}`
  return cause instanceof Error ? cause.message.slice(0, 200) : 'unknown cause'
}

function invalid(reason: string, cause?: unknown): MurmurError {
  return new MurmurError('JOURNAL_RECORD_INVALID', {
    message: `a journal record is invalid: ${reason}`,
    next: 'start this head with the version of murmur that wrote the journal',
    exit: 'version',
    cause,
  })
}
