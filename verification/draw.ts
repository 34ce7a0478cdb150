import { createHash } from 'node:crypto'
import type { Hash, WorkerId } from '../protocol/ids.ts'

export interface AuditCandidate {
  readonly worker: WorkerId
  readonly round: number
}

/**
 * Draws what is audited: `count` distinct candidates, decided by the beacon alone. The beacon is the hash of a block
 * mined after the epoch's commits were closed, so no worker knew it while it trained. Anyone with the beacon and the
 * epoch's manifests gets the same draw: candidates are ranked by SHA-256(beacon ‖ round ‖ worker).
 */
export function drawAudits(
  beacon: Hash,
  candidates: readonly AuditCandidate[],
  count: number,
): AuditCandidate[] {
  return candidates
    .map((candidate) => ({ candidate, rank: rankOf(beacon, candidate) }))
    .sort((a, b) => Buffer.compare(a.rank, b.rank))
    .slice(0, count)
    .map(({ candidate }) => candidate)
}

function rankOf(beacon: Hash, { round, worker }: AuditCandidate): Buffer {
  return createHash('sha256').update(`murmur/draw/1\0${beacon}:${round}:${worker}`).digest()
}
