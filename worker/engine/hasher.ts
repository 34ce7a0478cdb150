import type { Hash } from '../../protocol/ids.ts'
import { boundaryHash } from '../../verification/trace.ts'

/** Computes boundary hashes (verification/trace.ts). */
export interface Hasher {
  /** The vectors may change as soon as this has returned: what it still needs of them then, it has copied. */
  hash(step: number, vectors: readonly Float32Array[]): Promise<Hash>
  close(): Promise<void>
}

/** Computes them at once, on the thread that asks. */
export const hasherHere: Hasher = {
  hash: async (step, vectors) => boundaryHash(step, vectors),
  close: async () => {},
}
