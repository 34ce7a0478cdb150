import { commitHash } from '../../protocol/commitment.ts'
import type { CidText, Hash } from '../../protocol/ids.ts'
import { slotIndexOf } from '../../protocol/slots.ts'
import { accepted, ignored, type Judgement, judge } from '../../protocol/verdict.ts'
import type { Gossip, GossipBody, RoundManifest } from '../../protocol/wire.ts'
import { traceRoot } from '../../verification/trace.ts'
import type {
  Place,
  RoundOpen,
  RunEnd,
  TrainedRound,
  WorkerEffect,
  WorkerEvent,
  WorkerState,
} from './state.ts'

export interface WorkerStepResult {
  readonly state: WorkerState
  readonly effects: readonly WorkerEffect[]
  readonly judgement: Judgement
}

/** After this many rebuilds that do not reach the head's root, the worker leaves the run: its engine or disk is faulty. */
const maxDivergences = 2

const only = (state: WorkerState, ...effects: WorkerEffect[]): WorkerStepResult => ({
  state,
  effects,
  judgement: accepted,
})

/**
 * The worker's round state machine: ready → training → committed → revealed → applying → ready, with catching-up
 * from anywhere. Pure. `judgement` answers gossip for a `message` event.
 */
export function step(state: WorkerState, event: WorkerEvent): WorkerStepResult {
  if (state.phase.kind === 'ended') return { state, effects: [], judgement: ignored('RUN_OVER') }
  switch (event.kind) {
    case 'heads':
      return only({ ...state, heads: event.heads })
    case 'message':
      return onMessage(state, event)
    case 'manifest':
      return onManifest(state, event.manifest, event.cid)
    case 'trained':
      return onTrained(state, event.round, event.trained)
    case 'train-failed':
      // Its share of this round is lost, nothing else: the manifest will come and the next round with it.
      return event.round === state.round && state.phase.kind === 'training'
        ? only({ ...state, phase: { kind: 'ready' } }, { kind: 'note', code: event.code, text: event.text })
        : only(state)
    case 'applied':
      return onApplied(state, event)
    case 'apply-failed':
      return state.phase.kind === 'applying'
        ? catchUp(state, state.phase.cid, { kind: 'note', code: 'APPLY_FAILED', text: event.text })
        : only(state)
    case 'average-refused':
      return onAverageRefused(state, event)
    case 'caught-up':
      return onCaughtUp(state, event)
    case 'catch-up-failed':
      // The head repeats its newest announcement with every heartbeat, which tries again.
      return state.phase.kind === 'catching-up'
        ? only(
            { ...state, phase: { kind: 'ready' }, opened: null, ending: null },
            { kind: 'note', code: 'CATCH_UP_FAILED', text: event.text },
          )
        : only(state)
    default:
      return event satisfies never
  }
}

/** The worker's own current message, to be sent again with each heartbeat in case gossip lost it. */
export function outstanding(state: WorkerState): Gossip | null {
  const { phase } = state
  if (phase.kind === 'committed') return commitOf(state, phase.hash)
  if (phase.kind === 'revealed') return revealOf(state, phase.trained)
  if (phase.kind === 'ready' && state.round > 0) {
    return gossip(state, {
      kind: 'stateRoot',
      round: state.round - 1,
      root: state.stateRoot,
      checkpoint: null,
    })
  }
  return null
}

function gossip(state: WorkerState, body: GossipBody, term = state.term): Gossip {
  return { run: state.run, term, body }
}

/** Said in the term of the opening that it answers: a head that has heard of a newer one may not have come so far. */
function commitOf(state: WorkerState, hash: Hash): Gossip {
  return gossip(state, { kind: 'commit', round: state.round, hash }, state.attempted.term)
}

