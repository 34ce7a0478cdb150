import type { Address, RunId } from '../protocol/ids.ts'
import type { BlockStore, Clock, Network } from '../protocol/ports.ts'
import type { AuditReport, Measurement } from '../protocol/report.ts'
import type { RunSpec } from '../protocol/run-spec.ts'
import type { TaskKind } from '../protocol/tasks.ts'
import type { RoundManifest } from '../protocol/wire.ts'
import type { AuditCandidate } from '../verification/draw.ts'
import type { RunMoney } from './epoch-on-chain.ts'
import type { HeadRecord } from './journal/record.ts'
import type { Members } from './members.ts'
import type { HeadReplica } from './replica.ts'
import type { RunLog } from './run-log.ts'
import type { RunNotes } from './run-notes.ts'

/* What a run on a head is made of, and what it needs of the head. */

export interface RunOptions {
  readonly run: RunId
  readonly spec: RunSpec
  /** What is learned, and so what its figures mean. */
  readonly task: TaskKind
  readonly parameterCount: number
  /** Those that are not frozen. */
  readonly movingCount: number
  /** What the program takes on a device. */
  readonly programMemoryBytes: number
  readonly money:
    | (Omit<RunMoney, 'term'> & {
        readonly rpcUrl: string
        readonly chainId: number
        readonly token: Address
      })
    | null
}

/** What the run needs of whoever can execute programs: audits, held-out loss, text. */
export interface RunAuditor {
  audit(
    candidate: AuditCandidate,
    manifests: readonly RoundManifest[],
    theta: Float32Array,
  ): Promise<AuditReport>
  evaluate(theta: Float32Array): Promise<Measurement>
  /** Null where the run is not of text. */
  sample(theta: Float32Array): Promise<string | null>
  close(): Promise<void>
}

/** Where records go: they count once they are durable. */
export interface RecordLog {
  append(record: HeadRecord): number
  durable(): Promise<void>
  /** Drops the records that `keep` refuses. */
  compact(keep: (record: HeadRecord) => boolean): Promise<void>
}

export interface RunDependencies {
  readonly network: Network
  readonly clock: Clock
  readonly blocks: BlockStore
  readonly replica: HeadReplica
  readonly auditor: RunAuditor
  readonly journal: RecordLog
  /** What has happened so far. */
  readonly log: RunLog
  readonly notes: RunNotes
  members(): Members
  /** Another head leads a higher term. */
  deposed(term: number): void
}
