// bfloat16 in integers: round to nearest, ties to even; a NaN keeps its upper half and becomes quiet. Eight values at a
// time, then one by one: what lies behind the last is somebody else's.

/**
 * `value` in all lanes, as something that the compiler cannot know: it would write the constant into the loop, where engines
 * build it anew in each turn, which takes longer than the rounding. `n` is not negative.
 */
@inline
function lanes(value: i32, n: i32): v128 {
  return i32x4.splat(value | (n >> 31))
}

@inline
function upperHalves(bits: v128, half: v128, quietBit: v128): v128 {
  const upper = i32x4.shr_u(bits, 16)
  const odd = i32x4.shr_u(i32x4.shl(bits, 15), 31)
  const rounded = i32x4.shr_u(i32x4.add(i32x4.add(bits, half), odd), 16)
  return v128.bitselect(v128.or(upper, quietBit), rounded, f32x4.ne(bits, bits))
}

@inline
function upperHalf(bits: u32): u32 {
  if ((bits & 0x7fffffff) > 0x7f800000) return (bits >> 16) | 0x40
  return (bits + 0x7fff + ((bits >> 16) & 1)) >> 16
}

@inline
function wholeBytes(n: i32): usize {
  return (<usize>n & ~7) << 2
}

/** `n` values of f32 to their bf16, two bytes each. */
export function packBf16(values: usize, into: usize, n: i32): void {
  const half = lanes(0x7fff, n)
  const quietBit = lanes(0x40, n)
  const end = values + (<usize>n << 2)
  for (const whole = values + wholeBytes(n); values < whole; values += 32, into += 16) {
    const low = upperHalves(v128.load(values), half, quietBit)
    const high = upperHalves(v128.load(values, 16), half, quietBit)
    v128.store(into, i16x8.narrow_i32x4_u(low, high))
  }
  for (; values < end; values += 4, into += 2) store<u16>(into, <u16>upperHalf(load<u32>(values)))
}

/** The inverse: `n` bf16 to f32. */
export function unpackBf16(packed: usize, into: usize, n: i32): void {
  const end = into + (<usize>n << 2)
  for (const whole = into + wholeBytes(n); into < whole; packed += 16, into += 32) {
    const halves = v128.load(packed)
    v128.store(into, i32x4.shl(i32x4.extend_low_i16x8_u(halves), 16))
    v128.store(into, i32x4.shl(i32x4.extend_high_i16x8_u(halves), 16), 16)
  }
  for (; into < end; packed += 2, into += 4) store<u32>(into, <u32>load<u16>(packed) << 16)
}

/** `packBf16`, and every value becomes what its two bytes say. */
export function roundAndPackBf16(values: usize, into: usize, n: i32): void {
  const half = lanes(0x7fff, n)
  const quietBit = lanes(0x40, n)
  const end = values + (<usize>n << 2)
  for (const whole = values + wholeBytes(n); values < whole; values += 32, into += 16) {
    const low = upperHalves(v128.load(values), half, quietBit)
    const high = upperHalves(v128.load(values, 16), half, quietBit)
    v128.store(values, i32x4.shl(low, 16))
    v128.store(values, i32x4.shl(high, 16), 16)
    v128.store(into, i16x8.narrow_i32x4_u(low, high))
  }
  for (; values < end; values += 4, into += 2) {
    const upper = upperHalf(load<u32>(values))
    store<u32>(values, upper << 16)
    store<u16>(into, <u16>upper)
  }
}
