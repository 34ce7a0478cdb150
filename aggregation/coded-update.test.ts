import fc from 'fast-check'
import { afterEach, expect, test } from 'vitest'
import { readerOf } from './coded-update.ts'
import { int4, int8 } from './compressors/absmax.ts'
import { sign } from './compressors/sign.ts'
import { expectSameBits, kernels, values } from './kernels/fixtures/vectors.ts'
import { useKernels } from './kernels/kernels.ts'
import { median } from './rules/median.ts'
import { weightedMean } from './rules/weighted-mean.ts'
import { normOf } from './update.ts'

afterEach(() => useKernels(null))

const compressors = [int8, int4, sign]

/** Contributions of `count` members, read with the kernels or without. */
function round(count: number, length: number, blockSize: number) {
  const sent = Array.from({ length: count }, (_, member) => {
    const compressor = compressors[member % 3]!({ blockSize, beta: 0 })
    const { bytes } = compressor.compress(values(member, length, 'noise'), new Float32Array(length))
    return { compressor, bytes }
  })
  return () =>
    sent.map(({ compressor, bytes }, member) => {
      return { update: compressor.decompress(bytes, length), tokens: 1 + member }
    })
}

test('updates that stay as they were sent have the same norms, mean and median, and are never written out', () => {
  const blockSize = fc.constantFrom(1, 7, 100, 128, 4096)
  const length = fc.constantFrom(4096, 5001, 16_384, 40_003)
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 18 }), length, blockSize, (count, length, blockSize) => {
      useKernels(null)
      const decode = round(count, length, blockSize)
      const plain = decode()
      expect(plain.every(({ update }) => readerOf(update) === null)).toBe(true)
      const [mean, middle] = [weightedMean, median].map((rule) => rule.aggregate(plain, length, []))
      useKernels(kernels)
      const coded = decode()
      expectSameBits(weightedMean.aggregate(coded, length, []), mean!)
      expectSameBits(median.aggregate(coded, length, []), middle!)
      expect(coded.map(({ update }) => normOf(update))).toEqual(plain.map(({ update }) => normOf(update)))
      expect(coded.every(({ update }) => readerOf(update) !== null)).toBe(true)
      coded.forEach(({ update }, member) => {
        expectSameBits(update.values, plain[member]!.update.values)
      })
      expect(coded.every(({ update }) => readerOf(update) === null)).toBe(true)
      expectSameBits(weightedMean.aggregate(coded, length, []), mean!)
    }),
    { numRuns: 15 },
  )
})

test('values that were asked for are the update, whatever becomes of them', () => {
  useKernels(kernels)
  const [given] = round(1, 5000, 128)()
  const { update } = given!
  const copy = { ...given!, update: { ...update, values: new Float32Array(5000).fill(2) } }
  expect(new Set(weightedMean.aggregate([copy], 5000, []))).toEqual(new Set([2]))
  expect(update.values).toBe(update.values)
  update.values.fill(3)
  expect(new Set(weightedMean.aggregate([given!], 5000, []))).toEqual(new Set([3]))
  expect(normOf(update)).toBeCloseTo(3 * Math.sqrt(5000))
})
