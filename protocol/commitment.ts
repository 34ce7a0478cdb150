import { createHash, timingSafeEqual } from 'node:crypto'
import type { CidText, Hash, RunId, WorkerId } from './ids.ts'

export interface Commitment {
  readonly run: RunId
  readonly worker: WorkerId
  readonly round: number
  readonly contribution: CidText
  readonly traceRoot: Hash
  /** 32 random bytes that only the worker knows until it reveals them. */
  readonly salt: Hash
}

/**
 * H(run ‖ worker ‖ round ‖ contribution ‖ trace root ‖ salt), each field length-prefixed (docs/protocol.md,
 * "Commit and reveal"). Bound to its worker: a copied commit opens to nothing.
 */
export function commitHash(commitment: Commitment): Hash {
  const hash = createHash('sha256').update('murmur/commit/1\0')
  const { run, worker, round, contribution, traceRoot, salt } = commitment
  for (const field of [run, worker, String(round), contribution, traceRoot, salt]) {
    hash.update(`${field.length}:${field}`)
  }
  return `0x${hash.digest('hex')}`
}

/** True when two hashes are the same 32 bytes. */
export function sameHash(a: Hash, b: Hash): boolean {
  return a.length === b.length && timingSafeEqual(Buffer.from(a), Buffer.from(b))
}
