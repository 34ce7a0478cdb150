import fc from 'fast-check'
import { expect, test } from 'vitest'
import { hadoopLz4, lz4Block } from './lz4-block.ts'
import { parquetCodecs } from './parquet-codecs.ts'

const text = (value: string) => new TextEncoder().encode(value)
const told = (bytes: Uint8Array) => new TextDecoder().decode(bytes)
/** "abcabcabcabcabc", then "end": four literals cannot be told from three by the length alone. */
const repeated = Uint8Array.of(0x38, ...text('abc'), 3, 0, 0x30, ...text('end'))
const long = 'x'.repeat(300)
/** 300 literals: 15 and 255 and 30. */
const literals = Uint8Array.of(0xf0, 255, 30, ...text(long))

/** A block with the frame that Hadoop puts before it. */
function framed(block: Uint8Array, length: number): Uint8Array {
  const frame = new Uint8Array(8 + block.length)
  const view = new DataView(frame.buffer)
  view.setUint32(0, length)
  view.setUint32(4, block.length)
  frame.set(block, 8)
  return frame
}

test('literals, overlapping copies and long lengths', () => {
  expect(told(lz4Block(repeated, 18))).toBe('abcabcabcabcabcend')
  expect(told(lz4Block(literals, 300))).toBe(long)
  expect(lz4Block(Uint8Array.of(0), 0)).toEqual(new Uint8Array(0))
})

test('frames one after the other, and blocks without a frame, are both read', () => {
  const frames = Uint8Array.of(...framed(repeated, 18), ...framed(literals, 300))
  expect(told(hadoopLz4(frames, 318))).toBe(`abcabcabcabcabcend${long}`)
  for (const bytes of [repeated, framed(repeated, 18)])
    expect(told(parquetCodecs.LZ4!(bytes, 18))).toBe('abcabcabcabcabcend')
})

test('a block that is cut short or is of another length is refused, never filled up with zeros', () => {
  for (let length = 1; length < repeated.length; length++)
    expect(() => lz4Block(repeated.subarray(0, length), 18), `${length}`).toThrow()
  expect(() => lz4Block(repeated, 17)).toThrow()
  expect(() => lz4Block(repeated, 19)).toThrow(/18 bytes instead of 19/)
  expect(() => lz4Block(Uint8Array.of(0x14, 1, 2, 0, 0), 9)).toThrow(/before its start/)
  expect(() => lz4Block(Uint8Array.of(0x14, 1, 0, 0, 0), 9)).toThrow(/before its start/)
})

test('whatever the bytes are, a codec throws or gives as many as were asked for at most', () => {
  const property = fc.property(
    fc.constantFrom(...Object.values(parquetCodecs)),
    fc.uint8Array({ maxLength: 60 }),
    fc.integer({ min: 0, max: 100 }),
    (unpack, bytes, length) => {
      let made: Uint8Array
      try {
        made = unpack(bytes, length)
      } catch (error) {
        expect(error).toBeInstanceOf(Error)
        return
      }
      expect(made.length).toBeLessThanOrEqual(length)
    },
  )
  fc.assert(property, { numRuns: 2000, seed: 1 })
})
