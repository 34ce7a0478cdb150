// Inner products of updates of signs (aggregation/compressors/sign.ts), without decoding them.

/** Bits that differ in eight bytes. A processor counts those of a word in one instruction, those of a vector in many. */
@inline
function ones(a: usize, b: usize): i64 {
  return popcnt<i64>(load<i64>(a) ^ load<i64>(b))
}

/** Places at which `length` bits differ; padding is zero in both. */
@inline
function differing(a: usize, b: usize, length: i32): i32 {
  const end = a + ((<usize>length + 7) >> 3)
  let count: i64 = 0
  for (; a + 32 <= end; a += 32, b += 32)
    count += ones(a, b) + ones(a + 8, b + 8) + (ones(a + 16, b + 16) + ones(a + 24, b + 24))
  for (; a + 8 <= end; a += 8, b += 8) count += ones(a, b)
  for (; a < end; a++, b++) count += popcnt<i64>(<i64>(load<u8>(a) ^ load<u8>(b)))
  return <i32>count
}

/**
 * sums[j] ← sums[j] + ⟨x₀, xⱼ⟩ for j < `count`, over `n` values in blocks of `blockSize`: block by block in order, in double
 * precision. The records of xⱼ begin at `records + j · stride`.
 */
export function addSignProducts(
  records: usize,
  stride: usize,
  count: i32,
  n: i32,
  blockSize: i32,
  sums: usize,
): void {
  for (let member = 0; member < count; member++, sums += 8) {
    let a = records
    let b = records + <usize>member * stride
    let sum = load<f64>(sums)
    for (let done = 0; done < n; done += blockSize) {
      const length = min(blockSize, n - done)
      const scales = <f64>load<f32>(a) * <f64>load<f32>(b)
      sum += scales * <f64>(length - 2 * differing(a + 4, b + 4, length))
      const bytes: usize = 4 + ((<usize>length + 7) >> 3)
      a += bytes
      b += bytes
    }
    store<f64>(sums, sum)
  }
}
