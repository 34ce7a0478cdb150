import { commitHash } from '../../protocol/commitment.ts'
import type { CidText } from '../../protocol/ids.ts'
import { accepted, ignored, type Judgement, judge } from '../../protocol/verdict.ts'
import type { Gossip, GossipBody, RoundManifest } from '../../protocol/wire.ts'
import { traceRoot } from '../../verification/trace.ts'
import type { RoundOpen, RunEnd, TrainedRound, WorkerEffect, WorkerEvent, WorkerState } from './state.ts'

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
  if (phase.kind === 'committed')
    return gossip(state, { kind: 'commit', round: state.round, hash: phase.hash })
  if (phase.kind === 'revealed') return gossip(state, revealOf(state, phase.trained))
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

function gossip(state: WorkerState, body: GossipBody): Gossip {
  return { run: state.run, term: state.term, body }
}

function revealOf(state: WorkerState, trained: TrainedRound): Extract<GossipBody, { kind: 'reveal' }> {
  const { contribution, contributionBytes, trace, tokens, lossNats, salt } = trained
  const { round } = state
  return { kind: 'reveal', round, contribution, contributionBytes, trace: [...trace], tokens, lossNats, salt }
}

function onMessage(state: WorkerState, event: Extract<WorkerEvent, { kind: 'message' }>): WorkerStepResult {
  const { author, message } = event
  const { run, head, term, round } = state
  // A worker does not know who else is a member until the head says so: it relays for anyone that gossip let in.
  const judgement = judge(
    { run, head, term, round, members: new Set([author]), authoritative: false },
    author,
    message,
  )
  if (judgement.verdict !== 'accept') return { state, effects: [], judgement }
  switch (message.body.kind) {
    case 'roundOpen':
      return onRoundOpen(state, message.body)
    case 'revealOpen':
      return onRevealOpen(state, message.body)
    case 'runEnd':
      return onRunEnd(state, message.body)
    default:
      // A manifest comes back as an event of its own, decoded by the runtime.
      return only(state)
  }
}

function onRoundOpen(state: WorkerState, open: RoundOpen): WorkerStepResult {
  if (open.round < state.round) return { state, effects: [], judgement: ignored('LATE') }
  if (state.phase.kind === 'applying' || state.phase.kind === 'catching-up') {
    return only(open.round > (state.opened?.round ?? -1) ? { ...state, opened: open } : state)
  }
  if (open.round > state.round) return catchUp({ ...state, opened: open }, open.parent)
  if (open.stateRoot !== state.stateRoot)
    return catchUp({ ...state, opened: open }, open.parent, diverged(state))
  const slot = open.members.indexOf(state.self)
  if (slot === -1 || state.phase.kind !== 'ready' || state.attempted >= open.round) {
    return only({ ...state, opened: null })
  }
  return only(
    { ...state, opened: null, attempted: open.round, phase: { kind: 'training', members: open.members } },
    { kind: 'train', round: state.round, slot, memberCount: open.members.length },
  )
}

function onTrained(state: WorkerState, round: number, trained: TrainedRound): WorkerStepResult {
  if (state.phase.kind !== 'training' || round !== state.round) return only(state)
  const hash = commitHash({
    run: state.run,
    worker: state.self,
    round,
    contribution: trained.contribution,
    traceRoot: traceRoot(trained.trace),
    salt: trained.salt,
  })
  return only(
    { ...state, phase: { kind: 'committed', trained, hash } },
    { kind: 'publish', message: gossip(state, { kind: 'commit', round, hash }) },
  )
}

function onRevealOpen(
  state: WorkerState,
  open: Extract<GossipBody, { kind: 'revealOpen' }>,
): WorkerStepResult {
  if (open.round !== state.round || state.phase.kind !== 'committed') return only(state)
  const { trained, hash } = state.phase
  const mine = open.commits.find(({ worker }) => worker === state.self)
  // Revealing what was not accepted as committed would only show it to copiers.
  if (mine?.hash !== hash) return only(state)
  return only(
    { ...state, phase: { kind: 'revealed', trained } },
    { kind: 'publish', message: gossip(state, revealOf(state, trained)) },
  )
}

function onManifest(state: WorkerState, manifest: RoundManifest, cid: CidText): WorkerStepResult {
  if (manifest.run !== state.run || manifest.round < state.round) return only(state)
  if (state.phase.kind === 'applying' || state.phase.kind === 'catching-up') return only(state)
  const follows =
    manifest.round === state.round &&
    manifest.parent === state.newest &&
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
    { ...state, round: round + 1, stateRoot: event.stateRoot, newest: cid, divergences: 0 },
    {
      kind: 'publish',
      message: gossip(state, { kind: 'stateRoot', round, root: event.stateRoot, checkpoint }),
    },
  )
}

function onCaughtUp(
  state: WorkerState,
  event: Extract<WorkerEvent, { kind: 'caught-up' }>,
): WorkerStepResult {
  if (state.phase.kind !== 'catching-up') return only(state)
  const { round, stateRoot, newest } = event
  const rebuilt: WorkerState = { ...state, round, stateRoot, newest }
  if (round === 0) return resume(rebuilt)
  // Its own root of that round was never told, or was another: this one says that the replica is whole again.
  return resume(rebuilt, {
    kind: 'publish',
    message: gossip(state, { kind: 'stateRoot', round: round - 1, root: stateRoot, checkpoint: null }),
  })
}

/** The run is over: leaves with the final weights, so not before the last round is applied. */
function onRunEnd(state: WorkerState, ending: RunEnd): WorkerStepResult {
  if (state.phase.kind === 'applying' || state.phase.kind === 'catching-up') return only({ ...state, ending })
  if (state.round < ending.rounds && ending.newest !== null && ending.newest !== state.newest) {
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
  if (opened === null || opened.round < ready.round) return only(ready, ...effects)
  const next = onRoundOpen(ready, opened)
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
