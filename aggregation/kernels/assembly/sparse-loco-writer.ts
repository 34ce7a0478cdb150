// e ← β e + Δ, top-k, quantization and packing of a SparseLoCo contribution (aggregation/sparse-loco.ts), chunk by chunk.

import { keyBytes, selectLargest, selectionBytes } from './top-k'

/** Bytes of `work`: what the selection needs, and the places of a chunk. */
export const writerWorkBytes: usize = selectionBytes + 4096 * 2

/**
 * Compresses `n` parameters in chunks of `chunkSize`, of which only the last may be shorter. `into`, which may be `residual`,
 * becomes the new error feedback, the chunks' records follow one another at `out`. Returns the bytes written, or −1 when the
 * accumulator is not finite.
 */
export function compressChunks(
  delta: usize,
  residual: usize,
  into: usize,
  beta: f32,
  n: i32,
  chunkSize: i32,
  k: i32,
  out: usize,
  work: usize,
): i32 {
  const start = out
  const places = work + selectionBytes
  for (let done = 0; done < n; done += chunkSize) {
    const length = min(chunkSize, n - done)
    const entries = min(k, length)
    const blockVectors = blockVectorsFor(length, entries)
    if (accumulate(delta, residual, into, beta, length, blockVectors, work)) return -1
    selectLargest(work, (length + 3) >> 2, blockVectors, entries, places)
    out = writeRecord(into, places, entries, out)
    delta += <usize>length << 2
    residual += <usize>length << 2
    into += <usize>length << 2
  }
  return <i32>(out - start)
}

/**
 * Vectors of a block of the selection: four lanes make four maxima, so a chunk has about three or more for each entry that is
 * selected. Whole multiples of four where it can be, which is how many `accumulate` takes at a time.
 */
function blockVectorsFor(length: i32, entries: i32): i32 {
  const vectors = min(16, length / (3 * entries))
  return vectors >= 4 ? vectors & ~3 : max(1, vectors)
}

@inline
function accumulateVector(betas: v128, delta: usize, residual: usize, into: usize, key: usize): v128 {
  const value = f32x4.add(f32x4.mul(betas, v128.load(residual)), v128.load(delta))
  v128.store(into, value)
  v128.store(key, f32x4.abs(value))
  return value
}

/** into ← β residual + Δ; its keys and their block maxima go to `work`. True when something is not finite. */
function accumulate(
  delta: usize,
  residual: usize,
  into: usize,
  beta: f32,
  n: i32,
  blockVectors: i32,
  work: usize,
): bool {
  const betas = f32x4.splat(beta)
  const whole = work + (<usize>(n & ~3) << 2)
  const blockBytes = <usize>blockVectors << 4
  let maxima = work + keyBytes
  let keys = work
  let largest = i32x4.splat(-1)
  let largestOfAll = i32x4.splat(-1)
  while (keys < whole) {
    const end = min(keys + blockBytes, whole)
    largest = i32x4.splat(-1)
    for (; keys + 64 <= end; keys += 64, delta += 64, residual += 64, into += 64) {
      const a = f32x4.abs(accumulateVector(betas, delta, residual, into, keys))
      const b = f32x4.abs(accumulateVector(betas, delta + 16, residual + 16, into + 16, keys + 16))
      const c = f32x4.abs(accumulateVector(betas, delta + 32, residual + 32, into + 32, keys + 32))
      const d = f32x4.abs(accumulateVector(betas, delta + 48, residual + 48, into + 48, keys + 48))
      largest = i32x4.max_s(largest, i32x4.max_s(i32x4.max_s(a, b), i32x4.max_s(c, d)))
    }
    for (; keys < end; keys += 16, delta += 16, residual += 16, into += 16)
      largest = i32x4.max_s(largest, f32x4.abs(accumulateVector(betas, delta, residual, into, keys)))
    v128.store(maxima, largest)
    maxima += 16
    largestOfAll = i32x4.max_s(largestOfAll, largest)
  }
  const rest = n & 3
  if (rest != 0) {
    v128.store(keys, i32x4.splat(-1))
    for (let lane = 0; lane < rest; lane++, delta += 4, residual += 4, into += 4) {
      const value = beta * load<f32>(residual) + load<f32>(delta)
      store<f32>(into, value)
      store<f32>(keys + (<usize>lane << 2), abs<f32>(value))
    }
    // The short vector belongs to the last block, or begins one.
    const joins = (n >> 2) % blockVectors != 0
    const last = v128.load(keys)
    if (joins) v128.store(maxima - 16, i32x4.max_s(largest, last))
    else v128.store(maxima, last)
    largestOfAll = i32x4.max_s(largestOfAll, last)
  }
  // The keys of infinities and NaNs are the highest of all.
  return v128.any_true(i32x4.ge_s(largestOfAll, i32x4.splat(0x7f800000)))
}

@inline
function magnitudeAt(values: usize, places: usize, entry: i32): f64 {
  return abs<f64>(<f64>load<f32>(values + (<usize>load<u16>(places + (<usize>entry << 1)) << 2)))
}

/** Quantizes the chosen entries of a chunk, writes its record and takes what it says off `values`. Where the record ends. */
function writeRecord(values: usize, places: usize, entries: i32, out: usize): usize {
  let sum: f64 = 0
  for (let entry = 0; entry < entries; entry++) sum += magnitudeAt(values, places, entry)
  const mean = sum / <f64>entries
  let lowSum: f64 = 0
  let highSum: f64 = 0
  let highCount = 0
  for (let entry = 0; entry < entries; entry++) {
    const magnitude = magnitudeAt(values, places, entry)
    const isLarge = magnitude > mean
    // Adding +0 to a sum that is not negative changes nothing.
    highSum += isLarge ? magnitude : 0
    lowSum += isLarge ? 0 : magnitude
    highCount += i32(isLarge)
  }
  const low = <f32>(lowSum / <f64>(entries - highCount))
  const high = highCount > 0 ? <f32>(highSum / <f64>highCount) : low
  store<f32>(out, low)
  store<f32>(out, high, 4)
  const indices = out + 8
  const codes = indices + ((<usize>entries * 12 + 7) >> 3)
  for (let entry = 0; entry < entries; entry++) {
    const place = <u32>load<u16>(places + (<usize>entry << 1))
    const at = values + (<usize>place << 2)
    const value = load<f32>(at)
    const isLarge = <f64>abs<f32>(value) > mean
    const scale = isLarge ? high : low
    const isNegative = i32(value < 0) & i32(scale > 0)
    store<f32>(at, value - (isNegative ? -scale : scale))
    const index = indices + <usize>((entry * 3) >> 1)
    if ((entry & 1) == 0) store<u16>(index, <u16>place)
    else {
      store<u8>(index, <u8>(load<u8>(index) | (place << 4)))
      store<u8>(index, <u8>(place >> 4), 1)
    }
    const code = codes + <usize>(entry >> 2)
    const before = (entry & 3) == 0 ? 0 : load<u8>(code)
    store<u8>(code, <u8>(before | ((isNegative | (i32(isLarge) << 1)) << ((entry & 3) << 1))))
  }
  return codes + ((<usize>entries + 3) >> 2)
}
