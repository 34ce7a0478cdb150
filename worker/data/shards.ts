import { contentId } from '../../protocol/content-id.ts'
import { invariant, MurmurError } from '../../protocol/errors.ts'
import type { CidText } from '../../protocol/ids.ts'
import { maxMetadataBlockBytes, maxShardBytes } from '../../protocol/limits.ts'
import { type DataFormat, itemBytes } from './format.ts'
import { type DataManifest, encodeDataManifest, type ShardEntry, sumOf } from './manifest.ts'

/** A shard for each member of a round of the default size; in larger rounds members share shards, at places of their own. */
export const usualMembers = 32

export interface ShardOptions {
  /** Tokens of a training window; a window also needs the token after it. */
  readonly context: number
  /** The longest shard to cut, in tokens. */
  readonly shardTokens?: number
  /** The share of the text that is held out, at its end: above 0, at most one half. */
  readonly heldOutFraction?: number
}

export interface ShardedData {
  readonly shards: readonly Uint8Array[]
  readonly heldOut: readonly Uint8Array[]
  readonly manifest: DataManifest
  /** The manifest's block and its CID: what the run spec links to. */
  readonly manifestBytes: Uint8Array
  readonly manifestCid: CidText
}

/** 32 KiB of bytes: Moby-Dick makes 34 shards, one for every member of the largest round. */
const defaultShardTokens = 32 * 1024
export const defaultHeldOutFraction = 0.1
/** A shard is never cut shorter than this many windows just to have more shards. */
const leastWindows = 16

/** Text → byte tokens → shards, as `shardTokens`. */
export const shardText = (text: Uint8Array, options: ShardOptions): ShardedData =>
  shardTokens(text, { kind: 'bytes' }, options)

/**
 * Tokens → shards. The end of the text is held out in one piece, so no window of training overlaps it; the rest is cut
 * into shards of equal length (to one token), each a raw block. The shards are views of `tokens`.
 * @throws MurmurError DATA_EMPTY | DATA_TOO_SHORT, exit `usage`.
 */
export function shardTokens(
  tokens: Uint8Array,
  format: Exclude<DataFormat, { kind: 'rows' }>,
  options: ShardOptions,
): ShardedData {
  const { context, heldOutFraction = defaultHeldOutFraction } = options
  const item = itemBytes(format)
  const length = tokens.length / item
  const window = context + 1
  const most = options.shardTokens ?? Math.max(defaultShardTokens, 2 * window)
  invariant(
    heldOutFraction > 0 && heldOutFraction <= 0.5,
    'held-out fraction is above 0 and at most one half',
  )
  invariant(most >= 2 * window, 'a shard holds two windows')
  refuseShort(length, Math.ceil(window / heldOutFraction), context, format.kind)
  const heldOutCount = Math.round(length * heldOutFraction)
  const trainCount = length - heldOutCount
  const wanted = Math.min(usualMembers, Math.floor(trainCount / (leastWindows * window)))
  const trained = tokens.subarray(0, trainCount * item)
  const shards = cut(trained, Math.max(1, wanted, Math.ceil(trainCount / most)), item)
  const heldOut = cut(tokens.subarray(trainCount * item), Math.ceil(heldOutCount / most), item)
  return sealed(shards, heldOut, format)
}

/**
 * With the manifest that names them, its bytes and its CID.
 * @throws MurmurError DATA_TOO_LARGE: a shard, or the manifest, is more than one block holds.
 */
export function sealed(
  shards: readonly Uint8Array[],
  heldOut: readonly Uint8Array[],
  format: DataFormat,
): ShardedData {
  const item = itemBytes(format)
  const entriesOf = (parts: readonly Uint8Array[]): ShardEntry[] =>
    parts.map((shard) => ({ cid: contentId(shard, 'raw'), count: shard.length / item }))
  const longest = Math.max(...[...shards, ...heldOut].map(({ length }) => length))
  if (longest > maxShardBytes) throw tooLarge(`a shard has ${longest} bytes, over ${maxShardBytes}`)
  const parts = { shards: entriesOf(shards), heldOut: entriesOf(heldOut) }
  const manifest: DataManifest = {
    ...{ version: 2, format, trainCount: sumOf(parts.shards), heldOutCount: sumOf(parts.heldOut) },
    ...parts,
  }
  const manifestBytes = encodeDataManifest(manifest)
  if (manifestBytes.length > maxMetadataBlockBytes)
    throw tooLarge(`its manifest has ${manifestBytes.length} bytes, over ${maxMetadataBlockBytes}`)
  const manifestCid = contentId(manifestBytes, 'dag-cbor')
  return { shards, heldOut, manifest, manifestBytes, manifestCid }
}

const tooLarge = (message: string): MurmurError =>
  new MurmurError('DATA_TOO_LARGE', {
    message,
    next: 'cut it into more shards (data.shards), or use fewer columns with shorter names',
    exit: 'usage',
  })

/** `count` contiguous views of whole items, whose lengths differ by at most one item. */
export function cut(bytes: Uint8Array, count: number, itemBytes: number): Uint8Array[] {
  const items = bytes.length / itemBytes
  const edge = (index: number): number => itemBytes * Math.floor((index * items) / count)
  return Array.from({ length: count }, (_, index) => bytes.subarray(edge(index), edge(index + 1)))
}

function refuseShort(tokens: number, minimum: number, context: number, kind: 'bytes' | 'tokens'): void {
  if (tokens === 0) {
    throw new MurmurError('DATA_EMPTY', {
      message: 'the data is empty',
      next: 'name a file with text in it',
      exit: 'usage',
    })
  }
  if (tokens < minimum) {
    throw new MurmurError('DATA_TOO_SHORT', {
      message: `the data has ${tokens} ${kind}; a context of ${context} needs at least ${minimum}`,
      next: 'use a longer text, or lower model.context',
      exit: 'usage',
      details: { tokens, minimum, context },
    })
  }
}
