/**
 * Philox4x32-10, a counter-based generator (Salmon et al., "Parallel random numbers: as easy as 1, 2, 3", SC'11):
 * a pure function of (key, counter), in integers only, so that any draw of a run can be recomputed alone, in any
 * order, on any host, with the same bits.
 */
export type Counter = readonly [number, number, number, number]

const multiply0 = 0xd2511f53
const multiply1 = 0xcd9e8d57
const weyl0 = 0x9e3779b9
const weyl1 = 0xbb67ae85

/** High 32 bits of the 64-bit product of two uint32, without BigInt. */
function multiplyHigh(a: number, b: number): number {
  const aLow = a & 0xffff
  const aHigh = a >>> 16
  const bLow = b & 0xffff
  const bHigh = b >>> 16
  const low = aLow * bLow
  const middle1 = aHigh * bLow + (low >>> 16)
  const middle2 = aLow * bHigh + (middle1 & 0xffff)
  return (aHigh * bHigh + Math.floor(middle1 / 65536) + Math.floor(middle2 / 65536)) >>> 0
}

/** Four uint32 for a 64-bit key and a 128-bit counter, both given as uint32 words. */
export function philox4x32(
  key: readonly [number, number],
  counter: Counter,
): [number, number, number, number] {
  let [c0, c1, c2, c3] = [counter[0] >>> 0, counter[1] >>> 0, counter[2] >>> 0, counter[3] >>> 0]
  let [k0, k1] = [key[0] >>> 0, key[1] >>> 0]
  for (let round = 0; round < 10; round++) {
    const high0 = multiplyHigh(multiply0, c0)
    const low0 = Math.imul(multiply0, c0) >>> 0
    const high1 = multiplyHigh(multiply1, c2)
    const low1 = Math.imul(multiply1, c2) >>> 0
    c0 = (high1 ^ c1 ^ k0) >>> 0
    c1 = low1
    c2 = (high0 ^ c3 ^ k1) >>> 0
    c3 = low0
    k0 = (k0 + weyl0) >>> 0
    k1 = (k1 + weyl1) >>> 0
  }
  return [c0, c1, c2, c3]
}

/** What a stream of draws is for: two purposes never share a counter. */
export const streams = {
  initialWeights: 1,
  batch: 2,
  sampling: 3,
  audit: 4,
  simulation: 5,
  shards: 6,
  rows: 7,
} as const

export type Stream = keyof typeof streams

/**
 * The uint32 draws of one stream at one place, as an endless iterator-like function.
 * `seed` is an unsigned safe integer; `place` names where (for a batch: round, worker slot, step), each a uint32.
 */
export function drawsAt(seed: number, stream: Stream, place: readonly [number, number]): () => number {
  const key: [number, number] = [
    seed >>> 0,
    Math.floor(seed / 2 ** 32) ^ Math.imul(streams[stream], 0x85ebca6b),
  ]
  let block = 0
  let buffered: readonly number[] = []
  let next = 4
  return () => {
    if (next === 4) {
      buffered = philox4x32(key, [block++, place[0], place[1], streams[stream]])
      next = 0
    }
    return buffered[next++]!
  }
}

/** An integer in [0, bound) from a uint32 draw, by multiplication (Lemire 2019, without the rejection: bias ≤ bound / 2³²). */
export function below(bound: number, draw: number): number {
  return multiplyHigh(draw >>> 0, bound >>> 0)
}
