import * as dagCbor from '@ipld/dag-cbor'
import { z } from 'zod'
import { contentLink } from '../protocol/content-link.ts'
import { MurmurError } from '../protocol/errors.ts'
import type { Hash, RunId } from '../protocol/ids.ts'
import { maxMetadataBlockBytes, maxStateBlockBytes } from '../protocol/limits.ts'

const uint32 = z.int().min(0).max(0xffffffff)
const count = z.int().min(0).max(Number.MAX_SAFE_INTEGER)

const schema = z.strictObject({
  /** 3: of its files, the part that is frozen begins a leaf of its own (checkpoints/unixfs-file.ts). */
  version: z.literal([2, 3]),
  /** The run spec. */
  run: contentLink<RunId>(),
  /** The checkpoint before this one. */
  parent: contentLink().nullable(),
  /** The training program and the data manifest, as the run spec names them. */
  program: contentLink(),
  data: contentLink(),
  /** The state is the one after the outer step of this round. */
  round: uint32,
  epoch: uint32,
  stateRoot: z.custom<Hash>(
    (value) => typeof value === 'string' && /^0x[0-9a-f]{64}$/.test(value),
    'not a hash',
  ),
  /** The UnixFS file of the parameters, in safetensors. */
  tensors: contentLink(),
  tensorBytes: count.max(maxStateBlockBytes),
  /** UnixFS files of what replicas carry beside θ from round to round, 4 bytes a parameter each. */
  vectors: z.array(contentLink()).max(8),
  /** The order of the flat parameter vector, over which the state root is taken. The file of version 2 sorts by name, that of 3 is in this order. */
  table: z
    .array(z.strictObject({ name: z.string().min(1).max(512), shape: z.array(count).max(16), offset: count }))
    .max(65_536),
})

export type CheckpointManifest = z.output<typeof schema>

/** Length of the file of each vector that replicas carry. */
export const vectorBytes = ({ table }: CheckpointManifest): number =>
  4 * table.reduce((sum, { shape }) => sum + shape.reduce((product, size) => product * size, 1), 0)

/** The canonical bytes of a checkpoint manifest: a dag-cbor block with IPLD links. */
export function encodeCheckpointManifest(manifest: CheckpointManifest): Uint8Array {
  return dagCbor.encode(z.encode(schema, manifest))
}

/**
 * Reads a checkpoint manifest from outside.
 * @throws MurmurError CHECKPOINT_MALFORMED: too long, not canonical dag-cbor, any field out of bounds.
 */
export function decodeCheckpointManifest(bytes: Uint8Array): CheckpointManifest {
  if (bytes.length > maxMetadataBlockBytes) throw malformed(`${bytes.length} bytes are too many`)
  let manifest: CheckpointManifest
  try {
    manifest = z.decode(schema, dagCbor.decode(bytes))
  } catch (cause) {
    throw malformed(reasonOf(cause), cause)
  }
  // Each is as long as the parameters themselves, without their file's header.
  if (manifest.vectors.length > 0 && !(vectorBytes(manifest) <= manifest.tensorBytes))
    throw malformed('its table is longer than its file')
  if (Buffer.compare(encodeCheckpointManifest(manifest), bytes) !== 0)
    throw malformed('it is not in canonical form')
  return manifest
}

function reasonOf(cause: unknown): string {
  if (cause instanceof z.ZodError) return `${cause.issues[0]?.path.join('.')}: ${cause.issues[0]?.message}`
  return cause instanceof Error ? cause.message.slice(0, 200) : 'unknown cause'
}

function malformed(reason: string, cause?: unknown): MurmurError {
  return new MurmurError('CHECKPOINT_MALFORMED', {
    message: `a checkpoint manifest is malformed: ${reason}`,
    next: 'check the CID; `murmur checkpoint list` shows the checkpoints that are here',
    exit: 'verification',
    cause,
  })
}
