// Blockwise absmax quantization to 8 or 4 bits (aggregation/compressors/absmax.ts): per block an f32 scale, then the codes.

const smallestNormal: f32 = 1.1754943508222875e-38
/** 2¹¹²: no accumulated value is larger (aggregation/compressors/codec.ts). */
export const largestValue: f32 = 5.192296858534828e33

@inline
function recordBytes(length: i32, bits: i32): usize {
  return 4 + ((<usize>length * bits + 7) >> 3)
}

/** All bits but the sign, kept in a register (+ 0: see `lanes` in bf16.ts), where `f32x4.abs` would read them each time. */
@inline
export function magnitudeBits(length: i32): v128 {
  return i32x4.splat(0x7fffffff + (length >> 31))
}

/** into ← β residual + Δ, of four; their magnitudes. */
@inline
export function accumulateVector(
  betas: v128,
  magnitudes: v128,
  delta: usize,
  residual: usize,
  into: usize,
): v128 {
  const value = f32x4.add(f32x4.mul(betas, v128.load(residual)), v128.load(delta))
  v128.store(into, value)
  return v128.and(magnitudes, value)
}

/** into ← β residual + Δ; the largest magnitude as its bits, which order as magnitudes do, NaNs above all. */
@inline
function accumulateBlock(delta: usize, residual: usize, into: usize, beta: f32, length: i32): i32 {
  const betas = f32x4.splat(beta)
  const magnitudes = magnitudeBits(length)
  const last = into + (<usize>length << 2)
  let a = i32x4.splat(0)
  let b = a
  const whole = into + (<usize>(length & ~15) << 2)
  for (; into < whole; into += 64, residual += 64, delta += 64) {
    a = i32x4.max_s(a, accumulateVector(betas, magnitudes, delta, residual, into))
    b = i32x4.max_s(b, accumulateVector(betas, magnitudes, delta + 16, residual + 16, into + 16))
    a = i32x4.max_s(a, accumulateVector(betas, magnitudes, delta + 32, residual + 32, into + 32))
    b = i32x4.max_s(b, accumulateVector(betas, magnitudes, delta + 48, residual + 48, into + 48))
  }
  a = i32x4.max_s(a, b)
  a = i32x4.max_s(a, v128.shuffle<u32>(a, a, 2, 3, 0, 1))
  a = i32x4.max_s(a, v128.shuffle<u32>(a, a, 1, 0, 3, 2))
  let largest = i32x4.extract_lane(a, 0)
  for (; into < last; into += 4, residual += 4, delta += 4) {
    const value = beta * load<f32>(residual) + load<f32>(delta)
    store<f32>(into, value)
    largest = max<i32>(largest, reinterpret<i32>(abs<f32>(value)))
  }
  return largest
}

/** 1.5 · 2²³: an f32 that is added to it is rounded to an integer, ties to even, which is then in the low bits of the sum. */
const shifter: f32 = 12_582_912

/** Four codes as i32; `values` keeps what they do not say. */
@inline
function quantizeVector(values: usize, scales: v128, shifters: v128): v128 {
  const value = v128.load(values)
  const shifted = f32x4.add(f32x4.div(value, scales), shifters)
  v128.store(values, f32x4.sub(value, f32x4.mul(f32x4.sub(shifted, shifters), scales)))
  return i32x4.sub(shifted, shifters)
}

/** Sixteen codes as i8, likewise. */
@inline
function quantizeSixteen(values: usize, scales: v128, shifters: v128): v128 {
  return i8x16.narrow_i16x8_s(
    i16x8.narrow_i32x4_s(
      quantizeVector(values, scales, shifters),
      quantizeVector(values + 16, scales, shifters),
    ),
    i16x8.narrow_i32x4_s(
      quantizeVector(values + 32, scales, shifters),
      quantizeVector(values + 48, scales, shifters),
    ),
  )
}

/** The low nibbles of sixteen bytes as eight bytes, the first of a pair in the low half. */
@inline
function packNibbles(codes: v128): v128 {
  const pairs = v128.or(
    v128.and(codes, i16x8.splat(0x0f)),
    v128.and(i16x8.shr_u(codes, 4), i16x8.splat(0xf0)),
  )
  return i8x16.narrow_i16x8_u(pairs, pairs)
}

/** The record of a block whose largest magnitude is given; `values` keeps what it does not say. */
@inline
function writeBlock(
  values: usize,
  length: i32,
  magnitude: i32,
  bits: i32,
  peak: f32,
  shifters: v128,
  out: usize,
): void {
  const scale = reinterpret<f32>(magnitude) / peak
  if (!(scale >= smallestNormal)) {
    memory.fill(out, 0, recordBytes(length, bits))
    return
  }
  store<f32>(out, scale)
  const scales = f32x4.splat(scale)
  const end = values + (<usize>length << 2)
  let codes = out + 4
  for (const whole = values + (<usize>(length & ~15) << 2); values < whole; values += 64) {
    const sixteen = quantizeSixteen(values, scales, shifters)
    if (bits == 8) v128.store(codes, sixteen)
    else v128.store64_lane(codes, packNibbles(sixteen), 0)
    codes += <usize>bits << 1
  }
  for (let shift = 0; values < end; values += 4, shift ^= bits & 4) {
    const value = load<f32>(values)
    const code = <i32>nearest<f32>(value / scale)
    const before = shift == 0 ? 0 : load<u8>(codes)
    store<f32>(values, value - <f32>code * scale)
    store<u8>(codes, <u8>(before | ((code & ((1 << bits) - 1)) << shift)))
    if (bits == 8 || shift != 0) codes++
  }
}

