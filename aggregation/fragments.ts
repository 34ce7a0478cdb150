import { maxChunkSize } from './contribution-format.ts'

/**
 * Streaming DiLoCo (Douillard et al., arXiv 2501.18512): parameters are parted into F fragments that are averaged in
 * turn, one a round, so that a round moves 1/F of the bytes. Chunk c of the flat vector belongs to fragment c mod F: strided
 * as in the paper, though by chunks of 4,096 parameters instead of layers, so that all fragments are of one size and any
 * model has them.
 */
export interface Fragment {
  /** Parameters in it. */
  readonly length: number
  /** Its part of a vector of N elements or more: with one fragment a view of it, otherwise a copy. */
  gather(whole: Float32Array): Float32Array
  /** Writes its part back into a vector of N elements. */
  scatter(part: Float32Array, whole: Float32Array): void
}

/** The fragment that round `round` averages. */
export function fragmentOf(round: number, fragments: number, parameterCount: number): Fragment {
  if (fragments === 1) {
    return {
      length: parameterCount,
      gather: (whole) => (whole.length === parameterCount ? whole : whole.subarray(0, parameterCount)),
      scatter: (part, whole) => {
        if (part !== whole) whole.set(part)
      },
    }
  }
  const stride = fragments * maxChunkSize
  const first = (round % fragments) * maxChunkSize
  let length = 0
  for (let start = first; start < parameterCount; start += stride)
    length += Math.min(maxChunkSize, parameterCount - start)
  return {
    length,
    gather: (whole) => {
      const part = new Float32Array(length)
      let offset = 0
      for (let start = first; start < parameterCount; start += stride) {
        part.set(whole.subarray(start, Math.min(start + maxChunkSize, parameterCount)), offset)
        offset += maxChunkSize
      }
      return part
    },
    scatter: (part, whole) => {
      let offset = 0
      for (let start = first; start < parameterCount; start += stride) {
        const size = Math.min(maxChunkSize, parameterCount - start)
        whole.set(part.subarray(offset, offset + size), start)
        offset += maxChunkSize
      }
    },
  }
}

/**
 * A model cannot be parted into more: a fragment has two chunks from different places of the model. One alone may hold rows
 * that no batch has touched, which weight decay moves alike on every worker: those would look like copies of each other.
 */
export const mostFragments = (parameterCount: number): number =>
  Math.max(1, Math.floor(parameterCount / maxChunkSize / 2))
