import { mostIndexBytes, riceParameter } from '../compressors/rice.ts'
import type { ChunkLayout } from '../contribution-format.ts'
import { areas, blockLength } from './kernel-module.ts'
import type { KernelModules } from './kernel-modules.ts'
import type { Kernels } from './kernels.ts'

/** What a batch of chunks has in the area of records. */
const recordsArea = areas.decoded - areas.records

/** SparseLoCo with Rice-coded indices: as many whole chunks at a time as one block holds, then the short one. */
export function riceReader({ anywhere }: KernelModules): Kernels['readRiceChunks'] {
  const { exports, c, indices, bytes } = anywhere
  return (records, { chunkSize, k }, parameterCount) => {
    const rest = parameterCount % chunkSize
    const whole = parameterCount - rest
    const total = (whole / chunkSize) * k + Math.min(k, rest)
    const update = {
      kind: 'sparse' as const,
      parameterCount,
      indices: new Uint32Array(total),
      values: new Float32Array(total),
    }
    let offset = 0
    let entry = 0
    const read = (start: number, length: number, chunk: ChunkLayout): boolean => {
      const chunks = length / chunk.chunkSize
      const most = chunks * (8 + Math.ceil(chunk.k / 4) + mostIndexBytes(chunk.k, chunk.chunkSize))
      const given = records.subarray(offset, offset + Math.min(most, recordsArea))
      bytes.set(given, areas.records)
      const found = chunks * chunk.k
      const taken = exports.readRiceChunks(
        areas.records,
        areas.records + given.length,
        start,
        length,
        chunk.chunkSize,
        chunk.k,
        riceParameter(chunk.k, chunk.chunkSize),
        areas.b,
        areas.c,
      )
      if (taken < 0) return false
      update.indices.set(indices.subarray(0, found), entry)
      update.values.set(c.subarray(0, found), entry)
      offset += taken
      entry += found
      return true
    }
    const batch = Math.floor(blockLength / chunkSize) * chunkSize
    for (let start = 0; start < whole; start += batch) {
      if (!read(start, Math.min(batch, whole - start), { chunkSize, k })) return null
    }
    if (rest > 0 && !read(whole, rest, { chunkSize: rest, k: Math.min(k, rest) })) return null
    return offset === records.length ? update : null
  }
}
