import * as dagCbor from '@ipld/dag-cbor'
import { z } from 'zod'
import { contentLink } from '../../protocol/content-link.ts'
import { MurmurError } from '../../protocol/errors.ts'
import { maxMetadataBlockBytes, maxShardBytes } from '../../protocol/limits.ts'

/** One raw block of tokens. With the `bytes` tokenizer a token is a byte, so `tokens` is also its length. */
const shard = z.strictObject({ cid: contentLink(), tokens: z.int().min(1).max(maxShardBytes) })

const schema = z.strictObject({
  version: z.literal(1),
  tokenizer: z.literal('bytes'),
  /** Tokens that are trained on: the sum over `shards`. */
  trainTokens: z.int().min(1),
  /** Tokens that are only ever evaluated on: the sum over `heldOut`. */
  heldOutTokens: z.int().min(1),
  shards: z.array(shard).min(1),
  heldOut: z.array(shard).min(1),
})

export type DataManifest = z.output<typeof schema>
export type ShardEntry = DataManifest['shards'][number]

/** The canonical bytes of a data manifest: a dag-cbor block whose shards are IPLD links. */
export function encodeDataManifest(manifest: DataManifest): Uint8Array {
  return dagCbor.encode(z.encode(schema, manifest))
}

/**
 * Reads a data manifest from outside.
 * @throws MurmurError DATA_MANIFEST_MALFORMED: too long, not canonical dag-cbor, a field out of bounds, wrong sums.
 */
export function parseDataManifest(bytes: Uint8Array): DataManifest {
  if (bytes.length > maxMetadataBlockBytes) throw malformed(`${bytes.length} bytes are too many`)
  let manifest: DataManifest
  try {
    manifest = z.decode(schema, dagCbor.decode(bytes))
  } catch (cause) {
    throw malformed(reasonOf(cause), cause)
  }
  if (sumOf(manifest.shards) !== manifest.trainTokens || sumOf(manifest.heldOut) !== manifest.heldOutTokens) {
    throw malformed('its token counts do not add up')
  }
  if (Buffer.compare(encodeDataManifest(manifest), bytes) !== 0)
    throw malformed('it is not in canonical form')
  return manifest
}

const sumOf = (shards: readonly ShardEntry[]): number => shards.reduce((sum, { tokens }) => sum + tokens, 0)

function reasonOf(cause: unknown): string {
  if (cause instanceof z.ZodError) return `${cause.issues[0]?.path.join('.')}: ${cause.issues[0]?.message}`
  return cause instanceof Error ? cause.message.slice(0, 200) : 'unknown cause'
}

function malformed(reason: string, cause?: unknown): MurmurError {
  return new MurmurError('DATA_MANIFEST_MALFORMED', {
    message: `a data manifest is malformed: ${reason}`,
    next: 'submit the run again; its data manifest was written by other software',
    exit: 'verification',
    cause,
  })
}
