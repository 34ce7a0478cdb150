import { invariant } from '../../protocol/errors.ts'
import { drawsAt } from '../../protocol/random.ts'

/** Where in a run a batch is. */
export interface BatchPlace {
  readonly seed: number
  readonly round: number
  readonly slot: number
  /** Inner step within the round. */
  readonly step: number
}

/** A place's second word is slot · 2¹⁶ + step: distinct for distinct (slot, step) below these. */
const steps = 2 ** 16
const slots = 2 ** 16 - 1

/** The draws of one batch: a pure function of its place. */
export function batchDraws({ seed, round, slot, step }: BatchPlace): () => number {
  invariant(step >= 0 && step < steps && slot >= 0 && slot < slots, 'step and slot fit one uint32 together')
  return drawsAt(seed, 'batch', [round, slot * steps + step])
}

/**
 * What an evaluation measures of `items`, in full batches: at most `maxBatches`, spread evenly. Items that do not fill a
 * last batch are left out, and too few for even one are repeated, as programs have static shapes.
 */
export function spread<Item>(items: readonly Item[], batch: number, maxBatches: number): Item[][] {
  invariant(items.length > 0 && maxBatches >= 1, 'there is something to measure')
  const batches = Math.min(maxBatches, Math.max(1, Math.floor(items.length / batch)))
  return Array.from({ length: batches }, (_, index) =>
    Array.from(
      { length: batch },
      (_, row) => items[Math.floor(((index * batch + row) * items.length) / (batches * batch))]!,
    ),
  )
}
