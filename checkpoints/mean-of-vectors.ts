import { invariant, MurmurError } from '../protocol/errors.ts'

/**
 * The mean of vectors of N elements each. Sums in double precision, in the order given, and rounds to f32 once: the same
 * vectors in the same order give the same bytes on every host. Where an element is equal in all (up to 2²⁹ vectors) it
 * comes back to the bit, as its multiples are exact in double precision.
 *
 * Of the weights of a run's last checkpoints it is their latest weight average (Kaddour, arXiv 2209.14981); over the end
 * of training at a constant rate it is stochastic weight averaging (Izmailov et al., arXiv 1803.05407).
 * @param vectors one or more of one length; each is used before the next is asked for
 * @throws MurmurError AVERAGE_NOT_FINITE, and what `vectors` throws
 */
export async function meanOfVectors(vectors: AsyncIterable<Float32Array>): Promise<Float32Array> {
  let sums: Float64Array | null = null
  let count = 0
  for await (const vector of vectors) {
    // The first is taken as it is: zero and −0 would add up to zero.
    sums = sums === null ? new Float64Array(vector) : added(sums, vector)
    count += 1
  }
  invariant(sums !== null, 'a mean is of one vector or more')
  const mean = new Float32Array(sums.length)
  for (let index = 0; index < mean.length; index++) {
    const value = sums[index]! / count
    // Finite f32 neither add up nor average to anything else; the bits of a NaN may differ between hosts.
    if (!Number.isFinite(value)) throw notFinite(index)
    mean[index] = value
  }
  return mean
}

function added(sums: Float64Array, vector: Float32Array): Float64Array {
  invariant(vector.length === sums.length, 'vectors of a mean have one length')
  for (let index = 0; index < sums.length; index++) sums[index]! += vector[index]!
  return sums
}

function notFinite(index: number): MurmurError {
  return new MurmurError('AVERAGE_NOT_FINITE', {
    message: `parameter ${index} is not a finite number in each of the checkpoints`,
    next: 'the run diverged: use a checkpoint from before that, without --average',
  })
}
