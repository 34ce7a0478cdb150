import type { Update } from './update.ts'

export interface Compressed {
  /** The contribution: what travels and what its CID names. */
  readonly bytes: Uint8Array
  /** The error feedback that the worker carries into its next round. */
  readonly residual: Float32Array
}

/**
 * Turns a dense pseudo-gradient Δ into a small contribution and back. Pure: no clock, no I/O, and the same inputs
 * give the same bytes on every host. Every arithmetic operation is IEEE-754 single precision (in TypeScript: one
 * `Math.fround` or Float32Array store per operation), sums over many elements are double precision in index order.
 */
export interface Compressor {
  readonly name: string
  /** The error feedback of a worker that has sent nothing yet: `parameterCount` zeros. */
  init(parameterCount: number): Float32Array
  /** No contribution for so many parameters is longer. */
  maxBytes(parameterCount: number): number
  /**
   * Compresses Δ with the error feedback of the rounds before; both have N elements. The new error feedback is
   * written to `into`, which may be either of them to save memory; by default to a fresh array.
   * @throws MurmurError UPDATE_NOT_FINITE
   */
  compress(delta: Float32Array, residual: Float32Array, into?: Float32Array): Compressed
  /**
   * The update that `bytes` stand for: exactly what the sender subtracted from its own error feedback.
   * @throws MurmurError CONTRIBUTION_MALFORMED, verdict `reject`, for any byte string `compress` cannot have written.
   */
  decompress(bytes: Uint8Array, parameterCount: number): Update
}
