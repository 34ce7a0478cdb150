import type { RunId, WorkerId } from '../protocol/ids.ts'
import type { PeerAddresses } from '../protocol/wire.ts'
import type { DurableMember, HeadRecord } from './journal/record.ts'
import type { RunRecord } from './run-log.ts'

/** What a journal holds, sorted by what it is about. */
export interface Recovered {
  readonly heads: readonly PeerAddresses[]
  /** The highest term in which this cluster was led. */
  readonly term: number
  readonly members: ReadonlyMap<WorkerId, DurableMember>
  /** Records of the runs that are not over, in the order of their submission. */
  readonly runs: ReadonlyMap<RunId, readonly RunRecord[]>
}

/** Reads a journal's records. Pure. */
export function recover(records: Iterable<HeadRecord>): Recovered {
  let heads: readonly PeerAddresses[] = []
  let term = 0
  const members = new Map<WorkerId, DurableMember>()
  const runs = new Map<RunId, RunRecord[]>()
  for (const record of records) {
    switch (record.kind) {
      case 'heads':
        heads = record.heads
        break
      case 'term':
        term = Math.max(term, record.term)
        break
      case 'member':
        members.set(record.member.id, record.member)
        break
      case 'archived':
        runs.delete(record.run)
        break
      case 'submitted':
        // Submitting is idempotent, so it may be told twice.
        if (!runs.has(record.run)) runs.set(record.run, [record])
        break
      default:
        runs.get(record.run)?.push(record)
    }
  }
  return { heads, term, members, runs }
}
