import fc from 'fast-check'
import { expect, test } from 'vitest'
import { headerBytes } from '../compressors/format-header.ts'
import { sparseLoCoRice } from '../compressors/sparse-loco-rice.ts'
import { expectSameBits, kernels, values } from './fixtures/vectors.ts'
import { useKernels } from './kernels.ts'

const layout = fc
  .record({
    chunkSize: fc.oneof(fc.integer({ min: 1, max: 70 }), fc.constantFrom(256, 1000, 4096)),
    density: fc.constantFrom(0, 1 / 64, 1 / 32, 0.1, 0.5, 1),
  })
  .map(({ chunkSize, density }) => ({ chunkSize, k: Math.max(1, Math.floor(chunkSize * density)) }))
const length = fc.oneof(
  { weight: 15, arbitrary: fc.integer({ min: 1, max: 600 }) },
  { weight: 1, arbitrary: fc.constantFrom(65_536, 70_001) },
)
const family = fc.constantFrom('noise' as const, 'ties' as const, 'zeros' as const, 'tiny' as const)

/** Few large values far apart: gaps of more zero bits than a word has. */
function gapped(length: number, seed: number): Float32Array {
  const gaps = new Float32Array(length)
  for (let index = seed % 97; index < length; index += 1 + ((seed >> 3) % 4095)) gaps[index] = 1 + (index % 3)
  return gaps
}

test('Rice-coded SparseLoCo: the same update', () => {
  fc.assert(
    fc.property(layout, length, family, fc.nat(), fc.boolean(), (layout, length, family, seed, hasGaps) => {
      const compressor = sparseLoCoRice({ ...layout, beta: 0 })
      const delta = hasGaps ? gapped(length, seed) : values(seed, length, family)
      const { bytes } = compressor.compress(delta, new Float32Array(length))
      const wanted = compressor.decompress(bytes, length)
      const found = kernels.readRiceChunks(bytes.subarray(headerBytes), layout, length)!
      if (wanted.kind !== 'sparse') throw new Error('SparseLoCo names places')
      expectSameBits(found.indices, wanted.indices)
      expectSameBits(found.values, wanted.values)
    }),
    { numRuns: 120 },
  )
})

test('a damaged contribution is refused by the one reader as by the other', () => {
  let refused = 0
  const cases = fc.constantFrom(
    { chunkSize: 9, k: 5, parameterCount: 9 * 3 + 4 },
    { chunkSize: 64, k: 2, parameterCount: 64 * 3 },
    { chunkSize: 300, k: 1, parameterCount: 601 },
    { chunkSize: 16, k: 16, parameterCount: 35 },
  )
  const places = fc.array(fc.nat(), { maxLength: 3 })
  fc.assert(
    fc.property(
      cases,
      places,
      fc.integer({ min: -3, max: 3 }),
      ({ chunkSize, k, parameterCount }, places, more) => {
        const compressor = sparseLoCoRice({ chunkSize, k, beta: 0 })
        const given = values(5, parameterCount, 'noise')
        const { bytes } = compressor.compress(given, new Float32Array(parameterCount))
        const damaged = new Uint8Array(bytes.length + more)
        damaged.set(bytes.subarray(0, damaged.length))
        const bits = (damaged.length - headerBytes) * 8
        for (const place of places) damaged[headerBytes + ((place % bits) >> 3)]! ^= 1 << (place & 7)
        const found = kernels.readRiceChunks(damaged.subarray(headerBytes), { chunkSize, k }, parameterCount)
        if (found === null) refused++
        const read = () => compressor.decompress(damaged, parameterCount)
        if (found === null) expect(read).toThrow(expect.objectContaining({ code: 'CONTRIBUTION_MALFORMED' }))
        else expect(found).toEqual(read())
      },
    ),
    { numRuns: 2000 },
  )
  expect(refused).toBeGreaterThan(500)
})

test('any bytes are refused, or mean the same to both', () => {
  const config = { chunkSize: 20, k: 3, beta: 0 }
  const compressor = sparseLoCoRice(config)
  const { bytes } = compressor.compress(values(1, 41, 'noise'), new Float32Array(41))
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 60 }), fc.boolean(), (body, isCalm) => {
      // Magnitudes that are in order, so that it comes to the indices.
      if (isCalm) body.set([0, 0, 128, 63, 0, 0, 0, 64].slice(0, body.length))
      const given = new Uint8Array([...bytes.subarray(0, headerBytes), ...body])
      const found = kernels.readRiceChunks(body, config, 41)
      const read = () => compressor.decompress(given, 41)
      if (found === null) expect(read).toThrow(expect.objectContaining({ code: 'CONTRIBUTION_MALFORMED' }))
      else expect(found).toEqual(read())
    }),
    { numRuns: 1000 },
  )
})

test('once in use, it reads what the compressor writes, and what is malformed is refused with the reason', () => {
  useKernels(kernels)
  const compressor = sparseLoCoRice({ chunkSize: 4096, k: 64, beta: 0 })
  const { bytes } = compressor.compress(values(1, 10_000, 'noise'), new Float32Array(10_000))
  const found = compressor.decompress(bytes, 10_000)
  const read = () => compressor.decompress(bytes.subarray(0, -1), 10_000)
  expect(read).toThrow(/cut short/)
  useKernels(null)
  expect(found).toEqual(compressor.decompress(bytes, 10_000))
})
