import { areas } from './kernel-module.ts'
import type { KernelModules } from './kernel-modules.ts'
import type { Kernels } from './kernels.ts'

/** Codes that pass at a time, of two bytes each: they lie in areas a and b. */
const batch = 200_000
/** Bytes that pass at a time. */
const window = areas.decoded - areas.records
/** Where the kernel says how many bytes it moved: MOVED of assembly/adaptive-codes.ts. */
const movedAt = areas.work + 28
const firstBytes = 4

/** Range-coded codes, in as many passes as it takes. */
export function codeKernels({ anywhere }: KernelModules): Pick<Kernels, 'encodeCodes' | 'decodeCodes'> {
  const { exports, memory, bytes: own } = anywhere
  const codesHere = new Int16Array(memory.buffer, areas.a, batch)
  const moved = new Int32Array(memory.buffer, movedAt, 1)
  return {
    encodeCodes: (codes, into, offset) => {
      let to = offset
      const write = (length: number) => {
        into.set(own.subarray(areas.records, areas.records + length), to)
        to += length
      }
      exports.startCodes(areas.work)
      for (let done = 0; done < codes.length; ) {
        const given = codes.subarray(done, done + batch)
        codesHere.set(given)
        const [start, end] = [areas.records, areas.records + window]
        const written = exports.encodeCodes(areas.work, areas.a, given.length, start, end)
        if (written === 0) return null
        done += written
        write(moved[0]!)
      }
      write(exports.endCodes(areas.work, areas.records))
      return to
    },
    decodeCodes: (bytes, offset, codes, largest) => {
      if (bytes.length < offset + firstBytes) return null
      own.set(bytes.subarray(offset, offset + firstBytes), areas.records)
      exports.startDecoding(areas.work, areas.records)
      let from = offset + firstBytes
      for (let done = 0; done < codes.length; ) {
        const given = bytes.subarray(from, from + window)
        own.set(given, areas.records)
        const isLast = from + given.length === bytes.length
        const count = Math.min(batch, codes.length - done)
        const [start, end] = [areas.records, areas.records + given.length]
        const read = exports.decodeCodes(areas.work, start, end, isLast, areas.a, count, largest)
        if (read < 0) return null
        codes.set(codesHere.subarray(0, read), done)
        done += read
        from += moved[0]!
      }
      return from
    },
  }
}
