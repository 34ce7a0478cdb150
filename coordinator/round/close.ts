import { invariant } from '../../protocol/errors.ts'
import type { Hash, WorkerId } from '../../protocol/ids.ts'
import { accepted } from '../../protocol/verdict.ts'
import type { RoundManifest } from '../../protocol/wire.ts'
import { afterRound } from '../placement/stragglers.ts'
import { newMember } from './members.ts'
import { broadcast, note, type StepResult, toTrain } from './open.ts'
import { epochOf, type RoundEffect, type RoundEvent, type RoundState } from './state.ts'

/** How long the end of a run waits for the last roots, in milliseconds. */
export const finalRootsMs = 15_000
/** Rounds whose announced roots are kept: far more than a replica may lag behind. */
export const rootsKept = 256

/** Asks for the aggregation of what the phase names. Asked again, after a restart, it gives the same. */
export function aggregateEffect(state: RoundState): RoundEffect {
  const { phase, round, reveals } = state
  invariant(phase.kind === 'aggregate', 'only a round whose reveals are closed is aggregated')
  return {
    kind: 'aggregate',
    round,
    closesEpoch: phase.closesEpoch,
    reveals: phase.admissible.map((worker) => ({ worker, reveal: reveals.get(worker)! })),
  }
}

/** Nobody contributes: a manifest without entries keeps the chain and moves no weight. */
function toVoid(state: RoundState, closesEpoch: boolean): StepResult {
  const next: RoundState = { ...state, phase: { kind: 'aggregate', closesEpoch, admissible: [] } }
  return { state: next, effects: [aggregateEffect(next)], judgement: accepted }
}

/** The head's replica has applied the round (or found it void): write its manifest. */
export function aggregated(
  state: RoundState,
  event: Extract<RoundEvent, { kind: 'aggregated' }>,
): StepResult {
  const { rules, round, term } = state
  if (state.phase.kind !== 'aggregate' || event.round !== round) {
    return { state, effects: [], judgement: accepted }
  }
  const { closesEpoch } = state.phase
  const refused = new Map(state.refused)
  for (const { worker, code } of event.refused) refused.set(worker, code)
  const admitted = new Set(event.admitted)
  for (const { worker } of state.slots) {
    if (!admitted.has(worker) && !refused.has(worker)) refused.set(worker, absence(state, worker))
  }
  const manifest: RoundManifest = {
    run: rules.run,
    term,
    round,
    epoch: epochOf(rules, round),
    parent: state.parent,
    baseRoot: state.stateRoot,
    stateRoot: event.stateRoot,
    entries: event.admitted.map((worker) => {
      const { contribution, contributionBytes, tokens, trace, lossNats } = state.reveals.get(worker)!
      return { worker, contribution, contributionBytes, tokens, trace, lossNats }
    }),
    refused: [...refused].map(([worker, code]) => ({ worker, code })),
    closesEpoch,
    checkpoint: event.checkpoint,
    slots: [...state.slots],
    average: event.average,
  }
  return {
    state: { ...state, phase: { kind: 'publish', manifest } },
    effects: [
      ...manifest.refused.map(({ worker, code }) =>
        note(code, state, worker, 'it is not part of this round'),
      ),
      { kind: 'publish-manifest', manifest },
    ],
    judgement: accepted,
  }
}

/** Why a member is in no other list of the round. */
function absence(state: RoundState, worker: WorkerId): string {
  if (state.members.get(worker)?.status === 'ejected') return 'EJECTED'
  if (state.stopping !== null) return 'RUN_STOPPED'
  if (state.reveals.has(worker)) return 'BELOW_QUORUM'
  return state.commits.has(worker) ? 'NOT_REVEALED' : 'NOT_COMMITTED'
}

/** The manifest is signed and stored: tell everyone, and open the next round. */
export function published(
  state: RoundState,
  event: Extract<RoundEvent, { kind: 'published' }>,
  now: number,
): StepResult {
  if (state.phase.kind !== 'publish' || event.round !== state.round)
    return { state, effects: [], judgement: accepted }
  const { rules } = state
  const { manifest } = state.phase
  invariant(manifest.round === state.round, 'a published manifest is of the round under way')
  const effects: RoundEffect[] = [broadcast(state, { kind: 'manifest', signedManifest: event.block })]
  if (manifest.closesEpoch)
    effects.push({ kind: 'close-epoch', epoch: manifest.epoch, lastManifest: event.cid })
  const next = afterManifest(state, manifest, event.cid)
  const go = (result: StepResult): StepResult => ({ ...result, effects: [...effects, ...result.effects] })
  if (next.stopping !== null) return go(manifest.closesEpoch ? end(next, next.stopping) : closeEarly(next))
  if (next.round < rules.rounds) return go(toTrain(next, now))
  return go({
    state: { ...next, phase: { kind: 'settle-roots', deadlineMs: now + finalRootsMs } },
    effects: [],
    judgement: accepted,
  })
}

/** The state after a round, as its manifest tells: also of rounds that another head led. */
export function afterManifest(
  state: RoundState,
  manifest: RoundManifest,
  cid: RoundState['parent'],
): RoundState {
  const { missesBeforeDemotion } = state.rules
  const endOf = new Map<WorkerId, Hash>(manifest.entries.map(({ worker, trace }) => [worker, trace.at(-1)!]))
  const members = state.members.withMutations((changed) => {
    for (const { worker } of manifest.slots) {
      // Of a round that another head led: whom it let in unknown to this one. Its local state must not be lost.
      const member = changed.get(worker) ?? newMember(state.rules, 'lost')
      const localState = endOf.get(worker)
      const { misses, demoted } = afterRound(member.misses, localState !== undefined, missesBeforeDemotion)
      changed.set(worker, {
        ...member,
        misses,
        localState: localState ?? member.localState,
        status: demoted && member.status === 'ready' ? 'warming' : member.status,
      })
    }
  })
  return {
    ...state,
    round: manifest.round + 1,
    stateRoot: manifest.stateRoot,
    parent: cid,
    members,
    roots: state.roots.delete(manifest.round - rootsKept),
  }
}

/** The run is asked to end: its epoch is closed first, so that what was verified is settled and the weights are kept. */
export function toEnd(state: RoundState, reason: string): StepResult {
  const { phase, round, rules } = state
  const stopping: RoundState = { ...state, stopping: reason }
  // What is being aggregated or signed comes first; `published` goes on from there.
  if (phase.kind === 'aggregate' || phase.kind === 'publish')
    return { state: stopping, effects: [], judgement: accepted }
  return round % rules.roundsPerEpoch === 0 ? end(stopping, reason) : closeEarly(stopping)
}

/** A last round in which nobody has a place closes an epoch that the run's end cuts short. */
const closeEarly = (state: RoundState): StepResult =>
  toVoid({ ...state, slots: [], commits: state.commits.clear(), reveals: state.reveals.clear() }, true)

export function end(state: RoundState, reason: string): StepResult {
  return {
    state: { ...state, phase: { kind: 'ended', reason } },
    effects: [runEnd(state, reason), { kind: 'end', reason }],
    judgement: accepted,
  }
}

export function fail(state: RoundState, code: string, message: string): StepResult {
  return {
    state: { ...state, phase: { kind: 'failed', code, message } },
    effects: [runEnd(state, `${code}: ${message}`), { kind: 'fail', code, message }],
    judgement: accepted,
  }
}

const runEnd = (state: RoundState, reason: string): RoundEffect =>
  broadcast(state, {
    kind: 'runEnd',
    rounds: state.round,
    reason: reason.slice(0, 256),
    newest: state.parent,
  })
