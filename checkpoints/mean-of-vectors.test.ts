import fc from 'fast-check'
import { expect, test } from 'vitest'
import { meanOfVectors } from './mean-of-vectors.ts'

async function* each(vectors: readonly Float32Array[]) {
  yield* vectors
}
const mean = (...vectors: readonly Float32Array[]) => meanOfVectors(each(vectors))
const finite = fc.float({ noNaN: true, noDefaultInfinity: true })
const bits = (vector: Float32Array) => [...new Uint32Array(vector.slice().buffer)]

test('what is equal in all vectors comes back to the bit: zeros of both signs and subnormals, too', async () => {
  const vector = fc.array(fc.oneof(finite, fc.constantFrom(0, -0, 1e-45, 3.4028234663852886e38)))
  await fc.assert(
    fc.asyncProperty(vector, fc.integer({ min: 1, max: 64 }), async (values, count) => {
      const same = Float32Array.from(values)
      expect(bits(await mean(...Array.from({ length: count }, () => same)))).toEqual(bits(same))
    }),
  )
})

test('each element lies between its least and its greatest, half an ulp off the exact mean of two', async () => {
  const pairs = fc.array(fc.tuple(finite, finite), { minLength: 1 })
  await fc.assert(
    fc.asyncProperty(pairs, fc.integer({ min: 1, max: 32 }), async (values, times) => {
      const [first, second] = [0, 1].map((side) => Float32Array.from(values, (pair) => pair[side]!))
      const many = await mean(...Array.from({ length: times }, () => [first!, second!]).flat())
      for (const [index, [a, b]] of values.entries()) {
        expect(many[index]).toBeGreaterThanOrEqual(Math.min(a, b))
        expect(many[index]).toBeLessThanOrEqual(Math.max(a, b))
      }
      const two = await mean(first!, second!)
      expect(two).toEqual(Float32Array.from(values, ([a, b]) => (a + b) / 2))
    }),
  )
})

test('sums are in double precision and in the order given, and round to f32 once', async () => {
  const of = (...values: number[]) => values.map((value) => Float32Array.of(value))
  // In f32 each addition of a quarter of an ulp would be lost.
  const quarter = 2 ** -25
  expect(await mean(...of(1, ...Array<number>(7).fill(1 + 2 ** -23)))).toEqual(
    Float32Array.of(1 + 7 * 2 ** -26),
  )
  expect(await mean(...of(4, quarter, quarter, -4))).toEqual(Float32Array.of(quarter / 2))
  expect(await mean(...of(2 ** 100, 1, -(2 ** 100)))).toEqual(Float32Array.of(0))
  expect(await mean(...of(2 ** 100, -(2 ** 100), 1))).toEqual(Float32Array.of(1 / 3))
})

test('the vectors given are left as they are, and used one at a time', async () => {
  const scratch = new Float32Array(2)
  const reused = async function* () {
    for (const value of [1, 2, 6]) yield scratch.fill(value)
  }
  expect(await meanOfVectors(reused())).toEqual(Float32Array.of(3, 3))
  expect(scratch).toEqual(Float32Array.of(6, 6))
})

test.each([[Number.NaN], [Number.POSITIVE_INFINITY], [Number.NEGATIVE_INFINITY]])(
  '%d is refused, in whichever vector',
  async (value) => {
    const [good, bad] = [Float32Array.of(1, 2), Float32Array.of(1, value)]
    for (const vectors of [
      [good, bad],
      [bad, good],
      [bad, Float32Array.of(1, -value)],
    ])
      await expect(mean(...vectors)).rejects.toMatchObject({ code: 'AVERAGE_NOT_FINITE' })
  },
)

test('vectors of two lengths, or none at all, are a fault of ours', async () => {
  await expect(mean()).rejects.toThrow('invariant')
  await expect(mean(new Float32Array(2), new Float32Array(3))).rejects.toThrow('invariant')
})