function revealOf(state: WorkerState, trained: TrainedRound): Gossip {
  const { contribution, contributionBytes, trace, tokens, lossNats, salt } = trained
  const { round, attempted } = state
  const leaves = [...trace]
  const said = { round, contribution, contributionBytes, trace: leaves, tokens, lossNats, salt }
  return gossip(state, { kind: 'reveal', ...said }, attempted.term)
}

function onMessage(state: WorkerState, event: Extract<WorkerEvent, { kind: 'message' }>): WorkerStepResult {
  const { author, message } = event
  const { run, heads, term, round } = state
  // A worker does not know who else is a member until the head says so: it relays for anyone that gossip let in.
  const view = { run, heads, term, round, isMember: () => true, authoritative: false }
  const judgement = judge(view, author, message)
  if (judgement.verdict !== 'accept') return { state, effects: [], judgement }
  const { body } = message
  // What an older head said of the run's end is not the newer one's word.
  const heard = message.term > term ? { ...state, term: message.term, ending: null } : state
  switch (body.kind) {
    case 'roundOpen':
      return onRoundOpen(heard, body, message.term)
    case 'revealOpen':
      return onRevealOpen(heard, body)
    case 'runEnd':
      return onRunEnd(heard, body)
    default:
      // A manifest, or what a block holds, comes back as an event of its own, fetched and decoded by the runtime.
      return only(heard)
  }
}

function onRoundOpen(state: WorkerState, open: RoundOpen, term: number): WorkerStepResult {
  if (state.phase.kind === 'applying' || state.phase.kind === 'catching-up') {
    return only(isNewer(state.opened, open, term) ? { ...state, opened: { open, term } } : state)
  }
  // A head that took over leads from the history it knows: rounds that only its predecessor published are undone.
  const other = term > state.appliedTerm
  if (open.round < state.round && !other) return { state, effects: [], judgement: ignored('LATE') }
  const waiting: WorkerState = { ...state, opened: { open, term } }
  if (open.round !== state.round) return catchUp(waiting, open.parent)
  if (open.stateRoot !== state.stateRoot)
    return other ? catchUp(waiting, open.parent) : catchUp(waiting, open.parent, diverged(state))
  return enter({ ...state, opened: null }, open, term)
}

/** A head that took over first says where the run stands, in an opening without places. */
function isNewer(known: WorkerState['opened'], open: RoundOpen, term: number): boolean {
  if (known === null || term > known.term) return true
  return open.round > known.open.round || (open.round === known.open.round && known.open.slots.length === 0)
}

/** The round that starts from this replica's weights is open. */
function enter(state: WorkerState, open: RoundOpen, term: number): WorkerStepResult {
  const { phase, attempted } = state
  const again = attempted.term === term && attempted.round >= open.round
  if (again) return only(state)
  const slot = slotIndexOf(open.slots, state.self)
  if (slot === -1) {
    // A head that took over does not know of the opening that this worker has answered: it waits for those who are ready.
    const answered = phase.kind === 'committed' || phase.kind === 'revealed'
    return only(answered && term > attempted.term ? { ...state, phase: { kind: 'ready' } } : state)
  }
  const place: Place = { slot, memberCount: open.slots.length, steps: open.slots[slot]!.steps }
  const begun: WorkerState = { ...state, attempted: { term, round: open.round, place } }
  // Opened again by a head that took over. What was trained counts only for the very same place: a replay of any other
  // would give something else.
  if (attempted.round === open.round && isSame(place, attempted.place)) {
    if (phase.kind === 'training') return only(begun)
    // It may not have heard of what was committed.
    if (phase.kind === 'committed' || phase.kind === 'revealed') return commit(begun, phase.trained)
  }
  const stop: WorkerEffect[] = phase.kind === 'training' ? [{ kind: 'stop-training' }] : []
  return only({ ...begun, phase: { kind: 'training' } }, ...stop, {
    kind: 'train',
    round: state.round,
    ...place,
  })
}

const isSame = (a: Place, b: Place | null): boolean =>
  a.slot === b?.slot && a.memberCount === b.memberCount && a.steps === b.steps

