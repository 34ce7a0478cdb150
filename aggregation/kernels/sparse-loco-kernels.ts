import { type ChunkLayout, contributionBytes, headerBytes } from '../contribution-format.ts'
import type { SparseUpdate } from '../update.ts'
import { areas, blockLength } from './kernel-module.ts'
import type { KernelModules } from './kernel-modules.ts'
import type { Kernels } from './kernels.ts'
import { passage } from './passage.ts'

type SparseLoCoKernels = Pick<Kernels, 'compressChunks' | 'readChunks'>

/** As many whole chunks as one block holds. */
const batchLength = ({ chunkSize }: ChunkLayout): number => Math.floor(blockLength / chunkSize) * chunkSize

/** Bytes of the records of the first `parameters`, a whole number of chunks or all. */
const recordsBytes = (layout: ChunkLayout, parameters: number): number =>
  contributionBytes(layout, parameters) - headerBytes

/** SparseLoCo, a batch of chunks at a time. */
export function sparseLoCoKernels(modules: KernelModules): SparseLoCoKernels {
  return {
    compressChunks: (delta, residual, into, beta, layout, records) => {
      const module = modules.holding(into, residual, delta)
      const { exports, a, b, bytes } = module
      const [d, e, out] = [passage(module, delta, a), passage(module, residual, b), passage(module, into, b)]
      const { chunkSize, k } = layout
      const batch = batchLength(layout)
      for (let start = 0; start < delta.length; start += batch) {
        const end = Math.min(start + batch, delta.length)
        const [x, y, z] = [d.load(start, end), e.load(start, end), out.place(start)]
        const { records: at, work } = areas
        const written = exports.compressChunks(x, y, z, beta, end - start, chunkSize, k, at, work)
        if (written < 0) return false
        out.store(start, end)
        records.set(bytes.subarray(at, at + written), recordsBytes(layout, start))
      }
      return true
    },
    readChunks: (records, layout, parameterCount): SparseUpdate | null => {
      const { exports, c, indices, bytes } = modules.anywhere
      const { chunkSize, k } = layout
      const rest = parameterCount % chunkSize
      const total = Math.floor(parameterCount / chunkSize) * k + Math.min(k, rest)
      const update = {
        kind: 'sparse' as const,
        parameterCount,
        indices: new Uint32Array(total),
        values: new Float32Array(total),
      }
      const batch = batchLength(layout)
      let entry = 0
      for (let start = 0; start < parameterCount; start += batch) {
        const length = Math.min(batch, parameterCount - start)
        bytes.set(
          records.subarray(recordsBytes(layout, start), recordsBytes(layout, start + length)),
          areas.records,
        )
        const found = exports.readChunks(areas.records, start, length, chunkSize, k, areas.b, areas.c)
        if (found < 0) return null
        update.indices.set(indices.subarray(0, found), entry)
        update.values.set(c.subarray(0, found), entry)
        entry += found
      }
      return update
    },
  }
}
