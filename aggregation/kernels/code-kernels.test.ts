import fc from 'fast-check'
import { expect, test } from 'vitest'
import { decodeCodes, encodeCodes } from '../compressors/adaptive-codes.ts'
import { deadZoneQuantizer } from '../compressors/dead-zone.ts'
import { expectSameBits, kernels, values } from './fixtures/vectors.ts'
import { useKernels } from './kernels.ts'

/** Mostly zeros, some of them large, in runs. */
function codesOf(seed: number, length: number, largest: number): Int16Array {
  let x = seed >>> 0
  const next = (below: number): number => {
    x = (Math.imul(x, 1664525) + 1013904223) >>> 0
    return (x >>> 8) % below
  }
  let odds = 2
  return Int16Array.from({ length }, () => {
    if (next(40) === 0) odds = 1 + next(9)
    const magnitude =
      next(odds + 2) === 0 ? (next(60) === 0 ? next(largest + 1) : 1 + (next(4) & next(4))) : 0
    return Math.min(magnitude, largest) * (next(2) === 0 ? 1 : -1)
  })
}

const length = fc.oneof(
  { weight: 9, arbitrary: fc.integer({ min: 0, max: 3000 }) },
  { weight: 1, arbitrary: fc.constantFrom(199_999, 200_001, 450_000) },
)
const largest = fc.constantFrom(1, 3, 80, 1280)

test('the same bytes, and from them the same codes', () => {
  fc.assert(
    fc.property(
      length,
      largest,
      fc.nat(),
      fc.integer({ min: 0, max: 9 }),
      (length, largest, seed, offset) => {
        const codes = codesOf(seed, length, largest)
        const [wanted, found] = [new Uint8Array(3 * length + 20_000), new Uint8Array(3 * length + 20_000)]
        const end = encodeCodes(codes, wanted, offset)
        expect(kernels.encodeCodes(codes, found, offset)).toBe(end)
        expectSameBits(found, wanted)
        const read = new Int16Array(length).fill(7)
        expect(kernels.decodeCodes(found.subarray(0, end), offset, read, largest)).toBe(end)
        expect(Buffer.compare(Buffer.from(read.buffer), Buffer.from(codes.buffer))).toBe(0)
      },
    ),
    { numRuns: 60 },
  )
})

test('more bytes than pass at a time: codes so large that they take millions of decisions', () => {
  const codes = codesOf(1, 12_000, 1280).map((code, index) => (index % 5 === 0 ? 1280 - (index % 300) : code))
  const bytes = new Uint8Array(8_000_000)
  const end = kernels.encodeCodes(codes, bytes, 0)!
  expect(end).toBe(encodeCodes(codes, new Uint8Array(8_000_000), 0))
  const read = new Int16Array(codes.length)
  expect(kernels.decodeCodes(bytes.subarray(0, end), 0, read, 1280)).toBe(end)
  expect(read).toEqual(codes)
})

test('damaged bytes are refused by the one reader as by the other, or mean the same to both', () => {
  let refused = 0
  fc.assert(
    fc.property(
      fc.nat(),
      fc.array(fc.nat(), { maxLength: 3 }),
      fc.integer({ min: -3, max: 3 }),
      (seed, places, more) => {
        const bytes = new Uint8Array(4000)
        const end = encodeCodes(codesOf(seed, 300, 6), bytes, 0)
        const damaged = bytes.slice(0, end + more)
        for (const place of places) damaged[place % damaged.length]! ^= 1 << (place & 7)
        const [found, wanted] = [new Int16Array(300), new Int16Array(300)]
        const read = () => decodeCodes(damaged, 0, wanted, 6)
        const to = kernels.decodeCodes(damaged, 0, found, 6)
        if (to === null) {
          refused++
          expect(read).toThrow(expect.objectContaining({ code: 'CONTRIBUTION_MALFORMED' }))
        } else {
          expect(read()).toBe(to)
          expect(found).toEqual(wanted)
        }
      },
    ),
    { numRuns: 1000 },
  )
  expect(refused).toBeGreaterThan(200)
})

test('once in use, averages have the same bytes, and what is malformed is refused with the reason', () => {
  const quantizer = deadZoneQuantizer({ step: 0.8, beta: 1 })
  const given = values(3, 30_000, 'noise')
  const plain = quantizer.compress(given, quantizer.init(given.length)).bytes
  useKernels(kernels)
  try {
    const { bytes } = quantizer.compress(given, quantizer.init(given.length))
    expectSameBits(bytes, plain)
    expect(() => quantizer.decompress(bytes.subarray(0, -2000), given.length)).toThrow(/cut short/)
    const update = quantizer.decompress(bytes, given.length)
    useKernels(null)
    expectSameBits(update.values, quantizer.decompress(bytes, given.length).values)
  } finally {
    useKernels(null)
  }
})
