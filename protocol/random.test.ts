import { expect, test } from 'vitest'
import { below, drawsAt, philox4x32 } from './random.ts'

// Known answers of the authors' Random123 distribution.
test.each([
  [
    [0, 0],
    [0, 0, 0, 0],
    [0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8],
  ],
  [
    [0xffffffff, 0xffffffff],
    [0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff],
    [0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd],
  ],
  [
    [0xa4093822, 0x299f31d0],
    [0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344],
    [0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1],
  ],
] as const)('philox4x32 known answer %#', (key, counter, expected) => {
  expect(philox4x32(key, counter)).toEqual([...expected])
})

test('streams and places are independent, and a place can be drawn alone', () => {
  const first = drawsAt(7, 'batch', [3, 4])
  const five = Array.from({ length: 5 }, first)
  const again = drawsAt(7, 'batch', [3, 4])
  expect(Array.from({ length: 5 }, again)).toEqual(five)
  for (const other of [
    drawsAt(8, 'batch', [3, 4]),
    drawsAt(7, 'sampling', [3, 4]),
    drawsAt(7, 'batch', [4, 3]),
  ]) {
    expect(Array.from({ length: 5 }, other)).not.toEqual(five)
  }
})

test('below stays below', () => {
  expect(below(10, 0xffffffff)).toBe(9)
  expect(below(10, 0)).toBe(0)
  expect(below(3, 0x80000000)).toBe(1)
})
