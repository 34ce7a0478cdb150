// Unpacks a SparseLoCo contribution whose indices are Rice-coded (aggregation/compressors/sparse-loco-rice.ts), checking that it
// is canonical.

import { codePadding, isMagnitudePair } from './sparse-loco-reader'

/**
 * Reads the records of `n` parameters in chunks of `chunkSize`, which all are whole; the first parameter is number `base`, `b`
 * the Rice parameter, and no byte from `last` on belongs to them. Returns the bytes read, or −1 when a record is not one
 * that the writer can have written.
 */
export function readRiceChunks(
  bytes: usize,
  last: usize,
  base: u32,
  n: i32,
  chunkSize: i32,
  k: i32,
  b: i32,
  indices: usize,
  values: usize,
): i32 {
  const start = bytes
  const codeBytes = (<usize>k + 3) >> 2
  for (let done = 0; done < n; done += chunkSize) {
    const codes = bytes + 8
    const list = codes + codeBytes
    if (list >= last || !isMagnitudePair(bytes) || codePadding(codes, k) != 0) return -1
    const end = readIndices(list, last, chunkSize, k, b, base + done, indices)
    if (end == 0 || !readValues(bytes, codes, k, values)) return -1
    bytes = end
    indices += <usize>k << 2
    values += <usize>k << 2
  }
  return <i32>(bytes - start)
}

/** More than any list takes, and little enough that no index overflows. */
const mostListBytes: usize = 8_192

/** Where the list ends, or 0: an index outside of the chunk, a list that is cut short, padding that is not zero. */
function readIndices(
  list: usize,
  last: usize,
  length: i32,
  entries: i32,
  b: i32,
  base: u32,
  indices: usize,
): usize {
  const bits = <i32>min<usize>(last - list, mostListBytes) << 3
  const mask = (1 << b) - 1
  let position = 0
  let expected = 0
  for (const end = indices + (<usize>entries << 2); indices < end; indices += 4) {
    let word = load<u64>(list + <usize>(position >> 3)) >> <u64>(position & 7)
    let one = position
    while (word == 0) {
      // At least 57 zero bits. Those beyond the list are somebody else's, and the check below sees that they were read.
      one = (one & ~7) + 64
      if (one >= bits) return 0
      word = load<u64>(list + <usize>(one >> 3))
    }
    one += <i32>ctz<u64>(word)
    const low = <i32>(load<u32>(list + <usize>((one + 1) >> 3)) >> (<u32>(one + 1) & 7)) & mask
    const index = expected + ((one - position) << b) + low
    position = one + 1 + b
    if (index >= length || position > bits) return 0
    store<u32>(indices, base + index)
    expected = index + 1
  }
  const padding = (position & 7) == 0 ? 0 : load<u8>(list + <usize>(position >> 3)) >> <u8>(position & 7)
  return padding == 0 ? list + ((<usize>position + 7) >> 3) : 0
}

function readValues(bytes: usize, codes: usize, entries: i32, values: usize): bool {
  const low = load<u32>(bytes)
  const high = load<u32>(bytes, 4)
  let largeCount = 0
  let wrong = 0
  for (let entry = 0; entry < entries; entry++, values += 4) {
    const code = load<u8>(codes + <usize>(entry >> 2)) >> <u8>((entry & 3) << 1)
    const isLarge = (code >> 1) & 1
    const magnitude = isLarge ? high : low
    const sign = <u32>(code & 1)
    wrong |= i32((sign != 0) & (magnitude == 0))
    largeCount += isLarge
    store<u32>(values, magnitude | (sign << 31))
  }
  return wrong == 0 && high > low == largeCount > 0 && largeCount < entries
}
