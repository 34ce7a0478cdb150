import { invariant } from '../../protocol/errors.ts'

/** What `assembly/index.ts` exports; an address is a byte offset into `memory`. */
export interface KernelExports {
  readonly memory: WebAssembly.Memory
  readonly writerWorkBytes: WebAssembly.Global
  difference(start: number, end: number, into: number, n: number): void
  descend(theta: number, delta: number, alpha: number, n: number): void
  addScaled(into: number, values: number, stride: number, weights: number, count: number, n: number): void
  addScaledAt(
    into: number,
    indices: number,
    values: number,
    entries: number,
    base: number,
    weight: number,
  ): void
  accumulate(delta: number, residual: number, beta: number, limit: number, n: number): number
  allFinite(values: number, n: number): number
  roundToBf16(values: number, n: number): void
  packBf16(values: number, into: number, n: number): void
  unpackBf16(packed: number, into: number, n: number): void
  compressBlocks(
    delta: number,
    residual: number,
    beta: number,
    limit: number,
    n: number,
    blockSize: number,
    bits: number,
    out: number,
  ): number
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
}

/** Elements of one block: what passes through linear memory at a time. Three such areas stay in a 2 MiB cache. */
export const blockLength = 65_536

/** Pages of linear memory, 64 KiB each: the three areas, and what is behind them. Never grows. */
export const memoryPages = 32

const areaBytes = blockLength * 4

/**
 * The areas of linear memory: byte addresses. `records` holds those of one block, at most 11 bytes a parameter (chunks of
 * one); `work` what the selection works in.
 */
export const areas = {
  a: 0,
  b: areaBytes,
  c: 2 * areaBytes,
  records: 3 * areaBytes,
  work: 6 * areaBytes,
} as const

/** Vectors that are summed in one pass. */
export const maxVectors = 16

/**
 * An instance of the kernels with views of its memory's areas. Vectors live wherever the caller has them, and pass through the
 * areas block by block: copying costs little (the block stays in the cache), any Float32Array will do, and the memory that
 * is needed does not depend on the model.
 */
export class KernelModule {
  readonly exports: KernelExports
  /** Three f32 areas of one block each, … */
  readonly a: Float32Array
  readonly b: Float32Array
  readonly c: Float32Array
  /** … area b again, for indices, … */
  readonly indices: Uint32Array
  /** … the memory from area b to the work area, for many vectors, … */
  readonly many: Float32Array
  /** … the work area, for their weights, … */
  readonly weights: Float32Array
  /** … and all of the memory. */
  readonly bytes: Uint8Array

  constructor(module: WebAssembly.Module) {
    this.exports = new WebAssembly.Instance(module).exports as unknown as KernelExports
    const { buffer } = this.exports.memory
    invariant(areas.work + this.exports.writerWorkBytes.value <= buffer.byteLength, 'the areas fit')
    this.a = new Float32Array(buffer, areas.a, blockLength)
    this.b = new Float32Array(buffer, areas.b, blockLength)
    this.c = new Float32Array(buffer, areas.c, blockLength)
    this.indices = new Uint32Array(buffer, areas.b, blockLength)
    this.many = new Float32Array(buffer, areas.b, (areas.work - areas.b) / 4)
    this.weights = new Float32Array(buffer, areas.work, maxVectors)
    this.bytes = new Uint8Array(buffer)
  }
}

/** Calls `step(start, end)` for consecutive blocks of at most `length` of `total` elements. */
export function forBlocks(total: number, length: number, step: (start: number, end: number) => void): void {
  for (let start = 0; start < total; start += length) step(start, Math.min(start + length, total))
}
