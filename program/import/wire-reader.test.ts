import { expect, test } from 'vitest'
import { saturated, varintsOf, wireFields } from './wire-reader.ts'

const read = (bytes: readonly number[], left = 100) => [...wireFields(Uint8Array.from(bytes), { left })]

test('fields of every wire type, in order', () => {
  const fields = read([0x08, 0x96, 0x01, 0x12, 2, 7, 8, 0x1d, 0, 0, 0x80, 0x3f, 0x21, 1, 2, 3, 4, 5, 6, 7, 8])
  expect(fields.map(({ number, wire }) => [number, wire])).toEqual([
    [1, 0],
    [2, 2],
    [3, 5],
    [4, 1],
  ])
  expect(fields[0]!.varint).toBe(150n)
  expect([...fields[1]!.bytes]).toEqual([7, 8])
  expect([...varintsOf(fields[1]!)]).toEqual([7n, 8n])
})

test('an int64 of ten bytes is negative, and none is beyond the exact integers', () => {
  const [field] = read([0x08, ...Array<number>(9).fill(0xff), 0x01])
  expect(saturated(field!.varint)).toBe(-1)
  expect([saturated(2n ** 63n - 1n), saturated(2n ** 63n)]).toEqual([
    Number.MAX_SAFE_INTEGER,
    Number.MIN_SAFE_INTEGER,
  ])
})

test.each<[string, readonly number[], RegExp]>([
  ['a field that runs past its message', [0x12, 3, 7, 8], /field 2 runs past/],
  ['a fixed field that is cut off', [0x1d, 0, 0], /field 3 runs past/],
  ['a length beyond any file', [0x12, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f], /runs past/],
  ['a number that is cut off', [0x08, 0x80], /ends within a number/],
  ['a number of eleven bytes', [0x08, ...Array<number>(11).fill(0xff), 1], /more than ten bytes/],
  ['a group', [0x0b], /wire type 3/],
  ['field number zero', [0x00, 1], /number 0/],
])('%s is refused', (_, bytes, message) => {
  expect(() => read(bytes)).toThrow(message)
})

test('more fields than the budget are refused, whichever message they are in', () => {
  const budget = { left: 3 }
  const message = Uint8Array.from([0x08, 1, 0x08, 2])
  expect([...wireFields(message, budget)]).toHaveLength(2)
  expect(() => [...wireFields(message, budget)]).toThrow(/too many fields/)
})
