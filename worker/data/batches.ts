import { invariant } from '../../protocol/errors.ts'
import { below } from '../../protocol/random.ts'
import { type BatchPlace, batchDraws, spread } from './draws.ts'

/** Token ids, row-major [batch, context]; `targets` is `inputs` one token later. */
export interface Batch {
  readonly inputs: BigInt64Array
  readonly targets: BigInt64Array
}

export interface BatchShape {
  /** Windows in a batch. */
  readonly batch: number
  /** Tokens in a window. */
  readonly context: number
}

export type WindowPlace = BatchPlace & BatchShape

/** Bytes of a token id in a shard, little-endian. */
export type TokenWidth = 1 | 2 | 4

/**
 * The batch of one inner step: a pure function of its place and of the member's shards, so that an auditor can redo
 * any step alone. Each window is drawn uniformly from all windows of all shards; none crosses a shard's end.
 */
export function batchAt(place: WindowPlace, shards: readonly Uint8Array[], width: TokenWidth = 1): Batch {
  const { batch, context } = place
  const ends: number[] = []
  let windows = 0
  for (const shard of shards) {
    windows += Math.max(0, shard.length / width - context)
    ends.push(windows)
  }
  invariant(windows > 0 && windows < 2 ** 32, 'the shards hold at least one window')
  const draw = batchDraws(place)
  const result = emptyBatch(place)
  for (let row = 0; row < batch; row++) {
    const window = below(windows, draw())
    const shard = ends.findIndex((end) => window < end)
    copyWindow(shards[shard]!, window - (ends[shard - 1] ?? 0), row, context, width, result)
  }
  return result
}

/**
 * The batches of an evaluation: windows that do not overlap, side by side from each shard's start, so that every
 * replica measures the same loss. At most `maxBatches`, spread evenly over the text; all full, as programs have
 * static shapes: windows that do not fill a last batch are left out, and too few for even one are repeated.
 */
export function heldOutBatches(
  heldOut: readonly Uint8Array[],
  shape: BatchShape,
  maxBatches: number,
  width: TokenWidth = 1,
): Batch[] {
  const { batch, context } = shape
  const places = heldOut.flatMap((shard) =>
    Array.from({ length: Math.floor((shard.length / width - 1) / context) }, (_, index) => ({
      shard,
      start: index * context,
    })),
  )
  return spread(places, batch, maxBatches).map((windows) => {
    const result = emptyBatch(shape)
    for (const [row, { shard, start }] of windows.entries())
      copyWindow(shard, start, row, context, width, result)
    return result
  })
}

const emptyBatch = ({ batch, context }: BatchShape): Batch => ({
  inputs: new BigInt64Array(batch * context),
  targets: new BigInt64Array(batch * context),
})

function copyWindow(
  shard: Uint8Array,
  start: number,
  row: number,
  context: number,
  width: TokenWidth,
  into: Batch,
): void {
  for (let column = 0; column < context; column++) {
    into.inputs[row * context + column] = BigInt(tokenAt(shard, start + column, width))
    into.targets[row * context + column] = BigInt(tokenAt(shard, start + column + 1, width))
  }
}

/** The ids that a shard starts with, at most `count`. */
export const firstTokens = (shard: Uint8Array, count: number, width: TokenWidth): number[] =>
  Array.from({ length: Math.min(count, Math.floor(shard.length / width)) }, (_, index) =>
    tokenAt(shard, index, width),
  )

function tokenAt(shard: Uint8Array, index: number, width: TokenWidth): number {
  let token = 0
  for (let byte = width - 1; byte >= 0; byte--) token = token * 256 + shard[index * width + byte]!
  return token
}
