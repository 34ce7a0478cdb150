import { invariant } from '../../protocol/errors.ts'
import type { Hash, WorkerId } from '../../protocol/ids.ts'
import { accepted } from '../../protocol/verdict.ts'
import type { RoundManifest } from '../../protocol/wire.ts'
import { note, type StepResult, toTrain } from './open.ts'
import type { Member, RoundEffect, RoundEvent, RoundState } from './state.ts'

/** How long the end of a run waits for the last roots, in milliseconds. */
const finalRootsMs = 15_000
/** Rounds in a row without an admitted contribution after which a member must warm up again. */
const missesBeforeDemotion = 3

/** The head's replica has applied the round (or found it void): write its manifest. */
export function aggregated(
  state: RoundState,
  event: Extract<RoundEvent, { kind: 'aggregated' }>,
): StepResult {
  const { rules, round } = state
  if (state.phase.kind !== 'aggregate' || event.round !== round) {
    return { state, effects: [], judgement: accepted }
  }
  const refused = new Map(state.refused)
  for (const { worker, code } of event.refused) refused.set(worker, code)
  for (const worker of state.roundMembers) {
    if (event.admitted.includes(worker) || refused.has(worker)) continue
    refused.set(worker, absence(state, worker))
  }
  const manifest: RoundManifest = {
    run: rules.run,
    term: rules.term,
    round,
    epoch: Math.floor(round / rules.roundsPerEpoch),
    parent: state.parent,
    baseRoot: state.stateRoot,
    stateRoot: event.stateRoot,
    entries: event.admitted.map((worker) => {
      const { contribution, contributionBytes, tokens, trace, lossNats } = state.reveals.get(worker)!
      return { worker, contribution, contributionBytes, tokens, trace, lossNats }
    }),
    refused: [...refused].map(([worker, code]) => ({ worker, code })),
    closesEpoch: (round + 1) % rules.roundsPerEpoch === 0,
    checkpoint: event.checkpoint,
    members: [...state.roundMembers],
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
  const effects: RoundEffect[] = [
    {
      kind: 'broadcast',
      message: { run: rules.run, term: rules.term, body: { kind: 'manifest', signedManifest: event.block } },
    },
  ]
  if (manifest.closesEpoch)
    effects.push({ kind: 'close-epoch', epoch: manifest.epoch, lastManifest: event.cid })
  const next: RoundState = {
    ...state,
    round: state.round + 1,
    stateRoot: manifest.stateRoot,
    parent: event.cid,
    members: afterRound(state, manifest),
  }
  if (next.round >= rules.rounds) {
    return {
      state: { ...next, phase: { kind: 'settle-roots', deadlineMs: now + finalRootsMs } },
      effects,
      judgement: accepted,
    }
  }
  const opened = toTrain(next, now)
  return { ...opened, effects: [...effects, ...opened.effects] }
}

function afterRound(state: RoundState, manifest: RoundManifest): ReadonlyMap<WorkerId, Member> {
  const endOf = new Map<WorkerId, Hash>(manifest.entries.map(({ worker, trace }) => [worker, trace.at(-1)!]))
  const members = new Map(state.members)
  for (const worker of state.roundMembers) {
    const member = members.get(worker)
    if (member === undefined) continue
    const localState = endOf.get(worker)
    if (localState !== undefined) {
      members.set(worker, { ...member, misses: 0, localState })
      continue
    }
    const misses = member.misses + 1
    const status = member.status === 'ready' && misses >= missesBeforeDemotion ? 'warming' : member.status
    members.set(worker, { ...member, misses, status })
  }
  return members
}
