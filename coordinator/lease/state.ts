import { leaderIndex } from '../../protocol/term.ts'

/** Time in milliseconds. What of a head's own clock matters are differences only. */
export const keepAliveMs = 500
/** The first standby after the leader takes over when it heard nothing for this long; each further one waits more. */
const takeoverMs = 2_000
const takeoverStepMs = 1_000
/** A slow line is no death: what was measured to the leader and back, this many times, is added. */
const roundTrips = 8
/** Silence after which the other heads are asked whether they hear a leader; then again this often. */
export const askAfterMs = 1_000
export const askEveryMs = 500
/** A head's word that there is a leader, or that its own log is newer, holds this long. */
export const wordMs = 1_000
/** A head vouches for a leader that it heard this recently: two keep-alives may be lost. */
const vouchMs = 1_500
/** A runtime ticks this often. Ticks further apart say that this process itself stood still, not that others are dead. */
export const tickMs = 100
const stallMs = 1_000

export type Role =
  /** Hears no leader (yet). `assents`: heads that know of none either. */
  | { readonly kind: 'seeking'; readonly assents: ReadonlySet<number> }
  | { readonly kind: 'following'; readonly term: number }
  /** Asked for the lease of `term`, and waits for the answer. */
  | { readonly kind: 'candidate'; readonly term: number }
  | { readonly kind: 'leading'; readonly term: number }

/** One head's part in who leads. */
export interface LeaseState {
  readonly role: Role
  /** This head's place among the heads; null while it was never given one: then it never leads. */
  readonly index: number | null
  /** How many heads there are. */
  readonly heads: number
  /** The highest term known to have been led. */
  readonly term: number
  /** When the leader was last heard; before the first time, since when it is sought. */
  readonly heardMs: number
  readonly askedMs: number
  readonly tickedMs: number
  /** Until then no takeover: another head hears a leader, or has a newer log and takes over itself. */
  readonly blockedUntilMs: number
  readonly roundTripMs: number
}

export type LeaseEvent =
  | { readonly kind: 'tick' }
  /** The list of heads changed; it only ever grows, and places stay. */
  | { readonly kind: 'heads'; readonly index: number | null; readonly heads: number }
  /** The leader of `term` said that it leads: by an Append, or by answering Follow. */
  | { readonly kind: 'heard'; readonly term: number; readonly roundTripMs: number | null }
  /** Somebody knows of a term: a worker, gossip, another head, the chain. */
  | { readonly kind: 'term'; readonly term: number }
  /** Another head follows the leader of `term`, whom it hears. */
  | { readonly kind: 'vouched'; readonly term: number }
  /** Another head hears no leader, and its log is not newer than this one's. */
  | { readonly kind: 'assented'; readonly by: number }
  /** Another head hears no leader, but its log is newer: it should lead. */
  | { readonly kind: 'objected' }
  | { readonly kind: 'lease-taken'; readonly term: number }
  /** Somebody else has it: `term` is the one on record (0 when that is unknown). */
  | { readonly kind: 'lease-refused'; readonly term: number }

export type LeaseEffect =
  /** Ask every other head: Follow. */
  | { readonly kind: 'ask' }
  /** Follow the leader of this term. */
  | { readonly kind: 'follow'; readonly term: number }
  | { readonly kind: 'take-lease'; readonly term: number }
  | { readonly kind: 'lead'; readonly term: number }
  /** The head of `term` leads, or led: this one does no more. */
  | { readonly kind: 'step-down'; readonly term: number }

export interface LeaseResult {
  readonly state: LeaseState
  readonly effects: readonly LeaseEffect[]
}

/** A head that has just started, with what its journal says. */
export function initialLease(
  journal: { readonly index: number | null; readonly heads: number; readonly term: number },
  now: number,
): LeaseState {
  return {
    ...journal,
    role: { kind: 'seeking', assents: new Set() },
    heardMs: now,
    askedMs: Number.NEGATIVE_INFINITY,
    tickedMs: now,
    blockedUntilMs: Number.NEGATIVE_INFINITY,
    roundTripMs: 0,
  }
}

/** Whether this head hears a leader itself: only then does it vouch for one. */
export function hearsLeader(state: LeaseState, now: number): boolean {
  return state.role.kind === 'leading' || (state.role.kind === 'following' && now - state.heardMs < vouchMs)
}

/** How many heads come before this one in taking over from the newest leader: it would itself come last. */
function rank({ heads, term }: LeaseState, index: number): number {
  const leader = leaderIndex(term)
  return term === 0 || leader >= heads ? index : (index - leader - 1 + heads) % heads
}

/** Silence after which a head takes over, in milliseconds. */
export const patienceMs = (state: LeaseState, index: number): number =>
  takeoverMs + takeoverStepMs * rank(state, index) + roundTrips * state.roundTripMs

/** The same when all other heads say that they hear no leader: then the one that led goes on at once. */
export const agreedPatienceMs = (state: LeaseState, index: number): number =>
  takeoverStepMs * ((rank(state, index) + (state.term === 0 ? 0 : 1)) % Math.max(1, state.heads))

/** How much longer than it should the time between two ticks was: this process stood still. */
export const stalledMs = (state: LeaseState, now: number): number =>
  now - state.tickedMs > stallMs ? now - state.tickedMs - tickMs : 0
