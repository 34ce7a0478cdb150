// Elementwise steps over f32 vectors of `n` elements at byte addresses in linear memory, sixteen at a time, then one by one.
// Every product, sum and difference is rounded to f32 by itself, as in the plain code: nothing is fused or reordered.

@inline
function wholeBytes(n: i32): usize {
  return (<usize>n & ~15) << 2
}

/** into ← start − end. `into` may be either. */
export function difference(start: usize, end: usize, into: usize, n: i32): void {
  const last = into + (<usize>n << 2)
  for (const whole = into + wholeBytes(n); into < whole; start += 64, end += 64, into += 64) {
    v128.store(into, f32x4.sub(v128.load(start), v128.load(end)))
    v128.store(into, f32x4.sub(v128.load(start, 16), v128.load(end, 16)), 16)
    v128.store(into, f32x4.sub(v128.load(start, 32), v128.load(end, 32)), 32)
    v128.store(into, f32x4.sub(v128.load(start, 48), v128.load(end, 48)), 48)
  }
  for (; into < last; start += 4, end += 4, into += 4) store<f32>(into, load<f32>(start) - load<f32>(end))
}

/** into ← first + second. */
export function sum(first: usize, second: usize, into: usize, n: i32): void {
  const last = into + (<usize>n << 2)
  for (const whole = into + wholeBytes(n); into < whole; first += 64, second += 64, into += 64) {
    v128.store(into, f32x4.add(v128.load(first), v128.load(second)))
    v128.store(into, f32x4.add(v128.load(first, 16), v128.load(second, 16)), 16)
    v128.store(into, f32x4.add(v128.load(first, 32), v128.load(second, 32)), 32)
    v128.store(into, f32x4.add(v128.load(first, 48), v128.load(second, 48)), 48)
  }
  for (; into < last; into += 4, first += 4, second += 4)
    store<f32>(into, load<f32>(first) + load<f32>(second))
}

@inline
function subtractBothWays(start: usize, end: usize, into: usize, back: usize): void {
  const value = f32x4.sub(v128.load(start), v128.load(end))
  v128.store(into, value)
  v128.store(back, f32x4.neg(value))
}

/** into ← start − end, back ← −into. `into` may be `start`, `back` may be `end`. */
export function differenceBothWays(start: usize, end: usize, into: usize, back: usize, n: i32): void {
  const last = into + (<usize>n << 2)
  for (const whole = into + wholeBytes(n); into < whole; start += 64, end += 64, into += 64, back += 64) {
    subtractBothWays(start, end, into, back)
    subtractBothWays(start + 16, end + 16, into + 16, back + 16)
    subtractBothWays(start + 32, end + 32, into + 32, back + 32)
    subtractBothWays(start + 48, end + 48, into + 48, back + 48)
  }
  for (; into < last; into += 4, start += 4, end += 4, back += 4) {
    const value = load<f32>(start) - load<f32>(end)
    store<f32>(into, value)
    store<f32>(back, -value)
  }
}

/** theta ← theta − alpha · delta. */
export function descend(theta: usize, delta: usize, alpha: f32, n: i32): void {
  const a = f32x4.splat(alpha)
  const last = theta + (<usize>n << 2)
  for (const whole = theta + wholeBytes(n); theta < whole; theta += 64, delta += 64) {
    v128.store(theta, f32x4.sub(v128.load(theta), f32x4.mul(a, v128.load(delta))))
    v128.store(theta, f32x4.sub(v128.load(theta, 16), f32x4.mul(a, v128.load(delta, 16))), 16)
    v128.store(theta, f32x4.sub(v128.load(theta, 32), f32x4.mul(a, v128.load(delta, 32))), 32)
    v128.store(theta, f32x4.sub(v128.load(theta, 48), f32x4.mul(a, v128.load(delta, 48))), 48)
  }
  for (; theta < last; theta += 4, delta += 4)
    store<f32>(theta, load<f32>(theta) - alpha * load<f32>(delta))
}

