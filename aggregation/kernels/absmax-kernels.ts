import { areas, type KernelModule } from './kernel-module.ts'
import type { BlockLayout, Kernels } from './kernels.ts'

/** Elements that pass at a time. */
const batchLength = 16_384

/** Of whole blocks. */
const batchOf = ({ blockSize }: BlockLayout): number => Math.floor(batchLength / blockSize) * blockSize

/** Bytes of the records of the first `parameters`, a whole number of blocks or all. */
function recordsBytes({ blockSize, bits }: BlockLayout, parameters: number): number {
  const rest = parameters % blockSize
  const bytesOf = (length: number): number => 4 + Math.ceil((length * bits) / 8)
  return ((parameters - rest) / blockSize) * bytesOf(blockSize) + (rest > 0 ? bytesOf(rest) : 0)
}

/** Blockwise absmax quantization, as many whole blocks at a time as linear memory's areas hold. */
export function absmaxKernels({
  exports,
  a,
  b,
  bytes,
}: KernelModule): Pick<Kernels, 'compressBlocks' | 'readBlocks'> {
  return {
    compressBlocks: (delta, residual, into, beta, limit, layout, records) => {
      const batch = batchOf(layout)
      for (let start = 0; start < delta.length; start += batch) {
        const part = delta.subarray(start, start + batch)
        const from = recordsBytes(layout, start)
        const length = recordsBytes(layout, start + part.length) - from
        a.set(part)
        b.set(residual.subarray(start, start + batch))
        bytes.fill(0, areas.records, areas.records + length)
        const { blockSize, bits } = layout
        const isWithin = exports.compressBlocks(
          areas.a,
          areas.b,
          beta,
          limit,
          part.length,
          blockSize,
          bits,
          areas.records,
        )
        if (isWithin === 0) return false
        into.set(b.subarray(0, part.length), start)
        records.set(bytes.subarray(areas.records, areas.records + length), from)
      }
      return true
    },
    readBlocks: (records, layout, into) => {
      const batch = batchOf(layout)
      for (let start = 0; start < into.length; start += batch) {
        const end = Math.min(start + batch, into.length)
        const [from, to] = [recordsBytes(layout, start), recordsBytes(layout, end)]
        bytes.set(records.subarray(from, to), areas.records)
        const { blockSize, bits } = layout
        if (exports.readBlocks(areas.records, end - start, blockSize, bits, areas.a) === 0) return false
        into.set(a.subarray(0, end - start), start)
      }
      return true
    },
  }
}
