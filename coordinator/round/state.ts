import { OrderedMap, Map as PersistentMap } from 'immutable'
import type { CidText, Hash, RunId, WorkerId } from '../../protocol/ids.ts'
import type { Gossip, GossipBody, RoundManifest, Slot } from '../../protocol/wire.ts'

/** What the rounds of a run obey; fixed for its life. All durations in milliseconds. */
export interface RoundRules {
  readonly run: RunId
  readonly rounds: number
  readonly roundsPerEpoch: number
  /** Leaves a trace must have (verification/trace.ts). */
  readonly traceLeaves: number
  /** H: inner steps of a worker that is as fast as the fastest. */
  readonly innerSteps: number
  /** Segments of a trace: even the slowest worker trains as many steps. */
  readonly segments: number
  /** Whether slower workers train fewer steps, so that all end together. */
  readonly adaptive: boolean
  /** Whether workers begin the next round, as it would be if nobody came or went, when they have committed to this one. */
  readonly eager: boolean
  /** Tokens one worker trains in one inner step. */
  readonly tokensPerStep: number
  readonly minWorkers: number
  readonly maxWorkers: number
  /** Share of a round's members that must contribute; below it the round is void. */
  readonly quorum: number
  /** Rounds in a row without an admitted contribution after which a member must warm up again. */
  readonly missesBeforeDemotion: number
  readonly warmupTimeoutMs: number
  readonly trainTimeoutMs: number
  readonly commitGraceMs: number
  readonly revealTimeoutMs: number
  /** θ before round 0, and the digest of the empty local state that every newcomer starts from. */
  readonly initialRoot: Hash
  readonly emptyLocalState: Hash
}

export type Reveal = Extract<GossipBody, { kind: 'reveal' }>

export interface Committed {
  readonly round: number
  readonly atMs: number
  readonly slot: number
  readonly memberCount: number
  readonly steps: number
}

export interface Member {
  /**
   * `warming` fetches program and data; `draining` finishes the round it is in and leaves; `lost` no longer answers;
   * `ejected` failed an audit and stays out.
   */
  readonly status: 'warming' | 'ready' | 'draining' | 'lost' | 'ejected'
  /** Rounds in a row it was a member of without being admitted. */
  readonly misses: number
  /** Digest of the local state its next trace must start from. */
  readonly localState: Hash
  /** The round in which it came back as a new process: what the old one committed may still be under way. */
  readonly restartedIn: number | null
  /** Its newest commit, and the place that it answers: with eager updates it has trained for the next round from then on. */
  readonly committed: Committed | null
  /** Of its last round, from its beginning to its commit, as this head saw it; 0 before. */
  readonly tokensPerSecond: number
}

export type Phase =
  | { readonly kind: 'forming' }
  /** `graceMs`: until when those who are ready, being enough, wait for the others. */
  | { readonly kind: 'warmup'; readonly deadlineMs: number; readonly graceMs: number | null }
  /** Its owner wants no new round for now. */
  | { readonly kind: 'paused' }
  | { readonly kind: 'train'; readonly deadlineMs: number }
  | { readonly kind: 'commit'; readonly deadlineMs: number; readonly graceMs: number | null }
  | { readonly kind: 'reveal'; readonly deadlineMs: number }
  | { readonly kind: 'aggregate'; readonly closesEpoch: boolean; readonly admissible: readonly WorkerId[] }
  | { readonly kind: 'publish'; readonly manifest: RoundManifest }
  | { readonly kind: 'settle-roots'; readonly deadlineMs: number }
  | { readonly kind: 'ended'; readonly reason: string }
  | { readonly kind: 'failed'; readonly code: string; readonly message: string }

