import { invariant } from '../../protocol/errors.ts'
import { readerOf } from '../coded-update.ts'
import type { Update } from '../update.ts'
import { areas, blockLength, forBlocks } from './kernel-module.ts'
import type { KernelModules } from './kernel-modules.ts'
import type { Kernels } from './kernels.ts'

/** What the values of a block may take together, in elements: half of a mebibyte stays in the cache. */
const manyLength = 131_072

/** More would leave blocks of a few cache lines. */
const maxRanked = 1024

/** Coordinate-wise order statistics. */
export function rankKernels({ anywhere }: KernelModules): Pick<Kernels, 'meanOfRanks'> {
  const { exports, a, many, bytes } = anywhere
  return {
    meanOfRanks: (into, updates, first, last, zero) => {
      const count = updates.length
      if (count > maxRanked) return false
      invariant(first >= 0 && first < last && last <= count, 'ranks of these updates')
      const length = Math.min(blockLength, Math.floor(manyLength / count) & ~15)
      const network = Uint16Array.from(sortingNetwork(count).flat())
      bytes.set(new Uint8Array(network.buffer), areas.work)
      const column = areas.work + Math.ceil(network.byteLength / 16) * 16
      const cursors = new Uint32Array(count)
      forBlocks(into.length, length, (start, end) => {
        for (let member = 0; member < count; member++) {
          const block = many.subarray(member * length, member * length + (end - start))
          cursors[member] = spread(updates[member]!, start, end, cursors[member]!, block)
        }
        exports.meanOfRanks(
          areas.a,
          areas.b,
          length * 4,
          count,
          end - start,
          first,
          last,
          zero,
          areas.work,
          network.length / 2,
          column,
        )
        into.set(a.subarray(0, end - start), start)
      })
      return true
    },
  }
}

/** Writes the values of [start, end) to `block`, absent ones as zeros; `entry` is the first of a sparse update's, then the next. */
function spread(update: Update, start: number, end: number, entry: number, block: Float32Array): number {
  if (update.kind === 'dense') {
    const read = readerOf(update)
    if (read === null) block.set(update.values.subarray(start, end))
    else read(start, block)
    return entry
  }
  const { indices, values } = update
  block.fill(0)
  let next = entry
  for (; next < indices.length && indices[next]! < end; next++) block[indices[next]! - start] = values[next]!
  return next
}

/** Batcher's merge exchange for any number of values (Knuth, The Art of Computer Programming 3, 5.2.2, algorithm M). */
export function sortingNetwork(count: number): readonly (readonly [number, number])[] {
  const pairs: (readonly [number, number])[] = []
  const highest = count < 2 ? 0 : 2 ** (Math.ceil(Math.log2(count)) - 1)
  for (let p = highest; p > 0; p >>= 1) {
    let [q, r, distance] = [highest, 0, p]
    for (;;) {
      for (let low = 0; low < count - distance; low++) if ((low & p) === r) pairs.push([low, low + distance])
      if (q === p) break
      distance = q - p
      q >>= 1
      r = p
    }
  }
  return pairs
}
