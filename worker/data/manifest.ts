import * as dagCbor from '@ipld/dag-cbor'
import { z } from 'zod'
import { contentLink } from '../../protocol/content-link.ts'
import { MurmurError } from '../../protocol/errors.ts'
import { maxMetadataBlockBytes, maxShardBytes } from '../../protocol/limits.ts'
import { formatSchema, itemBytes, type Scale } from './format.ts'
import { maxDataBytes } from './open-file.ts'

/** One raw block of so many items: bytes, tokens or rows. */
const shard = z.strictObject({ cid: contentLink(), count: z.int().min(1).max(maxShardBytes) })

const schema = z.strictObject({
  version: z.literal(2),
  format: formatSchema,
  /** Items that are trained on: the sum over `shards`. */
  trainCount: z.int().min(1),
  /** Items that are only ever evaluated on: the sum over `heldOut`. */
  heldOutCount: z.int().min(1),
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
  const problem = contradiction(manifest)
  if (problem !== null) throw malformed(problem)
  if (Buffer.compare(encodeDataManifest(manifest), bytes) !== 0)
    throw malformed('it is not in canonical form')
  return manifest
}

/** What no single field can tell. */
function contradiction({ format, shards, heldOut, trainCount, heldOutCount }: DataManifest): string | null {
  if (sumOf(shards) !== trainCount || sumOf(heldOut) !== heldOutCount) return 'its counts do not add up'
  const item = itemBytes(format)
  if ([...shards, ...heldOut].some(({ count }) => count * item > maxShardBytes))
    return `a shard is over ${maxShardBytes} bytes`
  // One block may be named many times, and whoever trains or evaluates holds what is named.
  if ((trainCount + heldOutCount) * item > maxDataBytes) return `its data are over ${maxDataBytes} bytes`
  if (format.kind !== 'rows') return null
  const { inputs, targets, columns, labels, features, values } = format
  const width = inputs.shape.reduce((product, size) => product * size, 1)
  const told = targets.type === 'f32' ? targets.values : 1
  if (labels !== null && (targets.type === 'f32' || labels.length !== targets.classes))
    return 'its labels are not its classes'
  if (columns !== null && (columns.features.length !== width || columns.targets.length !== told))
    return 'its columns are not its values'
  if (!fits(features, width) || !fits(values, told)) return 'a scale is not of its values'
  return null
}

const fits = (scale: Scale | null, count: number): boolean =>
  scale === null || (scale.means.length === count && scale.deviations.length === count)

/** Items of shards together. */
export const sumOf = (shards: readonly ShardEntry[]): number =>
  shards.reduce((sum, { count }) => sum + count, 0)

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