/** into ← β residual + Δ, `into` may be either; 1 when no magnitude of it is above `limit`, which a NaN is. */
export function accumulate(
  delta: usize,
  residual: usize,
  into: usize,
  beta: f32,
  limit: f32,
  n: i32,
): i32 {
  const b = f32x4.splat(beta)
  // Magnitudes order as the integers that their bits are, infinities and NaNs above all others.
  let largest = i32x4.splat(0)
  const last = into + (<usize>n << 2)
  for (const whole = into + wholeBytes(n); into < whole; into += 64, residual += 64, delta += 64) {
    const e0 = f32x4.add(f32x4.mul(b, v128.load(residual)), v128.load(delta))
    const e1 = f32x4.add(f32x4.mul(b, v128.load(residual, 16)), v128.load(delta, 16))
    const e2 = f32x4.add(f32x4.mul(b, v128.load(residual, 32)), v128.load(delta, 32))
    const e3 = f32x4.add(f32x4.mul(b, v128.load(residual, 48)), v128.load(delta, 48))
    v128.store(into, e0)
    v128.store(into, e1, 16)
    v128.store(into, e2, 32)
    v128.store(into, e3, 48)
    const low = i32x4.max_s(f32x4.abs(e0), f32x4.abs(e1))
    largest = i32x4.max_s(largest, i32x4.max_s(low, i32x4.max_s(f32x4.abs(e2), f32x4.abs(e3))))
  }
  let isWithin = !v128.any_true(i32x4.gt_s(largest, i32x4.splat(reinterpret<i32>(limit))))
  for (; into < last; into += 4, residual += 4, delta += 4) {
    const value = beta * load<f32>(residual) + load<f32>(delta)
    store<f32>(into, value)
    if (!(abs<f32>(value) <= limit)) isWithin = false
  }
  return i32(isWithin)
}

/**
 * into ← into + Σ weights[j] · values[j], j in order: `count` vectors whose addresses are listed at `starts`, so that
 * `into` is read and written once for all of them.
 */
export function addScaled(into: usize, starts: usize, weights: usize, count: i32, n: i32): void {
  let offset: usize = 0
  const last = into + (<usize>n << 2)
  const lastWeight = weights + (<usize>count << 2)
  for (const whole = into + wholeBytes(n); into < whole; into += 64, offset += 64) {
    let a = v128.load(into)
    let b = v128.load(into, 16)
    let c = v128.load(into, 32)
    let d = v128.load(into, 48)
    for (let weight = weights, start = starts; weight < lastWeight; weight += 4, start += 4) {
      const w = v128.load32_splat(weight)
      const at = <usize>load<u32>(start) + offset
      a = f32x4.add(a, f32x4.mul(w, v128.load(at)))
      b = f32x4.add(b, f32x4.mul(w, v128.load(at, 16)))
      c = f32x4.add(c, f32x4.mul(w, v128.load(at, 32)))
      d = f32x4.add(d, f32x4.mul(w, v128.load(at, 48)))
    }
    v128.store(into, a)
    v128.store(into, b, 16)
    v128.store(into, c, 32)
    v128.store(into, d, 48)
  }
  for (; into < last; into += 4, offset += 4) {
    let sum = load<f32>(into)
    for (let weight = weights, start = starts; weight < lastWeight; weight += 4, start += 4)
      sum += load<f32>(weight) * load<f32>(<usize>load<u32>(start) + offset)
    store<f32>(into, sum)
  }
}

/** into[indices[i] − base] += weight · values[i], for `entries` of them in order. */
export function addScaledAt(
  into: usize,
  indices: usize,
  values: usize,
  entries: i32,
  base: u32,
  weight: f32,
): void {
  for (const last = indices + (<usize>entries << 2); indices < last; indices += 4, values += 4) {
    const place = into + (<usize>(load<u32>(indices) - base) << 2)
    store<f32>(place, load<f32>(place) + weight * load<f32>(values))
  }
}

/** 1 when all are finite: x − x is +0 for a finite x and NaN otherwise. */
export function allFinite(values: usize, n: i32): i32 {
  let poison0 = i32x4.splat(0)
  let poison1 = i32x4.splat(0)
  const last = values + (<usize>n << 2)
  for (const whole = values + wholeBytes(n); values < whole; values += 64) {
    const a = v128.load(values)
    const b = v128.load(values, 16)
    const c = v128.load(values, 32)
    const d = v128.load(values, 48)
    poison0 = v128.or(poison0, v128.or(f32x4.sub(a, a), f32x4.sub(b, b)))
    poison1 = v128.or(poison1, v128.or(f32x4.sub(c, c), f32x4.sub(d, d)))
  }
  let rest: u32 = 0
  for (; values < last; values += 4) {
    const value = load<f32>(values)
    rest |= reinterpret<u32>(value - value)
  }
  return i32(!v128.any_true(v128.or(poison0, poison1)) && rest == 0)
}
