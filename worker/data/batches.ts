import { invariant } from '../../protocol/errors.ts'
import { below, drawsAt } from '../../protocol/random.ts'

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

export interface BatchPlace extends BatchShape {
  readonly seed: number
  readonly round: number
  readonly slot: number
  /** Inner step within the round. */
  readonly step: number
}

/** A place's second word is slot · 2¹⁶ + step: distinct for distinct (slot, step) below these. */
const steps = 2 ** 16
const slots = 2 ** 16 - 1

/**
 * The batch of one inner step: a pure function of its place and of the member's shards, so that an auditor can redo
 * any step alone. Each window is drawn uniformly from all windows of all shards; none crosses a shard's end.
 */
export function batchAt(place: BatchPlace, shards: readonly Uint8Array[]): Batch {
  const { batch, context, seed, round, slot, step } = place
  invariant(step >= 0 && step < steps && slot >= 0 && slot < slots, 'step and slot fit one uint32 together')
  const ends: number[] = []
  let windows = 0
  for (const shard of shards) {
    windows += Math.max(0, shard.length - context)
    ends.push(windows)
  }
  invariant(windows > 0 && windows < 2 ** 32, 'the shards hold at least one window')
  const draw = drawsAt(seed, 'batch', [round, slot * steps + step])
  const result = emptyBatch(place)
  for (let row = 0; row < batch; row++) {
    const window = below(windows, draw())
    const shard = ends.findIndex((end) => window < end)
    copyWindow(shards[shard]!, window - (ends[shard - 1] ?? 0), row, context, result)
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
): Batch[] {
  const { batch, context } = shape
  const places = heldOut.flatMap((shard) =>
    Array.from({ length: Math.floor((shard.length - 1) / context) }, (_, index) => ({
      shard,
      start: index * context,
    })),
  )
  invariant(places.length > 0 && maxBatches >= 1, 'the held-out text holds at least one window')
  const batches = Math.min(maxBatches, Math.max(1, Math.floor(places.length / batch)))
  return Array.from({ length: batches }, (_, index) => {
    const result = emptyBatch(shape)
    for (let row = 0; row < batch; row++) {
      const at = Math.floor(((index * batch + row) * places.length) / (batches * batch))
      copyWindow(places[at]!.shard, places[at]!.start, row, context, result)
    }
    return result
  })
}

const emptyBatch = ({ batch, context }: BatchShape): Batch => ({
  inputs: new BigInt64Array(batch * context),
  targets: new BigInt64Array(batch * context),
})

function copyWindow(shard: Uint8Array, start: number, row: number, context: number, into: Batch): void {
  for (let column = 0; column < context; column++) {
    into.inputs[row * context + column] = BigInt(shard[start + column]!)
    into.targets[row * context + column] = BigInt(shard[start + column + 1]!)
  }
}
