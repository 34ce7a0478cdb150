import { nextTerm } from '../../protocol/term.ts'
import {
  agreedPatienceMs,
  askAfterMs,
  askEveryMs,
  type LeaseEffect,
  type LeaseEvent,
  type LeaseResult,
  type LeaseState,
  patienceMs,
  stalledMs,
  wordMs,
} from './state.ts'

export interface LeaseInput {
  readonly now: number
}

/**
 * Who leads. Pure. Two heads never lead one term, since terms are dealt out (protocol/term.ts) and a head leads each of
 * its own at most once; of two leaders at once, the lower term gives way as soon as it hears of the higher. A head takes
 * over after silence, but not while a head that it reaches hears a leader (Raft's PreVote, Ongaro's thesis, §9.6: a cut
 * between two heads alone must not make them depose each other in turns), and not before one whose log is newer.
 */
export function step(before: LeaseState, event: LeaseEvent, { now }: LeaseInput): LeaseResult {
  const state = event.kind === 'tick' ? { ...before, ...ticked(before, now) } : before
  switch (event.kind) {
    case 'tick':
      return onTick(state, now)
    case 'heads':
      return only({ ...state, index: event.index ?? state.index, heads: Math.max(state.heads, event.heads) })
    case 'heard':
      return onHeard(state, event, now)
    case 'term':
      if (isOwn(state, event.term)) return only(state)
      return event.term > state.term ? onHigher(state, event.term, now) : only(state)
    case 'vouched': {
      if (event.term < state.term) return only(state)
      const higher = event.term > state.term ? onHigher(state, event.term, now) : only(state)
      return { ...higher, state: { ...higher.state, blockedUntilMs: now + wordMs } }
    }
    case 'assented':
      if (state.role.kind !== 'seeking') return only(state)
      return only({
        ...state,
        role: { kind: 'seeking', assents: new Set([...state.role.assents, event.by]) },
      })
    case 'objected':
      return only({ ...state, blockedUntilMs: now + wordMs })
    case 'lease-taken':
      // Even when a leader was heard meanwhile: it has lost what was granted here.
      if (event.term <= state.term) return only(state)
      return {
        state: { ...state, role: { kind: 'leading', term: event.term }, term: event.term },
        effects: [{ kind: 'lead', term: event.term }],
      }
    case 'lease-refused': {
      const term = Math.max(state.term, event.term)
      return state.role.kind === 'candidate' ? only(seek({ ...state, term }, now)) : only({ ...state, term })
    }
    default:
      return event satisfies never
  }
}

/**
 * Whether a term is the one asked for, or one before it: others may see a lease on chain before its receipt comes, and
 * a candidate that gave up then would leave that term to nobody.
 */
const isOwn = ({ role }: LeaseState, term: number): boolean => role.kind === 'candidate' && term <= role.term

const only = (state: LeaseState, ...effects: readonly LeaseEffect[]): LeaseResult => ({ state, effects })

const seek = (state: LeaseState, now: number): LeaseState => ({
  ...state,
  role: { kind: 'seeking', assents: new Set() },
  heardMs: now,
})

/** While this process stood still it could hear nobody: that time does not count as silence. */
function ticked(state: LeaseState, now: number): Partial<LeaseState> {
  return { tickedMs: now, heardMs: Math.min(now, state.heardMs + stalledMs(state, now)) }
}

function onTick(state: LeaseState, now: number): LeaseResult {
  const { role, index, heads, term } = state
  if (role.kind === 'leading' || role.kind === 'candidate') return only(state)
  const silentMs = now - state.heardMs
  const seeking = role.kind === 'seeking'
  const others = index === null ? heads : heads - 1
  const asks =
    (seeking || silentMs >= askAfterMs) && now - state.askedMs >= askEveryMs && (index === null || others > 0)
  const asked: LeaseState = asks ? { ...state, askedMs: now } : state
  const effects: readonly LeaseEffect[] = asks ? [{ kind: 'ask' }] : []
  if (index === null || now < state.blockedUntilMs) return { state: asked, effects }
  const agreed = seeking && role.assents.size >= others
  if (silentMs < (agreed ? agreedPatienceMs(state, index) : patienceMs(state, index)))
    return { state: asked, effects }
  const wanted = nextTerm(term, index)
  return {
    state: { ...asked, role: { kind: 'candidate', term: wanted } },
    effects: [...effects, { kind: 'take-lease', term: wanted }],
  }
}

function onHeard(
  state: LeaseState,
  { term, roundTripMs }: Extract<LeaseEvent, { kind: 'heard' }>,
  now: number,
): LeaseResult {
  // A lower term is refused, and so is one's own: nobody else may speak in it.
  if (term < state.term || (state.role.kind === 'leading' && term === state.role.term)) return only(state)
  const heard: LeaseState = {
    ...state,
    term,
    heardMs: now,
    roundTripMs: roundTripMs === null ? state.roundTripMs : smoothed(state.roundTripMs, roundTripMs),
  }
  if (state.role.kind === 'following' && state.role.term === term) return only(heard)
  const following: LeaseState = { ...heard, role: { kind: 'following', term } }
  const stepsDown: readonly LeaseEffect[] = state.role.kind === 'leading' ? [{ kind: 'step-down', term }] : []
  return only(following, ...stepsDown, { kind: 'follow', term })
}

/** A higher term is led by somebody who may not be heard: follow nobody, and give that head the time to be. */
function onHigher(state: LeaseState, term: number, now: number): LeaseResult {
  const higher = seek({ ...state, term }, now)
  return state.role.kind === 'leading' ? only(higher, { kind: 'step-down', term }) : only(higher)
}

/** As TCP smooths it (RFC 6298): an eighth of the newest. */
const smoothed = (before: number, measured: number): number =>
  before === 0 ? measured : before + (measured - before) / 8
