import { invariant } from '../../protocol/errors.ts'
import { below, drawsAt } from '../../protocol/random.ts'

export interface AssignmentPlace {
  /** The run's seed. */
  readonly seed: number
  /** Members of the round, and this member's place among them. */
  readonly members: number
  readonly slot: number
  /** Training shards of the data manifest; held-out shards are never assigned. */
  readonly shardCount: number
}

/**
 * The shards of one member, as ascending indices into the manifest's `shards`: a pure function of its arguments.
 * The shards are dealt in shuffled order and a member keeps its hand for as long as the number of members stays the
 * same, so that data crosses the network once; what the others learn from theirs comes with the average. The hands are disjoint, cover all shards and differ in size by at most one. With fewer shards than
 * members, each member gets one and several share it (their batches still differ, as the slot is part of their draw).
 */
export function assignedShards({ seed, members, slot, shardCount }: AssignmentPlace): number[] {
  invariant(Number.isInteger(slot) && slot >= 0 && slot < members, 'a slot is below the number of members')
  invariant(Number.isInteger(shardCount) && shardCount > 0, 'there is at least one shard')
  const deck = shuffled(shardCount, drawsAt(seed, 'shards', [members, 0]))
  if (members > shardCount) return [deck[slot % shardCount]!]
  return deck.filter((_, position) => position % members === slot).sort((a, b) => a - b)
}

/** Fisher–Yates over 0 … count − 1. */
function shuffled(count: number, draw: () => number): number[] {
  const deck = Array.from({ length: count }, (_, index) => index)
  for (let last = count - 1; last > 0; last--) {
    const other = below(last + 1, draw())
    ;[deck[last], deck[other]] = [deck[other]!, deck[last]!]
  }
  return deck
}
