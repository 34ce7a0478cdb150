// Unpacks a SparseLoCo contribution (aggregation/contribution-format.ts), checking that it is canonical.

/**
 * Reads the records of `n` parameters in chunks of `chunkSize`, of which only the last may be shorter; the first parameter
 * is number `base`. Returns the entries written to `indices` and `values`, or −1 when a record is not one that the writer
 * can have written.
 */
export function readChunks(
  bytes: usize,
  base: u32,
  n: i32,
  chunkSize: i32,
  k: i32,
  indices: usize,
  values: usize,
): i32 {
  const start = indices
  for (let done = 0; done < n; done += chunkSize) {
    const length = min(chunkSize, n - done)
    const entries = min(k, length)
    const codes = bytes + 8 + ((<usize>entries * 12 + 7) >> 3)
    if (!isCanonical(bytes, codes, entries)) return -1
    if (!readRecord(bytes, codes, entries, length, base + done, indices, values)) return -1
    bytes = codes + ((<usize>entries + 3) >> 2)
    indices += <usize>entries << 2
    values += <usize>entries << 2
  }
  return <i32>((indices - start) >> 2)
}

/** Magnitudes finite, not negative, not −0 and in order. */
export function isMagnitudePair(bytes: usize): bool {
  const high = load<u32>(bytes, 4)
  return load<u32>(bytes) <= high && high < 0x7f800000
}

function isCanonical(bytes: usize, codes: usize, entries: i32): bool {
  const padding = ((entries & 1) != 0 ? load<u8>(codes - 1) >> 4 : 0) | codePadding(codes, entries)
  return isMagnitudePair(bytes) && padding == 0
}

export function codePadding(codes: usize, entries: i32): u8 {
  const used = (entries << 1) & 7
  return used == 0 ? 0 : load<u8>(codes + (<usize>entries >> 2)) >> <u8>used
}

function readRecord(
  bytes: usize,
  codes: usize,
  entries: i32,
  length: i32,
  base: u32,
  indices: usize,
  values: usize,
): bool {
  const low = load<u32>(bytes)
  const high = load<u32>(bytes, 4)
  let previous = -1
  let largeCount = 0
  let wrong = 0
  for (let entry = 0; entry < entries; entry++) {
    const pair = <i32>load<u16>(bytes + 8 + <usize>((entry * 3) >> 1))
    const index = (entry & 1) == 0 ? pair & 0xfff : pair >> 4
    const code = load<u8>(codes + <usize>(entry >> 2)) >> <u8>((entry & 3) << 1)
    const isLarge = (code >> 1) & 1
    const magnitude = isLarge ? high : low
    const sign = <u32>(code & 1)
    wrong |= i32(index <= previous) | i32((sign != 0) & (magnitude == 0))
    previous = index
    largeCount += isLarge
    store<u32>(indices + (<usize>entry << 2), base + index)
    store<u32>(values + (<usize>entry << 2), magnitude | (sign << 31))
  }
  return wrong == 0 && previous < length && high > low == largeCount > 0 && largeCount < entries
}
