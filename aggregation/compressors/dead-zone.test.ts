import fc from 'fast-check'
import { expect, test } from 'vitest'
import { below, drawsAt } from '../../protocol/random.ts'
import { toDense } from '../update.ts'
import { decodeCodes, encodeCodes } from './adaptive-codes.ts'
import { deadZoneQuantizer, expectedBytes } from './dead-zone.ts'
import { mostBitsOfDecision, mostFlushBytes } from './range-coder.ts'

const codesOf = fc.array(
  fc.oneof(
    { weight: 4, arbitrary: fc.constant(0) },
    fc.integer({ min: -3, max: 3 }),
    fc.integer({ min: -90, max: 90 }),
  ),
  { maxLength: 300 },
)

test('codes come back as they were, and take no more than their decisions may', () => {
  fc.assert(
    fc.property(codesOf, (list) => {
      const codes = Int16Array.from(list)
      const decisions = list.reduce((sum, code) => sum + (code === 0 ? 1 : 2 + Math.abs(code)), 0)
      const room = Math.ceil((decisions * mostBitsOfDecision) / 8) + mostFlushBytes
      const bytes = new Uint8Array(room + 3)
      const end = encodeCodes(codes, bytes, 3)
      expect(end).toBeLessThanOrEqual(bytes.length)
      const read = new Int16Array(codes.length)
      expect(decodeCodes(bytes.subarray(0, end), 3, read, 90)).toBe(end)
      expect(read).toEqual(codes)
    }),
    { numRuns: 300 },
  )
})

test('long runs of 255 and carries into them', () => {
  // Nothing but ones keeps the number as high as it gets; a zero at the end brings the carry.
  for (let length = 1; length < 400; length++) {
    const codes = Int16Array.from({ length }, (_, index) => (index === length - 1 ? 0 : -2))
    const bytes = new Uint8Array(4 * length + 40)
    const end = encodeCodes(codes, bytes, 0)
    const read = new Int16Array(length)
    expect(decodeCodes(bytes.subarray(0, end), 0, read, 2)).toBe(end)
    expect(read).toEqual(codes)
  }
})

/** Spread like a Laplacian: the logarithm of a uniform value, of either sign. */
function laplacian(count: number): Float32Array {
  const draw = drawsAt(7, 'batch', [0, 0])
  const unit = () => (1 + below(2 ** 24, draw())) / 2 ** 24
  return Float32Array.from({ length: count }, () => Math.log(unit()) * (unit() < 0.5 ? -1 : 1))
}

test.each([0.3, 0.8, 1.5])(
  'values spread like a Laplacian take the bytes that are expected: step %d',
  (step) => {
    const quantizer = deadZoneQuantizer({ step, beta: 1 })
    const values = laplacian(60_000)
    const { bytes } = quantizer.compress(values, quantizer.init(values.length))
    const ratio = bytes.length / expectedBytes(values.length, step)
    expect(ratio).toBeGreaterThan(0.99)
    expect(ratio).toBeLessThan(1.03)
  },
)

test('where large values are near each other they take less', () => {
  const quantizer = deadZoneQuantizer({ step: 0.8, beta: 1 })
  const values = laplacian(40_000)
  const bytesOf = (of: Float32Array) => quantizer.compress(of, quantizer.init(of.length)).bytes.length
  const gathered = values.slice().sort((a, b) => Math.abs(a) - Math.abs(b))
  expect(bytesOf(gathered)).toBeLessThan(0.7 * bytesOf(values))
})

test('what is left is half a step at most, or less than is sent at all', () => {
  const quantizer = deadZoneQuantizer({ step: 1, beta: 1 })
  const values = laplacian(4096)
  const { bytes, residual } = quantizer.compress(values, quantizer.init(4096))
  const sent = toDense(quantizer.decompress(bytes, 4096))
  const rms = Math.sqrt(values.reduce((sum, value) => sum + value * value, 0) / 4096)
  for (const [index, left] of residual.entries())
    expect(Math.abs(left) / rms).toBeLessThan(sent[index] === 0 ? 0.6501 : 0.5001)
})

test.each([1, 2, 5000])(
  'a chunk whose magnitudes are all alike is sent at the coarsest step: %d values',
  (count) => {
    const quantizer = deadZoneQuantizer({ step: 1.5, beta: 1 })
    const alike = Float32Array.from({ length: count }, (_, index) => (index % 2 === 0 ? 3 : -3))
    const sent = toDense(quantizer.decompress(quantizer.compress(alike, quantizer.init(count)).bytes, count))
    expect([...sent]).toEqual([...alike].map((value) => Math.fround(value * 1.5)))
  },
)

test('bytes that no encoder writes are refused, though they say the same', () => {
  const quantizer = deadZoneQuantizer({ step: 0.8, beta: 1 })
  const values = laplacian(500)
  const { bytes } = quantizer.compress(values, quantizer.init(500))
  const spelled = bytes.slice()
  // The last byte is beyond what decides any code.
  spelled[spelled.length - 1]! ^= 1
  expect(() => quantizer.decompress(spelled, 500)).toThrow(
    expect.objectContaining({ code: 'CONTRIBUTION_MALFORMED' }),
  )
})
