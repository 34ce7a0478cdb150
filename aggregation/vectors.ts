/** Where the vectors of a round come from: those that live for a round or two, and are as long as the model. */
export interface Vectors {
  /** `length` elements, of any value. */
  take(length: number): Float32Array
  /** Takes a vector back that nobody reads or writes any more, nor any view of it. One that is not of here is let go of. */
  release(vector: Float32Array): void
}

/** Fresh ones, which are collected as usual. */
export const freshVectors: Vectors = {
  take: (length) => new Float32Array(length),
  release: () => {},
}
