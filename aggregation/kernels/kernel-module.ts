import { invariant } from '../../protocol/errors.ts'

/** What `assembly/index.ts` exports; an address is a byte offset into its memory. */
export interface KernelExports {
  readonly writerWorkBytes: WebAssembly.Global
  difference(start: number, end: number, into: number, n: number): void
  differenceBothWays(start: number, end: number, into: number, back: number, n: number): void
  sum(first: number, second: number, into: number, n: number): void
  descend(theta: number, delta: number, alpha: number, n: number): void
  addScaled(into: number, starts: number, weights: number, count: number, n: number): void
  addScaledAt(
    into: number,
    indices: number,
    values: number,
    entries: number,
    base: number,
    weight: number,
  ): void
  accumulate(delta: number, residual: number, into: number, beta: number, limit: number, n: number): number
  allFinite(values: number, n: number): number
  packBf16(values: number, into: number, n: number): void
  roundAndPackBf16(values: number, into: number, n: number): void
  unpackBf16(packed: number, into: number, n: number): void
  compressBlocks(
    delta: number,
    residual: number,
    into: number,
    beta: number,
    limit: number,
    n: number,
    blockSize: number,
    bits: number,
    out: number,
  ): number
  compressSigns(
    delta: number,
    residual: number,
    into: number,
    beta: number,
    limit: number,
    n: number,
    blockSize: number,
    out: number,
  ): number
  addSignProducts(
    records: number,
    stride: number,
    count: number,
    n: number,
    blockSize: number,
    sums: number,
  ): void
  readSigns(bytes: number, n: number, blockSize: number, into: number): number
  readBlocks(bytes: number, n: number, blockSize: number, bits: number, into: number): number
  meanOfRanks(
    into: number,
    values: number,
    stride: number,
    count: number,
    n: number,
    first: number,
    last: number,
    zero: number,
    pairs: number,
    comparators: number,
    column: number,
  ): void
  compressChunks(
    delta: number,
    residual: number,
    into: number,
    beta: number,
    n: number,
    chunkSize: number,
    k: number,
    out: number,
    work: number,
  ): number
  readChunks(
    bytes: number,
    base: number,
    n: number,
    chunkSize: number,
    k: number,
    indices: number,
    values: number,
  ): number
  readRiceChunks(
    bytes: number,
    last: number,
    base: number,
    n: number,
    chunkSize: number,
    k: number,
    b: number,
    indices: number,
    values: number,
  ): number
}

/** Elements of one area: what at most passes through linear memory at a time. Three of them stay in a 2 MiB cache. */
export const blockLength = 65_536

export const pageBytes = 65_536

/** Pages of linear memory that hold the areas. */
export const areaPages = 44

const areaBytes = blockLength * 4

/**
 * The areas of linear memory: byte addresses. Many vectors pass from `b` on; `records` holds those of one block, at most 11 bytes
 * a parameter (chunks of one); `decoded` what is read from them, so that a sum can read on while it has all others in use;
 * `work` what the selection works in.
 */
export const areas = {
  a: 0,
  b: areaBytes,
  c: 2 * areaBytes,
  records: 6 * areaBytes,
  decoded: 9 * areaBytes,
  work: 10 * areaBytes,
} as const

/** Vectors that are summed in one pass. */
export const maxVectors = 16

/**
 * An instance of the kernels with views of its memory's areas. Vectors that lie in its memory, behind the areas
 * (vector-memory.ts), are worked on where they are. All others pass through the areas block by block (passage.ts): any
 * Float32Array will do, and the memory that this takes does not depend on the model.
 */
export class KernelModule {
  readonly exports: KernelExports
  readonly memory: WebAssembly.Memory
  /** Three f32 areas of one block each, … */
  readonly a: Float32Array
  readonly b: Float32Array
  readonly c: Float32Array
  /** … another for what is decoded, … */
  readonly decoded: Float32Array
  /** … area b again, for indices, … */
  readonly indices: Uint32Array
  /** … the memory from area b to the records, for many vectors, … */
  readonly many: Float32Array
  /** … the work area, for their weights … */
  readonly weights: Float32Array
  /** … and, behind these, for where they begin … */
  readonly starts: Uint32Array
  /** … and all areas. */
  readonly bytes: Uint8Array

  /** @throws RangeError where the host does not give that much memory. */
  constructor(module: WebAssembly.Module, pages = areaPages) {
    // As large as it gets: growth would detach all views. A page takes memory from when it is first written to.
    this.memory = new WebAssembly.Memory({ initial: pages, maximum: pages })
    const { exports } = new WebAssembly.Instance(module, { env: { memory: this.memory } })
    this.exports = exports as unknown as KernelExports
    invariant(areas.work + this.exports.writerWorkBytes.value <= areaPages * pageBytes, 'the areas fit')
    const { buffer } = this.memory
    this.a = new Float32Array(buffer, areas.a, blockLength)
    this.b = new Float32Array(buffer, areas.b, blockLength)
    this.c = new Float32Array(buffer, areas.c, blockLength)
    this.decoded = new Float32Array(buffer, areas.decoded, blockLength)
    this.indices = new Uint32Array(buffer, areas.b, blockLength)
    this.many = new Float32Array(buffer, areas.b, (areas.records - areas.b) / 4)
    this.weights = new Float32Array(buffer, areas.work, maxVectors)
    this.starts = new Uint32Array(buffer, startsAddress, maxVectors)
    this.bytes = new Uint8Array(buffer, 0, areaPages * pageBytes)
  }

  /** Where a vector begins, if it lies in this memory. */
  addressOf({ buffer, byteOffset }: Float32Array): number | null {
    return buffer === this.memory.buffer ? byteOffset : null
  }
}

export const startsAddress = areas.work + 4 * maxVectors

/** Calls `step(start, end)` for consecutive blocks of at most `length` of `total` elements. */
export function forBlocks(total: number, length: number, step: (start: number, end: number) => void): void {
  for (let start = 0; start < total; start += length) step(start, Math.min(start + length, total))
}
