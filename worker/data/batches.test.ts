import { createHash } from 'node:crypto'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { assignedShards } from './assignment.ts'
import { type Batch, batchAt, heldOutBatches } from './batches.ts'

/** Token t of shard s is 64 s + t: a window's first token says where it is from. */
const shards = [0, 1, 2].map((shard) =>
  Uint8Array.from({ length: 40 + shard }, (_, index) => shard * 64 + index),
)
const place = { seed: 5, round: 2, slot: 1, step: 3, batch: 4, context: 8 }

const hash = ({ inputs, targets }: Batch): string =>
  createHash('sha256')
    .update(new Uint8Array(inputs.buffer))
    .update(new Uint8Array(targets.buffer))
    .digest('hex')

test('a batch is the same alone as in sequence, and never changes', () => {
  const sequence = [0, 1, 2, 3].map((step) => hash(batchAt({ ...place, step }, shards)))
  expect(hash(batchAt(place, shards))).toBe(sequence[3])
  expect(new Set(sequence).size).toBe(4)
  expect(sequence[3]).toMatchInlineSnapshot(
    `"a909fc9476cbf809004a915b6397abcc82339aebbb52b2dec8e7ed1925f7e843"`,
  )
})

test('seed, round, slot and step each choose other windows', () => {
  const others = [{ seed: 6 }, { round: 3 }, { slot: 2 }, { step: 4 }].map((other) => ({
    ...place,
    ...other,
  }))
  const hashes = [place, ...others].map((at) => hash(batchAt({ ...at, batch: 64 }, shards)))
  expect(new Set(hashes).size).toBe(5)
})

test('windows stay inside their shard, targets are one token later, and every window can come', () => {
  const starts = new Set<number>()
  for (let step = 0; step < 200; step++) {
    const { inputs, targets } = batchAt({ ...place, step }, shards)
    for (let row = 0; row < place.batch; row++) {
      const window = inputs.subarray(row * 8, row * 8 + 8)
      const first = Number(window[0])
      const inShard = first % 64
      expect(inShard + 8).toBeLessThan(shards[first >> 6]!.length)
      for (let column = 0; column < 8; column++) {
        expect(window[column]).toBe(BigInt(first + column))
        expect(targets[row * 8 + column]).toBe(BigInt(first + column + 1))
      }
      starts.add(first)
    }
  }
  expect(starts.size).toBe(32 + 33 + 34)
})

test('held-out windows lie side by side, fill whole batches and are spread over the text', () => {
  const heldOut = [Uint8Array.from({ length: 81 }, (_, index) => index)]
  const firsts = (maxBatches: number, batch: number): number[] =>
    heldOutBatches(heldOut, { batch, context: 8 }, maxBatches).flatMap(({ inputs }) =>
      Array.from({ length: batch }, (_, row) => Number(inputs[row * 8])),
    )
  expect(firsts(100, 5)).toEqual([0, 8, 16, 24, 32, 40, 48, 56, 64, 72])
  expect(firsts(100, 3)).toHaveLength(9)
  expect(firsts(1, 2)).toEqual([0, 40])
  expect(firsts(100, 20)).toHaveLength(20)
  const [last] = heldOutBatches(heldOut, { batch: 10, context: 8 }, 1)
  expect(last!.targets.at(-1)).toBe(80n)
})

test('assignments are disjoint, cover all shards and are balanced', () => {
  const cases = fc.record({
    seed: fc.maxSafeNat(),
    members: fc.integer({ min: 1, max: 32 }),
    shardCount: fc.integer({ min: 1, max: 200 }),
  })
  fc.assert(
    fc.property(cases, ({ seed, members, shardCount }) => {
      const hands = Array.from({ length: members }, (_, slot) =>
        assignedShards({ seed, members, slot, shardCount }),
      )
      const sizes = hands.map((hand) => hand.length)
      expect(new Set(hands.flat()).size).toBe(shardCount)
      if (members <= shardCount) {
        expect(hands.flat()).toHaveLength(shardCount)
        expect(Math.max(...sizes) - Math.min(...sizes)).toBeLessThanOrEqual(1)
      } else {
        expect(sizes.every((size) => size === 1)).toBe(true)
      }
    }),
  )
})

test('the shards are dealt by seed and number of members, always the same way', () => {
  const hand = (seed: number, members = 4): number[] =>
    assignedShards({ seed, members, slot: 0, shardCount: 34 })
  expect(hand(1)).not.toEqual(hand(2))
  expect(hand(1)).not.toEqual(hand(1, 3).slice(0, 9))
  expect(hand(1)).toMatchInlineSnapshot(`
    [
      0,
      2,
      4,
      8,
      14,
      15,
      16,
      19,
      33,
    ]
  `)
})
