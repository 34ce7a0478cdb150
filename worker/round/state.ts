import type { CidText, Hash, RunId, WorkerId } from '../../protocol/ids.ts'
import type { Gossip, GossipBody, RoundManifest } from '../../protocol/wire.ts'

/** What training one round yields, before anyone else knows of it. */
export interface TrainedRound {
  readonly contribution: CidText
  readonly contributionBytes: number
  /** Leaves, as verification/trace.ts lays them out. */
  readonly trace: readonly Hash[]
  readonly tokens: number
  readonly lossNats: number
  /** 32 random bytes, drawn by the runtime. */
  readonly salt: Hash
}

export type RoundOpen = Extract<GossipBody, { kind: 'roundOpen' }>
export type RunEnd = Extract<GossipBody, { kind: 'runEnd' }>

export type Phase =
  /** Has θ of `round`, waits for the head to open it. */
  | { readonly kind: 'ready' }
  | { readonly kind: 'training' }
  | { readonly kind: 'committed'; readonly trained: TrainedRound; readonly hash: Hash }
  | { readonly kind: 'revealed'; readonly trained: TrainedRound }
  | { readonly kind: 'applying'; readonly manifest: RoundManifest; readonly cid: CidText }
  /** Missed something, or its root differs: rebuilds from a checkpoint and the manifests since. */
  | { readonly kind: 'catching-up'; readonly target: CidText | null }
  | { readonly kind: 'ended'; readonly reason: string }

/** What a worker trains in a round is a function of its place: another place means other batches. */
export interface Place {
  readonly slot: number
  readonly memberCount: number
  /** Inner steps asked of this worker. */
  readonly steps: number
}

export interface Attempt {
  /** Of the opening that it answers; its commit and reveal are said in this term, and in no other. */
  readonly term: number
  readonly round: number
  readonly place: Place | null
}

export interface WorkerState {
  readonly self: WorkerId
  readonly run: RunId
  /** Heads of the cluster in the order of their terms (protocol/term.ts). */
  readonly heads: readonly WorkerId[]
  /** The newest term heard of. Messages of lower ones are nobody's. */
  readonly term: number
  /** The term of the newest manifest applied: a head of a higher one may know a shorter or another history. */
  readonly appliedTerm: number
  readonly phase: Phase
  /** The round whose starting weights this replica holds. */
  readonly round: number
  readonly stateRoot: Hash
  /** Block of the newest manifest applied. */
  readonly newest: CidText | null
  /** A round that the head opened while this replica was still applying the one before. */
  readonly opened: { readonly open: RoundOpen; readonly term: number } | null
  /** The newest round whose training was begun. Never begun twice in a term: a second commit is an equivocation. */
  readonly attempted: Attempt
  /** The end of the run, told while this replica did not have the last round yet. */
  readonly ending: RunEnd | null
  /** Times in a row that rebuilding did not lead to the head's root. */
  readonly divergences: number
}

export type WorkerEvent =
  | { readonly kind: 'heads'; readonly heads: readonly WorkerId[] }
  | { readonly kind: 'message'; readonly author: WorkerId; readonly message: Gossip }
  | { readonly kind: 'manifest'; readonly manifest: RoundManifest; readonly cid: CidText }
  | { readonly kind: 'trained'; readonly round: number; readonly trained: TrainedRound }
  | { readonly kind: 'train-failed'; readonly round: number; readonly code: string; readonly text: string }
  | {
      readonly kind: 'applied'
      readonly round: number
      readonly stateRoot: Hash
      readonly checkpoint: CidText | null
    }
  | { readonly kind: 'apply-failed'; readonly round: number; readonly text: string }
  /** A round's contributions give another average than the head sent, or again and again cannot be had. */
  | {
      readonly kind: 'average-refused'
      readonly round: number
      readonly code: 'AVERAGE_FALSE' | 'AVERAGE_UNCHECKABLE'
    }
  | {
      readonly kind: 'caught-up'
      readonly round: number
      readonly stateRoot: Hash
      readonly newest: CidText | null
      /** The term of the newest manifest. */
      readonly appliedTerm: number
    }
  | { readonly kind: 'catch-up-failed'; readonly text: string }

export type WorkerEffect =
  | ({ readonly kind: 'train'; readonly round: number } & Place)
  | { readonly kind: 'stop-training' }
  | { readonly kind: 'publish'; readonly message: Gossip }
  | {
      readonly kind: 'apply'
      readonly manifest: RoundManifest
      /** Whether this worker's own contribution of the round was admitted: keep its new local state, or roll back. */
      readonly admitted: boolean
    }
  | { readonly kind: 'catch-up'; readonly target: CidText | null }
  | { readonly kind: 'end'; readonly reason: string }
  | { readonly kind: 'withdraw'; readonly code: string; readonly text: string }
  | { readonly kind: 'note'; readonly code: string; readonly text: string }

export function initialWorkerState(options: {
  self: WorkerId
  run: RunId
  heads: readonly WorkerId[]
  term: number
  appliedTerm: number
  round: number
  stateRoot: Hash
  newest: CidText | null
}): WorkerState {
  return {
    ...options,
    term: Math.max(options.term, options.appliedTerm),
    phase: { kind: 'ready' },
    opened: null,
    attempted: { term: 0, round: -1, place: null },
    ending: null,
    divergences: 0,
  }
}