/** `compressBlocks` of codes of `bits` bits; the largest magnitude as its bits. */
@inline
function compressAll(
  delta: usize,
  residual: usize,
  into: usize,
  beta: f32,
  n: i32,
  blockSize: i32,
  bits: i32,
  out: usize,
): i32 {
  const peak = <f32>((1 << (bits - 1)) - 1)
  // + 0, which no compiler can know: see `lanes` in bf16.ts.
  const shifters = f32x4.splat(shifter + <f32>(n >> 31))
  let length = min(blockSize, n)
  let magnitude = accumulateBlock(delta, residual, into, beta, length)
  let largest = magnitude
  // The next block is accumulated before this one is written, so that no code waits for its scale.
  for (let left = n - length; length > 0; ) {
    const bytes = <usize>length << 2
    const following = min(blockSize, left)
    left -= following
    delta += bytes
    residual += bytes
    const next = accumulateBlock(delta, residual, into + bytes, beta, following)
    largest = max<i32>(largest, next)
    writeBlock(into, length, magnitude, bits, peak, shifters, out)
    out += recordBytes(length, bits)
    into += bytes
    length = following
    magnitude = next
  }
  return largest
}

/**
 * into ← β residual + Δ, of which `n` values are quantized in blocks of `blockSize` (only the last may be shorter) to codes of
 * `bits` (8 or 4) bits; `into`, which may be Δ or `residual`, becomes what the codes do not say. Records follow one another at
 * `out`. 1, or 0 when a magnitude is above `limit`, as a NaN is: then `into` and records are of no use.
 */
export function compressBlocks(
  delta: usize,
  residual: usize,
  into: usize,
  beta: f32,
  limit: f32,
  n: i32,
  blockSize: i32,
  bits: i32,
  out: usize,
): i32 {
  const largest =
    bits == 8
      ? compressAll(delta, residual, into, beta, n, blockSize, 8, out)
      : compressAll(delta, residual, into, beta, n, blockSize, 4, out)
  return i32(largest <= reinterpret<i32>(limit))
}

/** Sixteen codes at `codes` as i8. */
@inline
function loadSixteen(codes: usize, bits: i32): v128 {
  if (bits == 8) return v128.load(codes)
  const pairs = v128.load64_zero(codes)
  const low = i8x16.shr_s(i8x16.shl(pairs, 4), 4)
  const high = i8x16.shr_s(pairs, 4)
  return v128.shuffle<i8>(low, high, 0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23)
}

@inline
function storeFour(codes: v128, scales: v128, into: usize): void {
  v128.store(into, f32x4.mul(f32x4.convert_i32x4_s(codes), scales))
}

@inline
function codeAt(codes: usize, entry: i32, bits: i32): i32 {
  if (bits == 8) return <i32>load<i8>(codes + <usize>entry)
  const byte = <i32>load<u8>(codes + <usize>(entry >> 1))
  return (byte << (28 - ((entry & 1) << 2))) >> 28
}

/** code · scale of a block's codes; the largest magnitude among the codes. */
function readCodes(codes: usize, length: i32, bits: i32, scale: f32, into: usize): i32 {
  const scales = f32x4.splat(scale)
  const whole = length & ~15
  // |−128| is 128 as u8, so the largest of all shows it.
  let largest = i8x16.splat(0)
  for (let entry = 0; entry < whole; entry += 16, into += 64) {
    const sixteen = loadSixteen(codes + ((<usize>entry * bits) >> 3), bits)
    largest = i8x16.max_u(largest, i8x16.abs(sixteen))
    const low = i16x8.extend_low_i8x16_s(sixteen)
    const high = i16x8.extend_high_i8x16_s(sixteen)
    storeFour(i32x4.extend_low_i16x8_s(low), scales, into)
    storeFour(i32x4.extend_high_i16x8_s(low), scales, into + 16)
    storeFour(i32x4.extend_low_i16x8_s(high), scales, into + 32)
    storeFour(i32x4.extend_high_i16x8_s(high), scales, into + 48)
  }
  largest = i8x16.max_u(largest, v128.shuffle<u64>(largest, largest, 1, 0))
  largest = i8x16.max_u(largest, i64x2.shr_u(largest, 32))
  largest = i8x16.max_u(largest, i64x2.shr_u(largest, 16))
  largest = i8x16.max_u(largest, i64x2.shr_u(largest, 8))
  let reached = <i32>i8x16.extract_lane_u(largest, 0)
  for (let entry = whole; entry < length; entry++, into += 4) {
    const code = codeAt(codes, entry, bits)
    reached = max(reached, abs<i32>(code))
    store<f32>(into, <f32>code * scale)
  }
  return reached
}

/**
 * Reads what `compressBlocks` writes; 0 for a record that it cannot have written: with a scale that no block has, a code
 * beyond the peak or none at it, codes behind a scale of zero, or padding that is not zero.
 */
export function readBlocks(bytes: usize, n: i32, blockSize: i32, bits: i32, into: usize): i32 {
  const peak = (1 << (bits - 1)) - 1
  for (let done = 0; done < n; done += blockSize) {
    const length = min(blockSize, n - done)
    const next = bytes + recordBytes(length, bits)
    const scale = load<f32>(bytes)
    const codes = bytes + 4
    if ((length * bits & 7) != 0 && load<u8>(next - 1) >> 4 != 0) return 0
    const isZero = load<u32>(bytes) == 0
    const largest = <f32>peak * scale
    const isScale = scale >= smallestNormal && largest <= largestValue && largest / <f32>peak == scale
    if (!isZero && !isScale) return 0
    if (readCodes(codes, length, bits, scale, into) != (isZero ? 0 : peak)) return 0
    into += <usize>length << 2
    bytes = next
  }
  return 1
}
