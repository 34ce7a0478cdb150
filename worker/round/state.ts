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
  | { readonly kind: 'training'; readonly members: readonly WorkerId[] }
  | { readonly kind: 'committed'; readonly trained: TrainedRound; readonly hash: Hash }
  | { readonly kind: 'revealed'; readonly trained: TrainedRound }
  | { readonly kind: 'applying'; readonly manifest: RoundManifest; readonly cid: CidText }
  /** Missed something, or its root differs: rebuilds from a checkpoint and the manifests since. */
  | { readonly kind: 'catching-up'; readonly target: CidText | null }
  | { readonly kind: 'ended'; readonly reason: string }

export interface WorkerState {
  readonly self: WorkerId
  readonly run: RunId
  readonly head: WorkerId
  readonly term: number
  readonly phase: Phase
  /** The round whose starting weights this replica holds. */
  readonly round: number
  readonly stateRoot: Hash
  /** Block of the newest manifest applied. */
  readonly newest: CidText | null
  /** A round that the head opened while this replica was still applying the one before. */
  readonly opened: RoundOpen | null
  /** The newest round whose training was begun, −1 for none. Never begun twice: a second commit is an equivocation. */
  readonly attempted: number
  /** The end of the run, told while this replica did not have the last round yet. */
  readonly ending: RunEnd | null
  /** Times in a row that rebuilding did not lead to the head's root. */
  readonly divergences: number
}

export type WorkerEvent =
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
  | {
      readonly kind: 'caught-up'
      readonly round: number
      readonly stateRoot: Hash
      readonly newest: CidText | null
    }
  | { readonly kind: 'catch-up-failed'; readonly text: string }

export type WorkerEffect =
  | { readonly kind: 'train'; readonly round: number; readonly slot: number; readonly memberCount: number }
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
  head: WorkerId
  term: number
  round: number
  stateRoot: Hash
  newest: CidText | null
}): WorkerState {
  return { ...options, phase: { kind: 'ready' }, opened: null, attempted: -1, ending: null, divergences: 0 }
}
