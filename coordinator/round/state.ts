import type { CidText, Hash, RunId, WorkerId } from '../../protocol/ids.ts'
import type { Gossip, GossipBody, RoundManifest } from '../../protocol/wire.ts'

/** What the rounds of a run obey; fixed for its life. All durations in milliseconds. */
export interface RoundRules {
  readonly run: RunId
  readonly head: WorkerId
  readonly term: number
  readonly rounds: number
  readonly roundsPerEpoch: number
  /** Leaves a trace must have (verification/trace.ts). */
  readonly traceLeaves: number
  /** Tokens one worker trains in one round. */
  readonly tokensPerRound: number
  readonly minWorkers: number
  readonly maxWorkers: number
  /** Share of a round's members that must contribute; below it the round is void. */
  readonly quorum: number
  readonly warmupTimeoutMs: number
  readonly trainTimeoutMs: number
  readonly commitGraceMs: number
  readonly revealTimeoutMs: number
  /** θ before round 0, and the digest of the empty local state that every newcomer starts from. */
  readonly initialRoot: Hash
  readonly emptyLocalState: Hash
}

export type Reveal = Extract<GossipBody, { kind: 'reveal' }>

export interface Member {
  /** `warming` fetches program and data; `lost` no longer answers; `ejected` failed an audit and stays out. */
  readonly status: 'warming' | 'ready' | 'lost' | 'ejected'
  /** Rounds in a row it was a member of without being admitted. */
  readonly misses: number
  /** Digest of the local state its next trace must start from. */
  readonly localState: Hash
}

export type Phase =
  | { readonly kind: 'forming' }
  | { readonly kind: 'warmup'; readonly deadlineMs: number }
  | { readonly kind: 'train'; readonly deadlineMs: number }
  | { readonly kind: 'commit'; readonly deadlineMs: number; readonly graceMs: number }
  | { readonly kind: 'reveal'; readonly deadlineMs: number }
  | { readonly kind: 'aggregate' }
  | { readonly kind: 'publish'; readonly manifest: RoundManifest }
  | { readonly kind: 'settle-roots'; readonly deadlineMs: number }
  | { readonly kind: 'ended'; readonly reason: string }
  | { readonly kind: 'failed'; readonly code: string; readonly message: string }

export interface RoundState {
  readonly rules: RoundRules
  readonly phase: Phase
  readonly round: number
  /** Root of θ at the start of `round`. */
  readonly stateRoot: Hash
  /** The newest signed manifest's block. */
  readonly parent: CidText | null
  readonly members: ReadonlyMap<WorkerId, Member>
  /** Slot order of the round that is under way. */
  readonly roundMembers: readonly WorkerId[]
  readonly commits: ReadonlyMap<WorkerId, Hash>
  readonly reveals: ReadonlyMap<WorkerId, Reveal>
  /** Refused during the reveal, with the reason. */
  readonly refused: ReadonlyMap<WorkerId, string>
  /** round → worker → the root it announced after applying that round. */
  readonly roots: ReadonlyMap<number, ReadonlyMap<WorkerId, Hash>>
}

export type RoundEvent =
  | { readonly kind: 'join'; readonly worker: WorkerId }
  | { readonly kind: 'ready'; readonly worker: WorkerId; readonly round: number }
  | { readonly kind: 'lost'; readonly worker: WorkerId }
  | { readonly kind: 'eject'; readonly worker: WorkerId; readonly code: string }
  | { readonly kind: 'message'; readonly author: WorkerId; readonly message: Gossip }
  | { readonly kind: 'tick' }
  | {
      readonly kind: 'aggregated'
      readonly round: number
      /** In manifest order. */
      readonly admitted: readonly WorkerId[]
      readonly refused: readonly { readonly worker: WorkerId; readonly code: string }[]
      readonly stateRoot: Hash
      readonly checkpoint: CidText | null
    }
  | { readonly kind: 'published'; readonly round: number; readonly cid: CidText; readonly block: Uint8Array }
  | { readonly kind: 'fail'; readonly code: string; readonly message: string }
  | { readonly kind: 'stop'; readonly reason: string }

export type RoundEffect =
  | { readonly kind: 'broadcast'; readonly message: Gossip }
  | {
      readonly kind: 'aggregate'
      readonly round: number
      readonly closesEpoch: boolean
      readonly reveals: readonly { readonly worker: WorkerId; readonly reveal: Reveal }[]
    }
  | { readonly kind: 'publish-manifest'; readonly manifest: RoundManifest }
  | { readonly kind: 'close-epoch'; readonly epoch: number; readonly lastManifest: CidText }
  | { readonly kind: 'end'; readonly reason: string }
  | { readonly kind: 'fail'; readonly code: string; readonly message: string }
  | {
      readonly kind: 'note'
      readonly code: string
      readonly worker: WorkerId | null
      readonly round: number
      readonly text: string
    }

export function initialRoundState(rules: RoundRules): RoundState {
  return {
    rules,
    phase: { kind: 'forming' },
    round: 0,
    stateRoot: rules.initialRoot,
    parent: null,
    members: new Map(),
    roundMembers: [],
    commits: new Map(),
    reveals: new Map(),
    refused: new Map(),
    roots: new Map(),
  }
}

/** Why the run is not training right now, and what would change that; null when it is. */
export function pendingReason(state: RoundState): string | null {
  const ready = [...state.members.values()].filter(({ status }) => status === 'ready').length
  const warming = [...state.members.values()].filter(({ status }) => status === 'warming').length
  const { minWorkers } = state.rules
  switch (state.phase.kind) {
    case 'forming':
      return `${ready + warming} of ${minWorkers} workers have joined; start more with \`murmur start --address …\``
    case 'warmup':
      return `${ready} of ${ready + warming} workers are ready; the others fetch the program and their data`
    default:
      return null
  }
}
