import fc from 'fast-check'
import { expect, test } from 'vitest'
import { packBf16, roundToBf16, unpackBf16 } from './bf16.ts'

const ofBits = (...bits: number[]): Float32Array => new Float32Array(Uint32Array.from(bits).buffer)
const packed = (values: Float32Array): number[] => [...new Uint16Array(packBf16(values).slice().buffer)]

test('rounds to nearest, ties to even', () => {
  expect(packed(Float32Array.of(1, -2, 0, -0))).toEqual([0x3f80, 0xc000, 0, 0x8000])
  expect(packed(ofBits(0x3f808000, 0x3f818000, 0x3f808001, 0x3f807fff))).toEqual([
    0x3f80, 0x3f82, 0x3f81, 0x3f80,
  ])
})

test('the largest values become infinite, NaN stays NaN, subnormals are kept', () => {
  expect(packed(ofBits(0x7f7fffff, 0x7f800000, 0x7f800001, 0xffffffff, 0x00010000))).toEqual([
    0x7f80, 0x7f80, 0x7fc0, 0xffff, 0x0001,
  ])
})

test('bytes are little-endian', () => {
  expect([...packBf16(Float32Array.of(1))]).toEqual([0x80, 0x3f])
})

test('nearest of all: no other bf16 is closer, and rounding twice changes nothing', () => {
  fc.assert(
    fc.property(fc.float32Array({ noNaN: true, min: -(2 ** 126), max: 2 ** 126 }), (values) => {
      const once = unpackBf16(packBf16(values))
      const inPlace = values.slice()
      roundToBf16(inPlace)
      expect(inPlace).toEqual(once)
      expect(unpackBf16(packBf16(once))).toEqual(once)
      once.forEach((rounded, index) => {
        const bits = new Uint32Array(Float32Array.of(rounded).buffer)[0]!
        const error = Math.abs(rounded - values[index]!)
        for (const neighbour of [bits + 0x10000, bits - 0x10000]) {
          const other = ofBits(neighbour >>> 0)[0]!
          if (Number.isFinite(other)) expect(Math.abs(other - values[index]!)).toBeGreaterThanOrEqual(error)
        }
      })
    }),
  )
})
