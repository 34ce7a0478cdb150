import { OrderedMap, Map as PersistentMap } from 'immutable'
import type { WorkerId } from '../../protocol/ids.ts'
import { accepted, type Judgement } from '../../protocol/verdict.ts'
import type { Gossip, GossipBody, Slot } from '../../protocol/wire.ts'
import { cappedAtMiddle, innerStepsFor } from '../placement/inner-steps.ts'
import type { RoundEffect, RoundState } from './state.ts'

export interface StepResult {
  readonly state: RoundState
  readonly effects: readonly RoundEffect[]
  readonly judgement: Judgement
}

export function note(code: string, state: RoundState, worker: WorkerId | null, text: string): RoundEffect {
  return { kind: 'note', code, worker, round: state.round, text }
}

export function broadcast({ rules, term }: RoundState, body: GossipBody): RoundEffect {
  const message: Gossip = { run: rules.run, term, body }
  return { kind: 'broadcast', message }
}

const nothingYet = {
  slots: [] as readonly Slot[],
  commits: OrderedMap<never, never>(),
  reveals: PersistentMap<never, never>(),
  refused: PersistentMap<never, never>(),
  inherited: false,
} as unknown as Pick<RoundState, 'slots' | 'commits' | 'reveals' | 'refused' | 'inherited'>

/** Opens `state.round` with everyone who is ready; back to forming when nobody is. */
export function toTrain(state: RoundState, now: number): StepResult {
  const { rules } = state
  const cleared: RoundState = { ...state, ...nothingYet }
  if (state.paused)
    return { state: { ...cleared, phase: { kind: 'paused' } }, effects: [], judgement: accepted }
  const slots = slotsOf(state)
  if (slots.length === 0) {
    return {
      state: { ...cleared, phase: { kind: 'forming' } },
      effects: [note('NO_WORKERS', state, null, 'nobody is ready; the run waits for workers')],
      judgement: accepted,
    }
  }
  const opened: RoundState = {
    ...cleared,
    slots,
    phase: { kind: 'train', deadlineMs: now + rules.trainTimeoutMs },
  }
  return { state: opened, effects: [roundOpen(opened)], judgement: accepted }
}

/** Who trains in the next round, in the order of their ids, and how many inner steps each. */
function slotsOf({ members, rules, slots }: RoundState): readonly Slot[] {
  const workers = [...members]
    .filter(([, { status }]) => status === 'ready')
    .map(([worker]) => worker)
    .sort()
    .slice(0, rules.maxWorkers)
  if (!rules.adaptive) return workers.map((worker) => ({ worker, steps: rules.innerSteps }))
  // Nobody is measured against more than the middle of the flock: one that pretends to be fast changes no other's share.
  const capped = cappedAtMiddle(new Map(workers.map((id) => [id, members.get(id)!.tokensPerSecond])))
  const previous = new Map(slots.map(({ worker, steps }) => [worker, steps]))
  const steps = innerStepsFor(capped, rules.innerSteps, { segments: rules.segments, previous })
  return workers.map((worker) => ({ worker, steps: steps.get(worker) ?? rules.innerSteps }))
}

export function roundOpen(state: RoundState): RoundEffect {
  const { round, stateRoot, parent, slots } = state
  return broadcast(state, { kind: 'roundOpen', round, stateRoot, parent, slots: [...slots] })
}

/** Closes the commit window: from here on only what was committed can be revealed, so nothing can be copied. */
export function toReveal(state: RoundState, now: number): StepResult {
  const next: RoundState = {
    ...state,
    phase: { kind: 'reveal', deadlineMs: now + state.rules.revealTimeoutMs },
  }
  return { state: next, effects: [revealOpen(next)], judgement: accepted }
}

export function revealOpen(state: RoundState): RoundEffect {
  const commits = [...state.commits].map(([worker, hash]) => ({ worker, hash }))
  return broadcast(state, { kind: 'revealOpen', round: state.round, commits })
}
