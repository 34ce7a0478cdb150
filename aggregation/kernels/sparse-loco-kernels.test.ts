import fc from 'fast-check'
import { expect, test } from 'vitest'
import { contributionBytes, headerBytes } from '../contribution-format.ts'
import { sparseLoCo } from '../sparse-loco.ts'
import { expectSameBits, kernels, laid, lift, pair, values, where } from './fixtures/vectors.ts'

const layout = fc
  .record({
    chunkSize: fc.oneof(fc.integer({ min: 1, max: 70 }), fc.constantFrom(256, 1000, 4096)),
    density: fc.constantFrom(0, 1 / 64, 1 / 32, 0.1, 0.5, 1),
  })
  .map(({ chunkSize, density }) => ({ chunkSize, k: Math.max(1, Math.floor(chunkSize * density)) }))

test('SparseLoCo: the same contribution, the same error feedback, and the same update of it', () => {
  fc.assert(
    fc.property(
      layout,
      pair,
      fc.constantFrom(0, 0.5, 0.95, 1),
      fc.nat(2),
      where,
      (layout, given, beta, place, where) => {
        const compressor = sparseLoCo({ ...layout, beta })
        const expected = compressor.compress(...given)
        const [delta, residual, fresh] = laid(where, ...given, new Float32Array(given[0].length))
        const into = [delta, residual, fresh][place]!
        const records = new Uint8Array(contributionBytes(layout, delta.length) - headerBytes).fill(0xff)
        expect(kernels.compressChunks(delta, residual, into, Math.fround(beta), layout, records)).toBe(true)
        expectSameBits(records, expected.bytes.subarray(headerBytes))
        expectSameBits(into, expected.residual)
        const update = kernels.readChunks(records, layout, delta.length)!
        const plain = compressor.decompress(expected.bytes, delta.length)
        if (plain.kind !== 'sparse') throw new Error('SparseLoCo names places')
        expectSameBits(update.indices, plain.indices)
        expectSameBits(update.values, plain.values)
        lift()
      },
    ),
    { numRuns: 250 },
  )
})

test('a damaged contribution is refused by the one reader as by the other', () => {
  const layout = { chunkSize: 9, k: 5 }
  const parameterCount = 9 * 3 + 4
  const compressor = sparseLoCo({ ...layout, beta: 0 })
  const { bytes } = compressor.compress(values(5, parameterCount, 'noise'), new Float32Array(parameterCount))
  const place = fc.integer({ min: headerBytes * 8, max: bytes.length * 8 - 1 })
  let refused = 0
  fc.assert(
    fc.property(fc.array(place, { minLength: 1, maxLength: 3 }), (bits) => {
      const damaged = bytes.slice()
      for (const bit of bits) damaged[bit >> 3]! ^= 1 << (bit & 7)
      const found = kernels.readChunks(damaged.subarray(headerBytes), layout, parameterCount)
      try {
        expect(found).toEqual(compressor.decompress(damaged, parameterCount))
      } catch (error) {
        if (found !== null) throw error
        refused++
      }
    }),
    { numRuns: 2000 },
  )
  expect(refused).toBeGreaterThan(500)
})

test('a record whose entries are all large is refused', () => {
  const layout = { chunkSize: 4, k: 1 }
  const records = new Uint8Array(contributionBytes(layout, 4) - headerBytes)
  const view = new DataView(records.buffer)
  const read = (low: number, high: number, code: number) => {
    view.setFloat32(0, low, true)
    view.setFloat32(4, high, true)
    view.setUint8(10, code)
    return kernels.readChunks(records, layout, 4)
  }
  expect(read(1, 1, 0)).not.toBeNull()
  expect(read(1, 2, 2)).toBeNull()
})
