import type { Address, CidText, Hash, RunId, WorkerId } from './ids.ts'
import type { TaskKind } from './tasks.ts'
import type { NodeOffer } from './wire.ts'

/*
 * What the head knows of a run, as its API gives it: JSON, so token amounts are decimal strings of wei. Everything in
 * it can be re-checked: the manifests, checkpoints, payout trees and verdicts by CID, the money on chain.
 */

/** What was measured of a model on the held-out part. */
export interface Measurement {
  /** Mean loss: nats a token or row, or of a regression the mean squared error. */
  readonly lossNats: number
  /** Share of rows whose likeliest class is theirs; null unless the run classifies. */
  readonly accuracy: number | null
}

export type RunPhase =
  | 'awaiting-funds'
  | 'queued'
  | 'forming'
  | 'warmup'
  | 'train'
  | 'commit'
  | 'reveal'
  | 'aggregate'
  | 'paused'
  | 'settling'
  | 'finished'
  | 'stopped'
  | 'failed'

export interface WorkerReport {
  readonly id: WorkerId
  readonly name: string
  readonly payout: Address | null
  readonly status: 'warming' | 'ready' | 'draining' | 'lost' | 'ejected' | 'left'
  readonly phase: string
  readonly round: number
  readonly step: number
  readonly lossNats: number | null
  readonly tokensPerSecond: number
  /** Share of the time since its first round that its engine was in inner steps that count. */
  readonly utilization: number
  /** Tokens of admitted contributions. */
  readonly tokens: number
  /** Tokens of settled epochs: what it was paid for. */
  readonly verifiedTokens: number
  readonly bytesSent: number
  readonly bytesReceived: number
  readonly earned: string
  readonly claimed: string
  readonly error: string | null
}

export interface RoundReport {
  readonly round: number
  readonly epoch: number
  readonly members: readonly WorkerId[]
  readonly admitted: readonly WorkerId[]
  readonly refused: readonly { readonly worker: WorkerId; readonly code: string }[]
  /** Token-weighted mean of the admitted workers' training loss; null in a void round. */
  readonly trainLossNats: number | null
  /** Of the admitted contributions. */
  readonly tokens: number
  /** The head's own root after the round: what the manifest says. */
  readonly stateRoot: Hash
  /** The roots that the workers' replicas announced, in the order of `replicas`. */
  readonly stateRoots: readonly Hash[]
  readonly replicas: readonly WorkerId[]
  readonly manifest: CidText
}

export interface AuditReport {
  readonly worker: WorkerId
  readonly round: number
  /** `unavailable`: the worker could not be asked; it is not paid for the epoch, and stays in the run. */
  readonly outcome: 'verified' | 'refuted' | 'unavailable'
  readonly code: string
  /** What the audited worker sent for it: its local state, and what else the auditor did not hold. */
  readonly bytes: number
  /** The signed verdict's block. */
  readonly verdict: CidText
}

export interface EpochReport {
  readonly epoch: number
  readonly manifest: CidText
  /** Block whose hash drew the audits: mined after the epoch was closed. Null for a run without escrow. */
  readonly beacon: { readonly blockNumber: string; readonly blockHash: Hash } | null
  readonly audits: readonly AuditReport[]
  /** True when every drawn audit was carried out and its result is in the payout tree. */
  readonly verified: boolean
  readonly settled: boolean
  readonly payoutTree: CidText | null
  readonly payoutRoot: Hash | null
  readonly paid: string
  readonly txHash: Hash | null
  readonly gasUsed: string | null
}

export interface CheckpointReport {
  readonly epoch: number
  readonly round: number
  readonly cid: CidText
  readonly heldOutLossNats: number | null
  /** Null unless the run classifies. */
  readonly heldOutAccuracy: number | null
}

export interface EscrowReport {
  readonly rpcUrl: string
  readonly chainId: number
  readonly contract: Address
  readonly token: Address
  /** The run's id in the escrow. */
  readonly run: Hash
  /** What must be in the escrow before the run starts. */
  readonly required: string
  readonly funded: string
  readonly reserved: string
  readonly claimed: string
  /** Funded and not reserved: funded = reserved + refundable. After the run it goes back to the funders. */
  readonly refundable: string
  /** The part of it that has gone back already. */
  readonly refunded: string
}

export interface RunReport {
  readonly run: RunId
  readonly name: string
  /** What is learned, and so what losses and tokens are: of anything but a language, rows count for tokens. */
  readonly task: TaskKind
  readonly phase: RunPhase
  /** Why it waits and what would change that; null while it works. */
  readonly pending: string | null
  readonly error: { readonly code: string; readonly message: string; readonly next: string } | null
  readonly submittedAt: number
  readonly startedAt: number | null
  readonly endedAt: number | null
  readonly round: number
  readonly roundsTotal: number
  readonly epochsTotal: number
  readonly innerSteps: number
  readonly parameterCount: number
  /** Those that are not frozen; reports from before there was this key lack it. */
  readonly movingCount?: number
  readonly tokensPerRound: number
  /** Nats a token or row; of a regression the mean squared error. */
  readonly heldOutLossNats: { readonly before: number | null; readonly after: number | null }
  /** Share of held-out rows whose class is told right; nulls unless the run classifies. */
  readonly heldOutAccuracy: { readonly before: number | null; readonly after: number | null }
  /** Nulls unless the run is of text. */
  readonly samples: { readonly before: string | null; readonly after: string | null }
  readonly workers: readonly WorkerReport[]
  readonly rounds: readonly RoundReport[]
  readonly epochs: readonly EpochReport[]
  readonly checkpoints: readonly CheckpointReport[]
  readonly escrow: EscrowReport | null
  /** The newest events worth telling, oldest first, at most 100. */
  readonly notes: readonly { readonly at: number; readonly code: string; readonly text: string }[]
}

export interface NodeReport {
  readonly id: WorkerId
  readonly name: string
  readonly engineClass: string
  readonly tokensPerSecond: number
  readonly connected: boolean
  /** `suspect` has been silent for a while, or lost its connection; `draining` finishes its round and leaves. */
  readonly status: 'alive' | 'suspect' | 'dead' | 'draining'
  readonly run: RunId | null
  readonly phase: string
  readonly payout: Address | null
  /** What its host offers; null for a node that does not say. */
  readonly offer: NodeOffer | null
}

export interface ClusterReport {
  readonly head: WorkerId
  readonly version: string
  readonly addresses: readonly string[]
  readonly startedAt: number
  /** The term in which the head that answers leads. */
  readonly term: number
  /** All heads, in the order of their terms. */
  readonly heads: readonly {
    readonly id: WorkerId
    readonly addresses: readonly string[]
    readonly leads: boolean
  }[]
  readonly nodes: readonly NodeReport[]
  readonly runs: readonly {
    readonly run: RunId
    readonly name: string
    readonly phase: RunPhase
    readonly round: number
    readonly roundsTotal: number
    readonly pending: string | null
  }[]
  readonly chain: {
    readonly rpcUrl: string
    readonly chainId: number
    readonly escrow: Address
    readonly token: Address
    /** Where workers stake to be admitted, where there is such a place. */
    readonly stake?: Address
  } | null
}
