import type { WorkerId } from './ids.ts'
import type { Slot } from './wire.ts'

/**
 * Index of a worker's slot; −1 when it has none. Slots are in the order of ids (docs/protocol.md), so that each of a
 * thousand workers finds its own in ten comparisons, and the head that of each message's author.
 */
export function slotIndexOf(slots: readonly Slot[], worker: WorkerId): number {
  let [from, to] = [0, slots.length]
  while (from < to) {
    const middle = (from + to) >> 1
    if (slots[middle]!.worker < worker) from = middle + 1
    else to = middle
  }
  return slots[from]?.worker === worker ? from : -1
}
