import { areas, type KernelModule } from './kernel-module.ts'
import type { KernelModules } from './kernel-modules.ts'
import type { BlockLayout, Kernels } from './kernels.ts'
import { type Passage, passage } from './passage.ts'

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

/** Blockwise quantization, as many whole blocks at a time as linear memory's areas hold. */
export function blockwiseKernels(
  modules: KernelModules,
): Pick<Kernels, 'compressBlocks' | 'readBlocks' | 'areBlocks'> {
  return {
    compressBlocks: (delta, residual, into, beta, limit, layout, records) => {
      const module = modules.holding(into, residual, delta)
      const { exports, a, b, bytes } = module
      const [d, e, out] = [passage(module, delta, a), passage(module, residual, b), passage(module, into, b)]
      const { blockSize, bits } = layout
      const batch = batchOf(layout)
      for (let start = 0; start < delta.length; start += batch) {
        const end = Math.min(start + batch, delta.length)
        const [x, y, z] = [d.load(start, end), e.load(start, end), out.place(start)]
        const count = end - start
        const isWithin =
          bits === 1
            ? exports.compressSigns(x, y, z, beta, limit, count, blockSize, areas.records)
            : exports.compressBlocks(x, y, z, beta, limit, count, blockSize, bits, areas.records)
        if (isWithin === 0) return false
        out.store(start, end)
        const from = recordsBytes(layout, start)
        const length = recordsBytes(layout, end) - from
        records.set(bytes.subarray(areas.records, areas.records + length), from)
      }
      return true
    },
    readBlocks: (records, layout, into) => {
      const module = modules.holding(into)
      return readBlocks(module, records, layout, into.length, passage(module, into, module.decoded))
    },
    areBlocks: (records, layout, parameterCount) =>
      readBlocks(modules.anywhere, records, layout, parameterCount, nowhere),
  }
}

/** Where values go that are only looked at. */
const nowhere: Pick<Passage, 'place' | 'store'> = { place: () => areas.decoded, store: () => {} }

function readBlocks(
  { exports, bytes }: KernelModule,
  records: Uint8Array,
  layout: BlockLayout,
  parameterCount: number,
  out: Pick<Passage, 'place' | 'store'>,
): boolean {
  const { blockSize, bits } = layout
  const batch = batchOf(layout)
  for (let start = 0; start < parameterCount; start += batch) {
    const end = Math.min(start + batch, parameterCount)
    bytes.set(records.subarray(recordsBytes(layout, start), recordsBytes(layout, end)), areas.records)
    const isCanonical =
      bits === 1
        ? exports.readSigns(areas.records, end - start, blockSize, out.place(start))
        : exports.readBlocks(areas.records, end - start, blockSize, bits, out.place(start))
    if (isCanonical === 0) return false
    out.store(start, end)
  }
  return true
}
