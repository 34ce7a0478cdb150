import type { ChunkLayout } from '../contribution-format.ts'
import type { Signs } from '../sign-update.ts'
import type { SparseUpdate, Update } from '../update.ts'
import type { Vectors } from '../vectors.ts'

/**
 * The steps of aggregation that touch every parameter, done faster. Each gives the very bits of the plain code that it
 * stands in for, which is its oracle; NaNs are still NaNs, but which of their bit patterns is not promised.
 */
export interface Kernels {
  /** into ← start − end. `into` may be either. */
  difference(start: Float32Array, end: Float32Array, into: Float32Array): void
  /** The same, and back ← −into. `into` may be `start`, `back` may be `end`. */
  differenceBothWays(start: Float32Array, end: Float32Array, into: Float32Array, back: Float32Array): void
  /** into ← first + second. `into` may be either. */
  sum(first: Float32Array, second: Float32Array, into: Float32Array): void
  /** into ← β residual + Δ, with β an f32, `into` being either of them or another; false when a magnitude of it is above `limit`, an f32, as a NaN is. */
  accumulate(
    delta: Float32Array,
    residual: Float32Array,
    beta: number,
    into: Float32Array,
    limit: number,
  ): boolean
  /** theta ← theta − alpha · delta, with alpha an f32. */
  descend(theta: Float32Array, delta: Float32Array, alpha: number): void
  /** into ← Σ weight · update in the order given, each product and each sum rounded to f32. */
  weightedSum(into: Float32Array, terms: readonly WeightedTerm[]): void
  /**
   * into ← the mean of the values of ranks `first` … `last` − 1, coordinate by coordinate, an absent value as zero: `zero` (0 or
   * −0) and they in ascending order, summed in double precision. False, with nothing done, for more than 1,024 updates.
   */
  meanOfRanks(
    into: Float32Array,
    updates: readonly Update[],
    first: number,
    last: number,
    zero: number,
  ): boolean
  /** products[i, j] ← products[i, j] + ⟨xᵢ, xⱼ⟩ for i ≤ j. False, with nothing done, for more than 1,024 updates. */
  signProducts(updates: readonly Signs[], products: Float64Array): boolean
  allFinite(values: Float32Array): boolean
  /** `into` has two bytes a value. */
  packBf16(values: Float32Array, into: Uint8Array): void
  /** The same, and every value becomes what its bytes say. */
  roundAndPackBf16(values: Float32Array, into: Uint8Array): void
  unpackBf16(bytes: Uint8Array, into: Float32Array): void
  /**
   * Blockwise quantization to signs (1 bit) or by absmax (4 and 8): into ← β residual + Δ − what the codes say, with β an f32; `into` may
   * be either.
   * `records` is exactly as long as the records, `blockSize` at most 4,096. False, with `into` and `records` of no use, when a
   * magnitude of the sum is above `limit`, an f32, as a NaN is.
   */
  compressBlocks(
    delta: Float32Array,
    residual: Float32Array,
    into: Float32Array,
    beta: number,
    limit: number,
    layout: BlockLayout,
    records: Uint8Array,
  ): boolean
  /** The inverse, `into` as long as the values; false when a record is not canonical. */
  readBlocks(records: Uint8Array, layout: BlockLayout, into: Float32Array): boolean
  /** Whether `readBlocks` would find all records canonical. */
  areBlocks(records: Uint8Array, layout: BlockLayout, parameterCount: number): boolean
  /**
   * All chunks of a SparseLoCo contribution: into ← β residual + Δ − what is sent; `into` may be either. `records` is
   * exactly as long as the records. False, with `into` and `records` of no use, when the accumulator is not finite.
   */
  compressChunks(
    delta: Float32Array,
    residual: Float32Array,
    into: Float32Array,
    beta: number,
    layout: ChunkLayout,
    records: Uint8Array,
  ): boolean
  /** Places for `count` vectors of up to `length` elements which are not copied; null where there is no such memory. */
  placesFor(length: number, count: number): Vectors | null
  /** The update of a contribution whose header has been checked; null when a record is not canonical. */
  readChunks(records: Uint8Array, layout: ChunkLayout, parameterCount: number): SparseUpdate | null
  /** The same of one whose indices are Rice-coded. */
  readRiceChunks(records: Uint8Array, layout: ChunkLayout, parameterCount: number): SparseUpdate | null
}

export interface BlockLayout {
  /** Values that share a scale, 1 … 4096. */
  readonly blockSize: number
  /** Of a code. */
  readonly bits: 1 | 4 | 8
}

export interface WeightedTerm {
  readonly update: Update
  /** An f32. */
  readonly weight: number
}

/** From here on a kernel beats the plain loop, its two copies included (docs/decisions, aggregation kernels). */
const fewestParameters = 4096

/**
 * The kernels of this process, if they have been loaded: a fact about the host like its processor, not state of a run. It
 * is kept here because it must not show in any signature of the pure maths, whose results it does not change.
 */
let loaded: Kernels | null = null

/** From now on vectors that are large enough go through `kernels`; null: through the plain code again. */
export function useKernels(kernels: Kernels | null): void {
  loaded = kernels
}

/** The kernels for vectors of `length` elements; null where the plain code is to be used. */
export function kernelsFor(length: number): Kernels | null {
  return length >= fewestParameters ? loaded : null
}

/** What computes large vectors in this process. */
export const kernelEngine = (): 'wasm-simd' | 'plain' => (loaded === null ? 'plain' : 'wasm-simd')