function commit(state: WorkerState, trained: TrainedRound): WorkerStepResult {
  const hash = hashOf(state, trained)
  const committed: WorkerState = { ...state, phase: { kind: 'committed', trained, hash } }
  return only(committed, { kind: 'publish', message: commitOf(committed, hash) })
}

function hashOf(state: WorkerState, trained: TrainedRound): Hash {
  return commitHash({
    run: state.run,
    worker: state.self,
    round: state.round,
    contribution: trained.contribution,
    traceRoot: traceRoot(trained.trace),
    salt: trained.salt,
  })
}

function onTrained(state: WorkerState, round: number, trained: TrainedRound): WorkerStepResult {
  if (state.phase.kind !== 'training' || round !== state.round) return only(state)
  return commit(state, trained)
}

function onRevealOpen(
  state: WorkerState,
  open: Extract<GossipBody, { kind: 'revealOpen' }>,
): WorkerStepResult {
  const { phase, attempted, term } = state
  if (open.round !== state.round || (phase.kind !== 'committed' && phase.kind !== 'revealed'))
    return only(state)
  // Told once; lost, it goes again with the heartbeats. Another head may never have been told.
  if (phase.kind === 'revealed' && attempted.term === term) return only(state)
  const { trained } = phase
  const mine = open.commits.find(({ worker }) => worker === state.self)
  // Revealing what was not accepted as committed would only show it to copiers. And a head that lists this commit knows
  // the opening that it answers, though perhaps from the head before it.
  if (mine?.hash !== hashOf(state, trained)) return only(state)
  const revealed: WorkerState = {
    ...state,
    attempted: { ...attempted, term },
    phase: { kind: 'revealed', trained },
  }
  return only(revealed, { kind: 'publish', message: revealOf(revealed, trained) })
}

function onManifest(state: WorkerState, manifest: RoundManifest, cid: CidText): WorkerStepResult {
  const other = manifest.term > state.appliedTerm
  if (manifest.run !== state.run || manifest.term < state.appliedTerm) return only(state)
  if (manifest.round < state.round && !other) return only(state)
  if (state.phase.kind === 'applying' || state.phase.kind === 'catching-up') return only(state)
  // The block before may be another head's telling of the same round: what counts is that it led to the same weights.
  const follows =
    manifest.round === state.round &&
    (manifest.parent === state.newest || other) &&
    manifest.baseRoot === state.stateRoot
  if (!follows) return catchUp(state, cid)
  const admitted = manifest.entries.some(({ worker }) => worker === state.self)
  const effects: WorkerEffect[] = state.phase.kind === 'training' ? [{ kind: 'stop-training' }] : []
  effects.push({ kind: 'apply', manifest, admitted })
  return only({ ...state, phase: { kind: 'applying', manifest, cid } }, ...effects)
}

function onApplied(state: WorkerState, event: Extract<WorkerEvent, { kind: 'applied' }>): WorkerStepResult {
  if (state.phase.kind !== 'applying' || event.round !== state.round) return only(state)
  const { manifest, cid } = state.phase
  if (event.stateRoot !== manifest.stateRoot) return catchUp(state, cid, diverged(state))
  const { round, checkpoint } = event
  if (manifest.checkpoint !== null && checkpoint !== manifest.checkpoint) {
    return catchUp(state, cid, { kind: 'note', code: 'CHECKPOINT_DIFFERS', text: `at round ${round}` })
  }
  return resume(
    {
      ...state,
      round: round + 1,
      stateRoot: event.stateRoot,
      newest: cid,
      appliedTerm: manifest.term,
      divergences: 0,
    },
    {
      kind: 'publish',
      message: gossip(state, { kind: 'stateRoot', round, root: event.stateRoot, checkpoint }),
    },
  )
}

const refusals = {
  AVERAGE_FALSE: 'its contributions give another average than the head sent',
  AVERAGE_UNCHECKABLE: 'averages cannot be checked, as contributions are again and again nowhere to be had',
} as const

