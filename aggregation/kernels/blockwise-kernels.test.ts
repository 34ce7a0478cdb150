import fc from 'fast-check'
import { expect, test } from 'vitest'
import { int4, int8 } from '../compressors/absmax.ts'
import { largestMagnitude } from '../compressors/codec.ts'
import { headerBytes } from '../compressors/format-header.ts'
import { sign } from '../compressors/sign.ts'
import { expectSameBits, kernels, laid, lift, values, where } from './fixtures/vectors.ts'
import { useKernels } from './kernels.ts'

const bits = fc.constantFrom(1 as const, 4 as const, 8 as const)
const blockSize = fc.oneof(fc.integer({ min: 1, max: 70 }), fc.constantFrom(128, 4096))
const length = fc.oneof({ weight: 15, arbitrary: fc.nat(600) }, { weight: 1, arbitrary: fc.constant(40_003) })
const family = fc.constantFrom('noise' as const, 'ties' as const, 'zeros' as const, 'tiny' as const)
const compressorOf = (bits: 1 | 4 | 8, blockSize: number, beta = 0) =>
  ({ 1: sign, 4: int4, 8: int8 })[bits]({ blockSize, beta })

test('sign, int4 and int8: the same records, the same rest, and the same values of them', () => {
  fc.assert(
    fc.property(
      bits,
      blockSize,
      length,
      family,
      fc.nat(),
      where,
      (bits, blockSize, length, family, seed, where) => {
        // From below the smallest scale to near the largest value, so that scales are cut off at both ends.
        const exponent = (seed % 240) - 130
        const given = [seed, seed + 1].map((seed) =>
          values(seed, length, family).map((value) => value * 2 ** exponent),
        ) as [Float32Array, Float32Array]
        const [delta, kept, found] = laid(where, ...given, new Float32Array(length))
        const into = [delta, kept, found][(seed >> 4) % 3]!
        const beta = Math.fround([0, 0.95, 1][seed % 3]!)
        const compressor = compressorOf(bits, blockSize, beta)
        const { bytes, residual } = compressor.compress(...given)
        const records = new Uint8Array(bytes.length - headerBytes).fill(0xff)
        const layout = { blockSize, bits }
        expect(kernels.compressBlocks(delta, kept, into, beta, largestMagnitude, layout, records)).toBe(true)
        expectSameBits(records, bytes.subarray(headerBytes))
        expectSameBits(into, residual)
        expect(kernels.readBlocks(records, layout, found)).toBe(true)
        expectSameBits(found, compressor.decompress(bytes, length).values)
        lift()
      },
    ),
    { numRuns: 300 },
  )
})

test.each([16, 32, 128, 4096])(
  'magnitudes of %i whose sum no double holds are summed in index order',
  (size) => {
    // 2²⁴ + 1 lies halfway between two f32; one by one the others are lost on it, and together they would tip it over.
    const delta = new Float32Array(size).fill(2 ** -30)
    delta.set([2 ** 24, -1])
    const { bytes, residual } = sign({ blockSize: size, beta: 1 }).compress(delta, new Float32Array(size))
    const kept = new Float32Array(size)
    const records = new Uint8Array(bytes.length - headerBytes)
    const layout = { blockSize: size, bits: 1 as const }
    expect(kernels.compressBlocks(delta, kept, kept, 1, largestMagnitude, layout, records)).toBe(true)
    expect(new DataView(records.buffer).getFloat32(0, true)).toBe(2 ** 24 / size)
    expectSameBits(records, bytes.subarray(headerBytes))
    expectSameBits(kept, residual)
  },
)

test('values within the bound whose sum is beyond it are sent', () => {
  const delta = new Float32Array(300).fill(largestMagnitude)
  const wanted = sign().compress(delta, new Float32Array(300))
  const kept = new Float32Array(300)
  const records = new Uint8Array(wanted.bytes.length - headerBytes)
  const layout = { blockSize: 128, bits: 1 as const }
  expect(kernels.compressBlocks(delta, kept, kept, 1, largestMagnitude, layout, records)).toBe(true)
  expectSameBits(records, wanted.bytes.subarray(headerBytes))
})

test('one value beyond the bound, or that is none, is found wherever it is', () => {
  const wrong = fc.constantFrom(
    2 ** 113,
    -(2 ** 113),
    Number.NaN,
    Number.POSITIVE_INFINITY,
    Number.NEGATIVE_INFINITY,
  )
  fc.assert(
    fc.property(bits, blockSize, length, fc.nat(), wrong, (bits, blockSize, length, place, wrong) => {
      const delta = values(3, length + 1, 'noise')
      const records = new Uint8Array(compressorOf(bits, blockSize).maxBytes(delta.length) - headerBytes)
      const compress = () => {
        const kept = new Float32Array(delta.length)
        return kernels.compressBlocks(delta, kept, kept, 1, largestMagnitude, { blockSize, bits }, records)
      }
      expect(compress()).toBe(true)
      delta[place % delta.length] = wrong
      expect(compress()).toBe(false)
    }),
    { numRuns: 60 },
  )
})

test('an update that is not finite is refused with the kernels as without', () => {
  const delta = values(5, 10_000, 'noise')
  delta[7_777] = Number.NaN
  const compressor = compressorOf(8, 128)
  for (const engine of [kernels, null]) {
    useKernels(engine)
    const compress = () => compressor.compress(delta, compressor.init(delta.length))
    expect(compress).toThrow(expect.objectContaining({ code: 'UPDATE_NOT_FINITE' }))
  }
})

test('damaged records are refused by the one reader as by the other', () => {
  let refused = 0
  fc.assert(
    fc.property(
      bits,
      fc.constantFrom(1, 3, 8),
      fc.array(fc.nat(), { maxLength: 3 }),
      fc.option(
        fc.constantFrom(0, 1, 2 ** -127, 2 ** 112, 2 ** 105, -0, -1, Number.NaN, Number.POSITIVE_INFINITY),
      ),
      (bits, blockSize, places, scale) => {
        const compressor = compressorOf(bits, blockSize)
        const { bytes } = compressor.compress(values(7, 10, 'noise'), compressor.init(10))
        const records = bytes.subarray(headerBytes)
        if (scale !== null) new DataView(bytes.buffer).setFloat32(headerBytes, scale, true)
        for (const place of places) records[(place >> 3) % records.length]! ^= 1 << (place & 7)
        const found = new Float32Array(10)
        const isCanonical = kernels.readBlocks(records, { blockSize, bits }, found)
        if (!isCanonical) refused++
        const read = () => compressor.decompress(bytes, 10)
        if (isCanonical) expectSameBits(found, read().values)
        else expect(read).toThrow(expect.objectContaining({ code: 'CONTRIBUTION_MALFORMED' }))
      },
    ),
    { numRuns: 2000 },
  )
  expect(refused).toBeGreaterThan(500)
})
