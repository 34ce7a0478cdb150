// One bit a value and the mean magnitude of its block (aggregation/compressors/sign.ts): per block an f32 scale, then the bits.

import { accumulateVector, largestValue, magnitudeBits } from './absmax'

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

function areWithin(values: usize, limit: f32, length: i32): bool {
  for (const end = values + (<usize>length << 2); values < end; values += 4)
    if (!(abs<f32>(load<f32>(values)) <= limit)) return false
  return true
}

@inline
function addLow(sums: v128, values: v128): v128 {
  return f64x2.add(sums, f64x2.promote_low_f32x4(values))
}

@inline
function addHigh(sums: v128, values: v128): v128 {
  return addLow(sums, v128.shuffle<u64>(values, values, 1, 0))
}

/**
 * into ← β residual + Δ; Σ |value| in double precision in index order.
 *
 * Four sums side by side are faster, and equal where nothing is rounded. All magnitudes are multiples of the last place of the
 * least, which is 2⁻²⁴ of it at least, and doubles hold all such multiples up to 2⁵³ of them. A sum that is rounded is larger, and
 * those that follow can only grow: so where the last is at most 2⁵², none was rounded, in any order.
 */
@inline
function accumulateSum(delta: usize, residual: usize, into: usize, beta: f32, length: i32): f64 {
  const betas = f32x4.splat(beta)
  const magnitudes = magnitudeBits(length)
  const values = into
  const last = into + (<usize>length << 2)
  let leasts = magnitudes
  let lows = f64x2.splat(0)
  let highs = lows
  const whole = into + (<usize>(length & ~15) << 2)
  for (; into < whole; into += 64, residual += 64, delta += 64) {
    const a = accumulateVector(betas, magnitudes, delta, residual, into)
    const b = accumulateVector(betas, magnitudes, delta + 16, residual + 16, into + 16)
    lows = addLow(addLow(lows, a), b)
    highs = addHigh(addHigh(highs, a), b)
    const c = accumulateVector(betas, magnitudes, delta + 32, residual + 32, into + 32)
    const d = accumulateVector(betas, magnitudes, delta + 48, residual + 48, into + 48)
    lows = addLow(addLow(lows, c), d)
    highs = addHigh(addHigh(highs, c), d)
    leasts = i32x4.min_u(leasts, i32x4.min_u(i32x4.min_u(a, b), i32x4.min_u(c, d)))
  }
  leasts = i32x4.min_u(leasts, v128.shuffle<u32>(leasts, leasts, 2, 3, 0, 1))
  leasts = i32x4.min_u(leasts, v128.shuffle<u32>(leasts, leasts, 1, 0, 3, 2))
  lows = f64x2.add(lows, highs)
  let least = <u32>i32x4.extract_lane(leasts, 0)
  let sum = f64x2.extract_lane(lows, 0) + f64x2.extract_lane(lows, 1)
  for (; into < last; into += 4, residual += 4, delta += 4) {
    const value = beta * load<f32>(residual) + load<f32>(delta)
    const magnitude = abs<f32>(value)
    store<f32>(into, value)
    least = min<u32>(least, reinterpret<u32>(magnitude))
    sum += <f64>magnitude
  }
  return sum <= <f64>reinterpret<f32>(least) * <f64>(1 << 28) ? sum : sumOf(values, length)
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
 * may be Δ or `residual`, becomes what they do not say. Records follow one another at `out`. 1, or 0 when a magnitude is above
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
  let length = min(blockSize, n)
  let sum = accumulateSum(delta, residual, into, beta, length)
  // The next block is accumulated before this one is written, so that no sign waits for its scale.
  for (let left = n - length; length > 0; ) {
    const bytes = <usize>length << 2
    const following = min(blockSize, left)
    left -= following
    delta += bytes
    residual += bytes
    const next = accumulateSum(delta, residual, into + bytes, beta, following)
    if (!(sum <= <f64>limit) && !areWithin(into, limit, length)) return 0
    writeBlock(into, length, sum, out)
    out += recordBytes(length)
    into += bytes
    length = following
    sum = next
  }
  return 1
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
