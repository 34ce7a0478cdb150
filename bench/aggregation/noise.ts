/** Fills a vector with what is roughly normal, and the same every time. */
export function fillWithNoise(values: Float32Array, seed: number): Float32Array {
  let x = seed
  for (let index = 0; index < values.length; index++) {
    let sum = -2
    for (let part = 0; part < 4; part++) {
      x = (Math.imul(x, 1664525) + 1013904223) >>> 0
      sum += x / 2 ** 32
    }
    values[index] = sum
  }
  return values
}
