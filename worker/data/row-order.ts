import { invariant } from '../../protocol/errors.ts'
import { below, drawsAt } from '../../protocol/random.ts'

export interface RowOrder {
  /** Where each row goes: held-out rows first, then those that are trained on. */
  readonly places: Uint32Array
  readonly heldOut: number
}

/**
 * Shuffles rows by a seed (Fisher–Yates) and holds the first of them out. By label, the others are then put in the order of
 * their classes, so that a shard has few of them: what data looks like that nobody may gather in one place.
 * @param labels the class of each row, or null to leave the others shuffled
 */
export function orderRows(
  rows: number,
  heldOutFraction: number,
  seed: number,
  labels: Uint32Array | null,
): RowOrder {
  const order = Uint32Array.from({ length: rows }, (_, row) => row)
  const draw = drawsAt(seed, 'rows', [0, 0])
  for (let last = rows - 1; last > 0; last--) {
    const other = below(last + 1, draw())
    const row = order[last]!
    order[last] = order[other]!
    order[other] = row
  }
  const heldOut = Math.max(1, Math.round(rows * heldOutFraction))
  invariant(heldOut < rows, 'a row is left to train on')
  if (labels !== null) {
    const trained = [...order.subarray(heldOut)]
    trained.sort((a, b) => labels[a]! - labels[b]!)
    order.set(trained, heldOut)
  }
  const places = new Uint32Array(rows)
  for (let place = 0; place < rows; place++) places[order[place]!] = place
  return { places, heldOut }
}