/** Everything the head knows of a run's rounds. Its collections are persistent: a step shares what it does not change. */
export interface RoundState {
  readonly rules: RoundRules
  /** Heads of the cluster in the order of their terms (protocol/term.ts). */
  readonly heads: readonly WorkerId[]
  /** The term in which the rounds are led; 0 before the first. */
  readonly term: number
  /** False on a head that only keeps the log: then nothing but `lead` changes anything. */
  readonly leading: boolean
  readonly phase: Phase
  readonly round: number
  /** Root of θ at the start of `round`. */
  readonly stateRoot: Hash
  /** The newest signed manifest's block. */
  readonly parent: CidText | null
  readonly members: PersistentMap<WorkerId, Member>
  /** Who trains what in the round that is under way. */
  readonly slots: readonly Slot[]
  /** In the order of arrival. */
  readonly commits: OrderedMap<WorkerId, Hash>
  readonly reveals: PersistentMap<WorkerId, Reveal>
  /** Refused during the reveal, with the reason. */
  readonly refused: PersistentMap<WorkerId, string>
  /** round → worker → the root it announced after applying that round; of the newest rounds. */
  readonly roots: PersistentMap<number, PersistentMap<WorkerId, Hash>>
  /** True when this leadership took over a round under way: its commits may be older than what workers now hold. */
  readonly inherited: boolean
  readonly paused: boolean
  /** Why the run ends as soon as its epoch can be closed; null while it goes on. */
  readonly stopping: string | null
}

export interface AdoptedManifest {
  readonly manifest: RoundManifest
  readonly cid: CidText
}

export type RoundEvent =
  /** This head leads from now on: at the start, after a restart, or in the place of another. */
  | { readonly kind: 'lead'; readonly term: number; readonly heads: readonly WorkerId[] }
  | { readonly kind: 'heads'; readonly heads: readonly WorkerId[] }
  /** Another head leads a higher term. */
  | { readonly kind: 'deposed'; readonly term: number }
  /** Rounds that workers hold and this head's log lacks, oldest first, each following the one before. */
  | { readonly kind: 'adopt'; readonly manifests: readonly AdoptedManifest[] }
  /** `fresh`: a new process, which holds nothing of the round; otherwise one that was only cut off. */
  | { readonly kind: 'join'; readonly worker: WorkerId; readonly fresh: boolean }
  | { readonly kind: 'ready'; readonly worker: WorkerId; readonly round: number }
  | { readonly kind: 'drain'; readonly worker: WorkerId }
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
      /** What replicas fetch in place of the contributions; null where these are what they fetch. */
      readonly average: RoundManifest['average']
    }
  | { readonly kind: 'published'; readonly round: number; readonly cid: CidText; readonly block: Uint8Array }
  | { readonly kind: 'fail'; readonly code: string; readonly message: string }
  | { readonly kind: 'pause' }
  | { readonly kind: 'resume' }
  /** Ends the run: what the epoch under way has verified is still settled. */
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
  | { readonly kind: 'deposed'; readonly term: number }
  | {
      readonly kind: 'note'
      readonly code: string
      readonly worker: WorkerId | null
      readonly round: number
      readonly text: string
    }

/** A run before anybody leads it: `lead` begins it. */
export function initialRoundState(rules: RoundRules): RoundState {
  return {
    rules,
    heads: [],
    term: 0,
    leading: false,
    phase: { kind: 'forming' },
    round: 0,
    stateRoot: rules.initialRoot,
    parent: null,
    members: PersistentMap(),
    slots: [],
    commits: OrderedMap(),
    reveals: PersistentMap(),
    refused: PersistentMap(),
    roots: PersistentMap(),
    inherited: false,
    paused: false,
    stopping: null,
  }
}

export const isOver = ({ phase }: RoundState): boolean => phase.kind === 'ended' || phase.kind === 'failed'

export const epochOf = (rules: RoundRules, round: number): number => Math.floor(round / rules.roundsPerEpoch)

/** Why the run is not training right now, and what would change that; null when it is. */
export function pendingReason(state: RoundState): string | null {
  const ready = state.members.count(({ status }) => status === 'ready')
  const warming = state.members.count(({ status }) => status === 'warming')
  const { minWorkers } = state.rules
  switch (state.phase.kind) {
    case 'forming':
      return `${ready + warming} of ${minWorkers} workers have joined; start more with \`murmur start --address …\``
    case 'warmup':
      return `${ready} of ${ready + warming} workers are ready; the others fetch the program and their data`
    case 'paused':
      return `paused by its owner before round ${state.round}; \`murmur resume\` goes on`
    default:
      return null
  }
}
