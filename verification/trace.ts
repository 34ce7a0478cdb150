import { createHash } from 'node:crypto'
import type { Hash } from '../protocol/ids.ts'

/*
 * The trace of one worker's round, leaf by leaf:
 *
 *   0           SHA-256 of the local state the round started from (the digest of its block)
 *   1 … S       hash of (θ, optimizer state) at the end of each of the S segments
 *   S + 1       SHA-256 of the contribution (the digest of its block)
 *   S + 2       SHA-256 of the local state after the round (what the next round must start from)
 */

export const traceLength = (segments: number): number => segments + 3

/** Inner step (exclusive) at which segment `segment` of `segments` ends: as even as integers allow. */
export function segmentEnd(segment: number, segments: number, innerSteps: number): number {
  return Math.floor(((segment + 1) * innerSteps) / segments)
}

/** Hash of a state boundary: the bytes of every vector in order, length-prefixed, and the step count. */
export function boundaryHash(step: number, vectors: readonly Float32Array[]): Hash {
  const hash = createHash('sha256').update(`murmur/boundary/1\0${step}:${vectors.length}:`)
  for (const vector of vectors) {
    hash.update(`${vector.length}:`)
    hash.update(new Uint8Array(vector.buffer, vector.byteOffset, vector.byteLength))
  }
  return `0x${hash.digest('hex')}`
}

/** Merkle tree hash of the leaves (RFC 6962 §2.1: leaves and nodes in separate domains, unbalanced to the left). */
export function traceRoot(leaves: readonly Hash[]): Hash {
  return `0x${merkle(leaves.map((leaf) => Buffer.from(leaf.slice(2), 'hex'))).toString('hex')}`
}

function merkle(leaves: readonly Buffer[]): Buffer {
  if (leaves.length === 0) return createHash('sha256').digest()
  if (leaves.length === 1) return createHash('sha256').update('\0').update(leaves[0]!).digest()
  const split = 2 ** Math.floor(Math.log2(leaves.length - 1))
  return createHash('sha256')
    .update('\x01')
    .update(merkle(leaves.slice(0, split)))
    .update(merkle(leaves.slice(split)))
    .digest()
}
