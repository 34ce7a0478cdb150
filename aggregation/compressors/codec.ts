import { invariant, MurmurError } from '../../protocol/errors.ts'
import type { Compressed, Compressor } from '../compressor.ts'
import { malformed } from '../contribution-format.ts'
import { kernelsFor } from '../kernels/kernels.ts'
import type { Update } from '../update.ts'
import { checkHeader, type FormatHeader, headerBytes, writeHeader } from './format-header.ts'

/** One way to write a vector in fewer bytes: what a compressor is apart from its error feedback. */
export interface Codec {
  readonly name: string
  readonly header: FormatHeader
  /** Bytes behind the header: they follow from the number of parameters alone. */
  bodyBytes(parameterCount: number): number
  /**
   * Writes s, what is sent of e, to `body`, which is zero, and leaves in `values` what remains: e ← e − s, in f32. No |e| is
   * above {@link largestMagnitude}.
   */
  encode(values: Float32Array, body: Uint8Array): void
  /**
   * The same of β residual + Δ, leaving in `into` what remains, in one pass over memory: false, with nothing of use done,
   * when a magnitude of the sum is above {@link largestMagnitude}. Null, with nothing done, where no kernel does that.
   */
  encodeSum?(
    delta: Float32Array,
    residual: Float32Array,
    beta: number,
    into: Float32Array,
    body: Uint8Array,
  ): boolean | null
  /**
   * s, to the bit. `body` has the length due.
   * @throws MurmurError CONTRIBUTION_MALFORMED
   */
  decode(body: Uint8Array, parameterCount: number): Update
}

/**
 * An accumulated value beyond 2¹¹² is refused as diverged, as one that is not finite. Nothing that trains comes near it, and
 * below it no intermediate of any codec here overflows.
 */
export const largestMagnitude = 2 ** 112

/**
 * The compressor of a codec, with error feedback (1-bit SGD, Seide et al. 2014; arXiv 1901.09847, algorithm 2):
 *
 *     e ← β e + Δ          accumulate           e ← e − s            what remains of it when s is sent
 */
export function withErrorFeedback(codec: Codec, decay: number): Compressor {
  const beta = Math.fround(decay)
  invariant(beta >= 0 && beta <= 1, 'beta is between 0 and 1')
  const totalBytes = (parameterCount: number): number => headerBytes + codec.bodyBytes(parameterCount)
  return {
    name: codec.name,
    init: (parameterCount) => new Float32Array(parameterCount),
    maxBytes: totalBytes,
    compress: (delta, residual, into = new Float32Array(delta.length)): Compressed => {
      const count = delta.length
      invariant(residual.length === count && into.length === count, 'one error feedback a parameter')
      const bytes = new Uint8Array(totalBytes(count))
      writeHeader(bytes, codec.header, count)
      const body = bytes.subarray(headerBytes)
      const isEncoded = codec.encodeSum?.(delta, residual, beta, into, body) ?? null
      if (isEncoded === false || (isEncoded === null && !accumulate(delta, residual, beta, into)))
        throw diverged()
      if (isEncoded === null) codec.encode(into, body)
      return { bytes, residual: into }
    },
    decompress: (bytes, parameterCount) => {
      checkHeader(bytes, codec.header, parameterCount)
      const due = totalBytes(parameterCount)
      if (bytes.length !== due) throw malformed(`${bytes.length} bytes where ${due} are due`)
      return codec.decode(bytes.subarray(headerBytes), parameterCount)
    },
  }
}

/** e ← β e + Δ, each operation rounded to f32. False for what would poison every later round. */
function accumulate(delta: Float32Array, residual: Float32Array, beta: number, into: Float32Array): boolean {
  const kernels = kernelsFor(delta.length)
  return kernels === null
    ? accumulatePlainly(delta, residual, beta, into)
    : kernels.accumulate(delta, residual, beta, into, largestMagnitude)
}

const diverged = (): MurmurError =>
  new MurmurError('UPDATE_NOT_FINITE', {
    message: 'the update of this round is not finite: training has diverged on this worker',
    next: 'lower the learning rate or the number of inner steps in the run spec, then start again',
  })

/** False when a magnitude is above {@link largestMagnitude}, as a NaN is. The twin of the kernel `accumulate`. */
function accumulatePlainly(
  delta: Float32Array,
  residual: Float32Array,
  beta: number,
  into: Float32Array,
): boolean {
  let isSane = true
  for (let index = 0; index < delta.length; index++) {
    const value = Math.fround(Math.fround(beta * residual[index]!) + delta[index]!)
    isSane &&= Math.abs(value) <= largestMagnitude
    into[index] = value
  }
  return isSane
}

/**
 * Refuses NaN, infinities, −0, which would give zero two spellings, and what no accumulated value can be.
 * @throws MurmurError CONTRIBUTION_MALFORMED
 */
export function checkValues(values: Float32Array): void {
  for (let index = 0; index < values.length; index++) {
    const value = values[index]!
    if (!(Math.abs(value) <= largestMagnitude) || Object.is(value, -0)) throw malformed(`a value of ${value}`)
  }
}
