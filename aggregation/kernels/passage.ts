import type { KernelModule } from './kernel-module.ts'

/** A vector as a kernel of one instance sees it: where it lies, or block by block in an area. */
export interface Passage {
  /** The address at which the values of [start, end) are now. */
  load(start: number, end: number): number
  /** The address at which those of [start, …) are to be written. */
  place(start: number): number
  /** What has been written there for [start, end) becomes the vector's. */
  store(start: number, end: number): void
}

/** `area`: one of the module's, of which two passages at a time share none unless the kernel may write over what it reads. */
export function passage(module: KernelModule, vector: Float32Array, area: Float32Array): Passage {
  const address = module.addressOf(vector)
  if (address !== null) {
    const at = (start: number): number => address + 4 * start
    return { load: at, place: at, store: () => {} }
  }
  return {
    load: (start, end) => {
      area.set(vector.subarray(start, end))
      return area.byteOffset
    },
    place: () => area.byteOffset,
    store: (start, end) => vector.set(area.subarray(0, end - start), start),
  }
}
