import type { WorkerId } from '../../protocol/ids.ts'
import { accepted, type Judgement } from '../../protocol/verdict.ts'
import type { Member, RoundEffect, RoundState } from './state.ts'

export interface StepResult {
  readonly state: RoundState
  readonly effects: readonly RoundEffect[]
  readonly judgement: Judgement
}

export function setMember(
  members: ReadonlyMap<WorkerId, Member>,
  worker: WorkerId,
  member: Member,
): ReadonlyMap<WorkerId, Member> {
  return new Map(members).set(worker, member)
}

export function note(code: string, state: RoundState, worker: WorkerId | null, text: string): RoundEffect {
  return { kind: 'note', code, worker, round: state.round, text }
}

/** Opens `state.round` with everyone who is ready; back to forming when nobody is. */
export function toTrain(state: RoundState, now: number): StepResult {
  const { rules, round } = state
  const roundMembers = [...state.members]
    .filter(([, member]) => member.status === 'ready')
    .map(([worker]) => worker)
    .sort()
    .slice(0, rules.maxWorkers)
  const cleared = { roundMembers, commits: new Map(), reveals: new Map(), refused: new Map() }
  if (roundMembers.length === 0) {
    return {
      state: { ...state, ...cleared, phase: { kind: 'forming' } },
      effects: [note('NO_WORKERS', state, null, 'nobody is ready; the run waits for workers')],
      judgement: accepted,
    }
  }
  return {
    state: { ...state, ...cleared, phase: { kind: 'train', deadlineMs: now + rules.trainTimeoutMs } },
    effects: [
      {
        kind: 'broadcast',
        message: {
          run: rules.run,
          term: rules.term,
          body: {
            kind: 'roundOpen',
            round,
            stateRoot: state.stateRoot,
            parent: state.parent,
            members: roundMembers,
          },
        },
      },
    ],
    judgement: accepted,
  }
}

/** Closes the commit window: from here on only what was committed can be revealed, so nothing can be copied. */
export function toReveal(state: RoundState, now: number): StepResult {
  const { rules, round } = state
  const commits = [...state.commits].map(([worker, hash]) => ({ worker, hash }))
  return {
    state: { ...state, phase: { kind: 'reveal', deadlineMs: now + rules.revealTimeoutMs } },
    effects: [
      {
        kind: 'broadcast',
        message: { run: rules.run, term: rules.term, body: { kind: 'revealOpen', round, commits } },
      },
    ],
    judgement: accepted,
  }
}
