import fc from 'fast-check'
import { expect, test } from 'vitest'
import { isMurmurError } from '../../protocol/errors.ts'
import type { Entry } from './entries.ts'
import { encodeFrame, fileHeader, readFrames } from './frames.ts'

const entry = (bytes: readonly number[]): Entry => Uint8Array.from([0, 1, ...bytes])

/** A file of frames, and where each ends. */
function fileOf(frames: readonly (readonly Entry[])[]) {
  const ends = [fileHeader.length]
  let bytes: Uint8Array = fileHeader
  for (const entries of frames) {
    bytes = Buffer.concat([bytes, encodeFrame(bytes.length, entries)])
    ends.push(bytes.length)
  }
  return { bytes: Uint8Array.from(bytes), ends }
}

const someFrames = fc.array(
  fc.array(fc.array(fc.nat(255), { maxLength: 40 }).map(entry), { minLength: 1, maxLength: 4 }),
  { minLength: 1, maxLength: 6 },
)

test('frames read back as they were written', () => {
  fc.assert(
    fc.property(someFrames, (frames) => {
      const { bytes } = fileOf(frames)
      const read = readFrames(bytes)
      expect(read.validBytes).toBe(bytes.length)
      expect(read.frames.map(({ entries }) => entries)).toEqual(frames)
    }),
  )
})

test('cut anywhere, a file gives all frames that are whole', () => {
  fc.assert(
    fc.property(someFrames, (frames) => {
      const { bytes, ends } = fileOf(frames)
      for (let length = 0; length <= bytes.length; length++) {
        const whole = ends.filter((end) => end <= length)
        const read = readFrames(bytes.slice(0, length))
        expect(read.frames).toHaveLength(Math.max(0, whole.length - 1))
        expect(read.validBytes).toBe(whole.at(-1) ?? 0)
      }
    }),
    { numRuns: 20 },
  )
})

test('any flipped bit is cut off in the last frame, and an error before it', () => {
  fc.assert(
    fc.property(someFrames, fc.nat(), (frames, place) => {
      const { bytes, ends } = fileOf(frames)
      const bit = place % (bytes.length * 8)
      bytes[bit >>> 3]! ^= 1 << (bit & 7)
      const begun = bit >>> 3 < fileHeader.length
      if (begun || bit >>> 3 < ends.at(-2)!) {
        expect(() => readFrames(bytes)).toThrow(/damaged/)
        return
      }
      const read = readFrames(bytes)
      expect(read.validBytes).toBe(ends.at(-2))
      expect(read.frames).toHaveLength(frames.length - 1)
    }),
    { numRuns: 500 },
  )
})

test('a torn write of any shape is cut off: the disk may keep any of its parts', () => {
  fc.assert(
    fc.property(someFrames, fc.infiniteStream(fc.boolean()), (frames, survives) => {
      const { bytes, ends } = fileOf(frames)
      const torn = bytes.slice()
      for (let at = ends.at(-2)!; at < torn.length; at += 8)
        if (!survives.next().value) torn.fill(0, at, at + 8)
      const whole = Buffer.compare(torn, bytes) === 0
      expect(readFrames(torn).validBytes).toBe(whole ? bytes.length : ends.at(-2))
    }),
  )
})

test('a frame inside an entry is not taken for one that follows the damage', () => {
  const inner = encodeFrame(123, [entry([1, 2, 3])])
  const { bytes, ends } = fileOf([[entry([7])], [entry([...inner, 5, 5, 5])]])
  bytes[ends[1]! + 5]! ^= 1
  expect(readFrames(bytes).validBytes).toBe(ends[1])
})

test('a file that is no journal is left alone, and so is damage that is longer than a write', () => {
  expect(() => readFrames(new TextEncoder().encode('{"some": "json"}'))).toThrow(/does not begin/)
  const { bytes } = fileOf([[entry([7])]])
  const padded = new Uint8Array(bytes.length + 2 * 1024 * 1024)
  padded.set(bytes)
  const refused = (() => {
    try {
      return readFrames(padded)
    } catch (error) {
      return error
    }
  })()
  expect(isMurmurError(refused, 'JOURNAL_CORRUPT')).toBe(true)
})
