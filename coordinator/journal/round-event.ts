import { z } from 'zod'
import { contentId, matchesCid } from '../../protocol/content-id.ts'
import { MurmurError } from '../../protocol/errors.ts'
import type { CidText } from '../../protocol/ids.ts'
import { maxAnnouncementBytes, maxHeads, maxMembers } from '../../protocol/limits.ts'
import { decode, encode, type Gossip } from '../../protocol/wire.ts'
import type { RoundEvent } from '../round/state.ts'
import { cid, count, hash, peer, text } from './fields.ts'

/**
 * A round event as the journal keeps it. What is a block of its own is kept as its CID (a manifest of 1,024 members
 * takes 850 KiB, and it is in the block store anyway), and gossip as the bytes that its own bounded decoder reads.
 */
const gossip = z.codec(z.instanceof(Uint8Array), z.custom<Gossip>(), {
  decode: (bytes, context) => {
    try {
      return decode('Gossip', bytes, maxAnnouncementBytes)
    } catch (error) {
      context.issues.push({ code: 'custom', message: String(error).slice(0, 200), input: bytes })
      return z.NEVER
    }
  },
  encode: (message) => new Uint8Array(encode('Gossip', message)),
})

/** The manifest of 32 workers takes 13 KiB. */
const maxInlineBytes = 16 * 1024

const heads = z.array(peer).max(maxHeads).readonly()
const ofWorker = <Kind extends string>(kind: Kind) => z.strictObject({ kind: z.literal(kind), worker: peer })
const bare = <Kind extends string>(kind: Kind) => z.strictObject({ kind: z.literal(kind) })

export const loggedEventSchema = z.discriminatedUnion('kind', [
  z.strictObject({ kind: z.literal('lead'), term: count, heads }),
  z.strictObject({ kind: z.literal('heads'), heads }),
  z.strictObject({ kind: z.literal('deposed'), term: count }),
  z.strictObject({ kind: z.literal('adopt'), manifests: z.array(cid).max(65_536).readonly() }),
  ofWorker('join').extend({ fresh: z.boolean() }),
  ofWorker('ready').extend({ round: count }),
  ofWorker('drain'),
  ofWorker('lost'),
  ofWorker('eject').extend({ code: text(64) }),
  z.strictObject({ kind: z.literal('message'), author: peer, message: gossip }),
  bare('tick'),
  z.strictObject({
    kind: z.literal('aggregated'),
    round: count,
    admitted: z.array(peer).max(maxMembers).readonly(),
    refused: z
      .array(z.strictObject({ worker: peer, code: text(64) }))
      .max(maxMembers)
      .readonly(),
    stateRoot: hash,
    checkpoint: cid.nullable(),
    // Absent in journals from before there were any.
    average: z.strictObject({ cid, bytes: count }).nullable().default(null),
  }),
  z.strictObject({
    kind: z.literal('published'),
    round: count,
    cid,
    /** The signed manifest where it is short: a standby that takes over at once has it from nobody else. */
    block: z
      .custom<Uint8Array>((value) => value instanceof Uint8Array && value.length <= maxInlineBytes)
      .nullable(),
  }),
  z.strictObject({ kind: z.literal('fail'), code: text(64), message: text(4096) }),
  bare('pause'),
  bare('resume'),
  z.strictObject({ kind: z.literal('stop'), reason: text(256) }),
])

/** A {@link RoundEvent} without the blocks it speaks of. */
export type LoggedEvent = z.output<typeof loggedEventSchema>

/** What of an event is journaled: the blocks it speaks of must be durable in the block store before. */
export function loggedEvent(event: RoundEvent): LoggedEvent {
  if (event.kind === 'published') {
    const { round, cid: manifest, block } = event
    return { kind: 'published', round, cid: manifest, block: block.length <= maxInlineBytes ? block : null }
  }
  if (event.kind === 'adopt')
    return { kind: 'adopt', manifests: event.manifests.map(({ cid: manifest }) => manifest) }
  return event
}

/** Gives the signed manifest's block of a CID; undefined when it is nowhere to be had. */
export type BlockOf = (cid: CidText) => Promise<Uint8Array | undefined>

/**
 * The event that was logged, its blocks restored.
 * @throws MurmurError JOURNAL_BLOCK_MISSING, or what decoding a manifest throws.
 */
export async function restoreEvent(logged: LoggedEvent, blockOf: BlockOf): Promise<RoundEvent> {
  if (logged.kind === 'published')
    return {
      ...logged,
      block: await blockFor(logged.cid, logged.block === null ? blockOf : async () => logged.block!),
    }
  if (logged.kind !== 'adopt') return logged
  const manifests = []
  for (const manifestCid of logged.manifests) {
    const block = await blockFor(manifestCid, blockOf)
    const signed = decode('SignedManifest', block, maxAnnouncementBytes)
    const manifest = decode('RoundManifest', signed.manifest, maxAnnouncementBytes)
    manifests.push({ manifest, cid: manifestCid })
  }
  return { kind: 'adopt', manifests }
}

async function blockFor(manifestCid: CidText, blockOf: BlockOf): Promise<Uint8Array> {
  const block = await blockOf(manifestCid)
  if (block !== undefined && matchesCid(manifestCid, block)) return block
  throw new MurmurError('JOURNAL_BLOCK_MISSING', {
    message:
      block === undefined
        ? `the journal names the manifest ${manifestCid}, which is not in the block store`
        : `the block ${contentId(block, 'raw')} came in place of ${manifestCid}`,
    next: 'start the head again while a worker of the run is connected: workers hold every manifest',
    exit: 'verification',
  })
}
