import { contentId } from '../../protocol/content-id.ts'
import { invariant, MurmurError } from '../../protocol/errors.ts'
import type { CidText } from '../../protocol/ids.ts'
import { type DataManifest, encodeDataManifest, type ShardEntry } from './manifest.ts'

/** A shard for each member of a round of the default size; in larger rounds members share shards, at places of their own. */
const usualMembers = 32

export interface ShardOptions {
  /** Tokens of a training window; a window also needs the token after it. */
  readonly context: number
  /** The longest shard to cut, in tokens. */
  readonly shardTokens?: number
  /** The share of the text that is held out, at its end: above 0, at most one half. */
  readonly heldOutFraction?: number
}

export interface ShardedText {
  readonly shards: readonly Uint8Array[]
  readonly heldOut: readonly Uint8Array[]
  readonly manifest: DataManifest
  /** The manifest's block and its CID: what the run spec links to. */
  readonly manifestBytes: Uint8Array
  readonly manifestCid: CidText
}

/** 32 KiB: Moby-Dick makes 34 shards, one for every member of the largest round. */
const defaultShardTokens = 32 * 1024
const defaultHeldOutFraction = 0.1
/** A shard is never cut shorter than this many windows just to have more shards. */
const leastWindows = 16

/**
 * Text → byte tokens → shards. The end of the text is held out in one piece, so no window of training overlaps it;
 * the rest is cut into shards of equal length (to one token), each a raw block.
 * @throws MurmurError DATA_EMPTY | DATA_TOO_SHORT, exit `usage`.
 */
export function shardText(text: Uint8Array, options: ShardOptions): ShardedText {
  const { context, heldOutFraction = defaultHeldOutFraction } = options
  const window = context + 1
  const shardTokens = options.shardTokens ?? Math.max(defaultShardTokens, 2 * window)
  invariant(
    heldOutFraction > 0 && heldOutFraction <= 0.5,
    'held-out fraction is above 0 and at most one half',
  )
  invariant(shardTokens >= 2 * window, 'a shard holds two windows')
  refuseShort(text.length, Math.ceil(window / heldOutFraction), context)
  const heldOutTokens = Math.round(text.length * heldOutFraction)
  const trainTokens = text.length - heldOutTokens
  const wanted = Math.min(usualMembers, Math.floor(trainTokens / (leastWindows * window)))
  const shards = cut(text.subarray(0, trainTokens), Math.max(1, wanted, Math.ceil(trainTokens / shardTokens)))
  const heldOut = cut(text.subarray(trainTokens), Math.ceil(heldOutTokens / shardTokens))
  const manifest: DataManifest = {
    version: 1,
    tokenizer: 'bytes',
    trainTokens,
    heldOutTokens,
    shards: shards.map(entryOf),
    heldOut: heldOut.map(entryOf),
  }
  const manifestBytes = encodeDataManifest(manifest)
  return { shards, heldOut, manifest, manifestBytes, manifestCid: contentId(manifestBytes, 'dag-cbor') }
}

/** `count` contiguous pieces whose lengths differ by at most one; copies, so that a piece does not keep the text. */
function cut(bytes: Uint8Array, count: number): Uint8Array[] {
  const edge = (index: number): number => Math.floor((index * bytes.length) / count)
  return Array.from(
    { length: count },
    (_, index) => new Uint8Array(bytes.subarray(edge(index), edge(index + 1))),
  )
}

const entryOf = (shard: Uint8Array): ShardEntry => ({ cid: contentId(shard, 'raw'), tokens: shard.length })

function refuseShort(tokens: number, minimum: number, context: number): void {
  if (tokens === 0) {
    throw new MurmurError('DATA_EMPTY', {
      message: 'the data is empty',
      next: 'name a file with text in it',
      exit: 'usage',
    })
  }
  if (tokens < minimum) {
    throw new MurmurError('DATA_TOO_SHORT', {
      message: `the data has ${tokens} bytes; a context of ${context} needs at least ${minimum}`,
      next: 'use a longer text, or lower model.context',
      exit: 'usage',
      details: { tokens, minimum, context },
    })
  }
}