/** Nothing that this head leads to can be trusted any more; its signature below the manifest is the proof. */
function onAverageRefused(
  state: WorkerState,
  { round, code }: Extract<WorkerEvent, { kind: 'average-refused' }>,
): WorkerStepResult {
  // Another head has undone the round meanwhile.
  if (round >= state.round) return only(state)
  const reason = refusals[code]
  return only(
    { ...state, phase: { kind: 'ended', reason } },
    { kind: 'stop-training' },
    {
      kind: 'withdraw',
      code,
      text: `round ${round}: ${reason}`,
    },
  )
}

function onCaughtUp(
  state: WorkerState,
  event: Extract<WorkerEvent, { kind: 'caught-up' }>,
): WorkerStepResult {
  if (state.phase.kind !== 'catching-up') return only(state)
  const { round, stateRoot, newest, appliedTerm } = event
  // Its signature says that somebody led that term: an older head is fenced off from here on.
  const term = Math.max(state.term, appliedTerm)
  const rebuilt: WorkerState = { ...state, term, round, stateRoot, newest, appliedTerm }
  if (round === 0) return resume(rebuilt)
  // Its own root of that round was never told, or was another: this one says that the replica is whole again.
  return resume(rebuilt, {
    kind: 'publish',
    message: gossip(rebuilt, { kind: 'stateRoot', round: round - 1, root: stateRoot, checkpoint: null }),
  })
}

/** The run is over: leaves with the final weights, so not before the last round is applied. */
function onRunEnd(state: WorkerState, ending: RunEnd): WorkerStepResult {
  if (state.phase.kind === 'applying' || state.phase.kind === 'catching-up') return only({ ...state, ending })
  if (ending.newest !== null && ending.newest !== state.newest) {
    return catchUp({ ...state, ending }, ending.newest)
  }
  const stop: WorkerEffect[] = state.phase.kind === 'training' ? [{ kind: 'stop-training' }] : []
  return only({ ...state, phase: { kind: 'ended', reason: ending.reason } }, ...stop, {
    kind: 'end',
    reason: ending.reason,
  })
}

/** Back to ready; goes straight to the end of the run, or into a round that was opened meanwhile. */
function resume(state: WorkerState, ...effects: WorkerEffect[]): WorkerStepResult {
  const { opened, ending } = state
  const ready: WorkerState = { ...state, phase: { kind: 'ready' }, opened: null }
  if (ending !== null) {
    const next = onRunEnd(ready, ending)
    return only(next.state, ...effects, ...next.effects)
  }
  if (opened === null || opened.term < ready.term) return only(ready, ...effects)
  const next = onRoundOpen(ready, opened.open, opened.term)
  return only(next.state, ...effects, ...next.effects)
}

function diverged(state: WorkerState): WorkerEffect {
  return {
    kind: 'note',
    code: 'STATE_DIVERGED',
    text: `round ${state.round}: this replica's root is not the head's`,
  }
}

function catchUp(state: WorkerState, target: CidText | null, ...effects: WorkerEffect[]): WorkerStepResult {
  const divergences = effects.some((e) => e.kind === 'note' && e.code === 'STATE_DIVERGED')
    ? state.divergences + 1
    : state.divergences
  if (divergences > maxDivergences) {
    return only(
      { ...state, phase: { kind: 'ended', reason: 'this replica keeps diverging' } },
      { kind: 'stop-training' },
      {
        kind: 'withdraw',
        code: 'STATE_DIVERGED',
        text: `round ${state.round}: rebuilding ${maxDivergences} times did not reach the head's root`,
      },
    )
  }
  const stop: WorkerEffect[] = state.phase.kind === 'training' ? [{ kind: 'stop-training' }] : []
  return only({ ...state, divergences, phase: { kind: 'catching-up', target } }, ...stop, ...effects, {
    kind: 'catch-up',
    target,
  })
}
