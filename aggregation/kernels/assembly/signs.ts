// One bit a value and the mean magnitude of its block (aggregation/compressors/sign.ts): per block an f32 scale, then the bits.

import { accumulateBlock, largestValue } from './absmax'

@inline
function recordBytes(length: i32): usize {
  return 4 + ((<usize>length + 7) >> 3)
}

/** Σ |value| in double precision in index order. */
@inline
function sumOf(values: usize, length: i32): f64 {
  let sum: f64 = 0
  for (const end = values + (<usize>length << 2); values < end; values += 4)
    sum += <f64>abs<f32>(load<f32>(values))
  return sum
}

@inline
function addPairs(sums: v128, pairs: v128): v128 {
  return f64x2.add(
    f64x2.add(sums, f64x2.promote_low_f32x4(pairs)),
    f64x2.promote_low_f32x4(v128.shuffle<u64>(pairs, pairs, 1, 0)),
  )
}

/** The first four of one and four of another, one after the other, onto their two sums. */
@inline
function addFours(sums: v128, a: usize, b: usize): v128 {
  const first = f32x4.abs(v128.load(a))
  const second = f32x4.abs(v128.load(b))
  sums = addPairs(sums, v128.shuffle<u32>(first, second, 0, 4, 1, 5))
  return addPairs(sums, v128.shuffle<u32>(first, second, 2, 6, 3, 7))
}

/** As `writeBlock`, of four blocks at a time: each sum waits for the addition before, so that four take as long as one. */
@inline
function writeFour(values: usize, length: i32, out: usize): void {
  const bytes = <usize>length << 2
  let ab = f64x2.splat(0)
  let cd = ab
  for (let at = values; at < values + bytes; at += 16) {
    ab = addFours(ab, at, at + bytes)
    cd = addFours(cd, at + 2 * bytes, at + 3 * bytes)
  }
  const record = recordBytes(length)
  writeBlock(values, length, f64x2.extract_lane(ab, 0), out)
  writeBlock(values + bytes, length, f64x2.extract_lane(ab, 1), out + record)
  writeBlock(values + 2 * bytes, length, f64x2.extract_lane(cd, 0), out + 2 * record)
  writeBlock(values + 3 * bytes, length, f64x2.extract_lane(cd, 1), out + 3 * record)
}

/** All ones in the lanes that are below zero; `values` keeps what ±scale does not say. */
@inline
function takeSigns(values: usize, scales: v128): v128 {
  const value = v128.load(values)
  const isNegative = f32x4.lt(value, f32x4.splat(0))
  const sent = v128.or(scales, i32x4.shl(isNegative, 31))
  v128.store(values, f32x4.sub(value, sent))
  return isNegative
}

/** The record of a block whose magnitudes have the sum `sum`; `values` keeps what it does not say. */
function writeBlock(values: usize, length: i32, sum: f64, out: usize): void {
  const scale = <f32>(sum / <f64>length)
  if (scale == 0) {
    memory.fill(out, 0, recordBytes(length))
    return
  }
  store<f32>(out, scale)
  const scales = f32x4.splat(scale)
  let codes = out + 4
  const end = values + (<usize>length << 2)
  for (const whole = values + (<usize>(length & ~15) << 2); values < whole; values += 64, codes += 2) {
    const low = i16x8.narrow_i32x4_s(takeSigns(values, scales), takeSigns(values + 16, scales))
    const high = i16x8.narrow_i32x4_s(takeSigns(values + 32, scales), takeSigns(values + 48, scales))
    store<u16>(codes, <u16>i8x16.bitmask(i8x16.narrow_i16x8_s(low, high)))
  }
  for (let entry = 0; values < end; values += 4, entry++) {
    const value = load<f32>(values)
    const isNegative = i32(value < 0)
    store<f32>(values, value - (isNegative ? -scale : scale))
    const code = codes + <usize>(entry >> 3)
    const before = (entry & 7) == 0 ? 0 : load<u8>(code)
    store<u8>(code, <u8>(before | (isNegative << (entry & 7))))
  }
}

/**
 * into ← β residual + Δ, of which `n` values become signs in blocks of `blockSize` (only the last may be shorter); `into`, which
 * may be `residual`, becomes what they do not say. Records follow one another at `out`. 1, or 0 when a magnitude is above
 * `limit`, as a NaN is: then `into` and records are of no use.
 */
export function compressSigns(
  delta: usize,
  residual: usize,
  into: usize,
  beta: f32,
  limit: f32,
  n: i32,
  blockSize: i32,
  out: usize,
): i32 {
  let largest = 0
  for (let done = 0; done < n; ) {
    const fours = (blockSize & 3) == 0 && n - done >= 4 * blockSize
    const length = fours ? 4 * blockSize : min(blockSize, n - done)
    largest = max<i32>(largest, accumulateBlock(delta, residual, into, beta, length))
    if (fours) writeFour(into, blockSize, out)
    else writeBlock(into, length, sumOf(into, length), out)
    const bytes = <usize>length << 2
    delta += bytes
    residual += bytes
    into += bytes
    out += fours ? 4 * recordBytes(blockSize) : recordBytes(length)
    done += length
  }
  return i32(largest <= reinterpret<i32>(limit))
}

/** ±scale, negative where the bit is one that the lane picks. */
@inline
function signed(codes: v128, picked: v128, scales: v128): v128 {
  return v128.or(scales, i32x4.shl(i32x4.ne(v128.and(codes, picked), i32x4.splat(0)), 31))
}

/**
 * Reads what `compressSigns` writes; 0 for a record that it cannot have written: with a scale that no block has, bits behind a
 * scale of zero, or padding that is not zero.
 */
export function readSigns(bytes: usize, n: i32, blockSize: i32, into: usize): i32 {
  for (let done = 0; done < n; done += blockSize) {
    const length = min(blockSize, n - done)
    const next = bytes + recordBytes(length)
    const end = into + (<usize>length << 2)
    const scale = load<f32>(bytes)
    const isZero = load<u32>(bytes) == 0
    if ((length & 7) != 0 && load<u8>(next - 1) >> <u8>(length & 7) != 0) return 0
    if (!isZero && !(scale > 0 && scale <= largestValue)) return 0
    let codes = bytes + 4
    let any: u32 = 0
    const scales = f32x4.splat(scale)
    for (const whole = into + (<usize>(length & ~15) << 2); into < whole; into += 64, codes += 2) {
      const sixteen = <u32>load<u16>(codes)
      any |= sixteen
      const lanes = i32x4.splat(sixteen)
      v128.store(into, signed(lanes, i32x4(1, 2, 4, 8), scales))
      v128.store(into, signed(lanes, i32x4(16, 32, 64, 128), scales), 16)
      v128.store(into, signed(lanes, i32x4(256, 512, 1024, 2048), scales), 32)
      v128.store(into, signed(lanes, i32x4(4096, 8192, 16384, 32768), scales), 48)
    }
    for (let entry = 0; into < end; into += 4, entry++) {
      const code = (<u32>load<u8>(codes + <usize>(entry >> 3)) >> (entry & 7)) & 1
      any |= code
      store<f32>(into, code != 0 ? -scale : scale)
    }
    if (isZero && any != 0) return 0
    bytes = next
  }
  return 1
}
