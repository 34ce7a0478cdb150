import { commitHash, sameHash } from '../../protocol/commitment.ts'
import type { WorkerId } from '../../protocol/ids.ts'
import { accepted, ignored, type Judgement, judge, rejected } from '../../protocol/verdict.ts'
import type { GossipBody } from '../../protocol/wire.ts'
import { traceRoot } from '../../verification/trace.ts'
import { aggregated, published } from './close.ts'
import { note, type StepResult, setMember, toReveal, toTrain } from './open.ts'
import type { RoundEvent, RoundState } from './state.ts'

export interface StepInput {
  readonly now: number
}

/**
 * The head's round state machine: forming → warmup → (train → commit → reveal → aggregate → publish)* → settle-roots →
 * ended. Pure: everything it learns is an event, everything it wants done is an effect. `judgement` answers gossip
 * for a `message` event and is `accept` otherwise.
 */
export function step(state: RoundState, event: RoundEvent, { now }: StepInput): StepResult {
  if (state.phase.kind === 'ended' || state.phase.kind === 'failed') {
    // The last epochs are settled after the last round: late roots are recorded, failed audits still eject.
    if (event.kind === 'message' && event.message.body.kind === 'stateRoot')
      return onMessage(state, event, now)
    if (event.kind === 'eject') return eject(state, event.worker, event.code)
    return { state, effects: [], judgement: ignored('RUN_OVER') }
  }
  switch (event.kind) {
    case 'join':
      return onJoin(state, event.worker, now)
    case 'ready':
      return onReady(state, event.worker, event.round, now)
    case 'lost':
      return advance(markLost(state, event.worker), now)
    case 'eject':
      return advance(eject(state, event.worker, event.code), now)
    case 'message':
      return onMessage(state, event, now)
    case 'tick':
      return advance({ state, effects: [], judgement: accepted }, now)
    case 'aggregated':
      return aggregated(state, event)
    case 'published':
      return advance(published(state, event, now), now)
    case 'fail':
      return {
        state: { ...state, phase: { kind: 'failed', code: event.code, message: event.message } },
        effects: [{ kind: 'fail', code: event.code, message: event.message }],
        judgement: accepted,
      }
    case 'stop':
      return end(state, event.reason)
    default:
      return event satisfies never
  }
}

function onJoin(state: RoundState, worker: WorkerId, now: number): StepResult {
  const known = state.members.get(worker)
  if (known?.status === 'ejected') return { state, effects: [], judgement: rejected('EJECTED') }
  const localState = known?.localState ?? state.rules.emptyLocalState
  // A worker that comes back has to warm up again: nobody knows what it still holds.
  const members = setMember(state.members, worker, { status: 'warming', misses: 0, localState })
  return advance({ state: { ...state, members }, effects: [], judgement: accepted }, now)
}

function onReady(state: RoundState, worker: WorkerId, round: number, now: number): StepResult {
  const member = state.members.get(worker)
  if (
    member === undefined ||
    member.status === 'ejected' ||
    member.status === 'ready' ||
    round !== state.round
  ) {
    return { state, effects: [], judgement: accepted }
  }
  const members = setMember(state.members, worker, { ...member, status: 'ready', misses: 0 })
  return advance({ state: { ...state, members }, effects: [], judgement: accepted }, now)
}

function markLost(state: RoundState, worker: WorkerId): StepResult {
  const member = state.members.get(worker)
  if (member === undefined || member.status === 'ejected' || member.status === 'lost') {
    return { state, effects: [], judgement: accepted }
  }
  const members = setMember(state.members, worker, { ...member, status: 'lost' })
  return {
    state: { ...state, members },
    effects: [note('WORKER_LOST', state, worker, 'no longer answers; the round goes on without it')],
    judgement: accepted,
  }
}

function eject(state: RoundState, worker: WorkerId, code: string): StepResult {
  const member = state.members.get(worker)
  if (member === undefined) return { state, effects: [], judgement: accepted }
  return {
    state: { ...state, members: setMember(state.members, worker, { ...member, status: 'ejected' }) },
    effects: [
      note(code, state, worker, 'failed its audit; it is out of this run and not paid for this epoch'),
    ],
    judgement: accepted,
  }
}

function onMessage(
  state: RoundState,
  event: Extract<RoundEvent, { kind: 'message' }>,
  now: number,
): StepResult {
  const { rules } = state
  const { author, message } = event
  const members = new Set(state.members.keys())
  const first = judge(
    { run: rules.run, head: rules.head, term: rules.term, round: state.round, members, authoritative: true },
    author,
    message,
  )
  const refuse = (judgement: Judgement): StepResult => ({ state, effects: [], judgement })
  if (first.verdict !== 'accept') return refuse(first)
  switch (message.body.kind) {
    case 'commit':
      return onCommit(state, author, message.body, now)
    case 'reveal':
      return onReveal(state, author, message.body, now)
    case 'stateRoot':
      return onStateRoot(state, author, message.body, now)
    default:
      return refuse(ignored('OWN_MESSAGE'))
  }
}

function onCommit(
  state: RoundState,
  author: WorkerId,
  body: Extract<GossipBody, { kind: 'commit' }>,
  now: number,
): StepResult {
  const refuse = (judgement: Judgement): StepResult => ({ state, effects: [], judgement })
  if (!state.roundMembers.includes(author)) return refuse(ignored('NOT_IN_ROUND'))
  if (state.members.get(author)?.status === 'ejected') return refuse(ignored('EJECTED'))
  const earlier = state.commits.get(author)
  if (earlier !== undefined)
    return refuse(earlier === body.hash ? ignored('DUPLICATE') : rejected('EQUIVOCATION'))
  if (state.phase.kind !== 'train' && state.phase.kind !== 'commit') return refuse(ignored('LATE'))
  const commits = new Map(state.commits).set(author, body.hash)
  const { deadlineMs } = state.phase
  const quorumReached = commits.size >= quorumCount(state)
  const graceMs =
    state.phase.kind === 'commit' && Number.isFinite(state.phase.graceMs)
      ? state.phase.graceMs
      : quorumReached
        ? now + state.rules.commitGraceMs
        : Number.POSITIVE_INFINITY
  const next: RoundState = { ...state, commits, phase: { kind: 'commit', deadlineMs, graceMs } }
  return advance({ state: next, effects: [], judgement: accepted }, now)
}

function onReveal(
  state: RoundState,
  author: WorkerId,
  body: Extract<GossipBody, { kind: 'reveal' }>,
  now: number,
): StepResult {
  const refuse = (judgement: Judgement): StepResult => ({ state, effects: [], judgement })
  const committed = state.commits.get(author)
  if (committed === undefined) return refuse(ignored('NOT_COMMITTED'))
  if (state.reveals.has(author) || state.refused.has(author)) return refuse(ignored('DUPLICATE'))
  if (state.phase.kind === 'train' || state.phase.kind === 'commit') return refuse(rejected('EARLY_REVEAL'))
  if (state.phase.kind !== 'reveal') return refuse(ignored('LATE'))
  const { rules } = state
  const { contribution, salt, trace } = body
  const opened = commitHash({
    run: rules.run,
    worker: author,
    round: state.round,
    contribution,
    traceRoot: traceRoot(trace),
    salt,
  })
  if (!sameHash(opened, committed)) return refuse(rejected('REVEAL_MISMATCH'))
  const fault = faultOf(state, author, body)
  const next: RoundState =
    fault === null
      ? { ...state, reveals: new Map(state.reveals).set(author, body) }
      : { ...state, refused: new Map(state.refused).set(author, fault) }
  const effects = fault === null ? [] : [note(fault, state, author, 'its reveal is refused')]
  return advance({ state: next, effects, judgement: accepted }, now)
}

/** What is wrong with a reveal that does open its commit; null when nothing is. */
function faultOf(
  state: RoundState,
  author: WorkerId,
  body: Extract<GossipBody, { kind: 'reveal' }>,
): string | null {
  const { rules } = state
  if (body.trace.length !== rules.traceLeaves) return 'TRACE_LENGTH'
  if (body.tokens !== rules.tokensPerRound) return 'TOKENS_WRONG'
  const start = body.trace[0]!
  // A worker that lost its local state may begin again from the empty one, but not from any other.
  const expected = state.members.get(author)?.localState
  if (start !== expected && start !== rules.emptyLocalState) return 'TRACE_DISCONTINUOUS'
  return null
}

function onStateRoot(
  state: RoundState,
  author: WorkerId,
  body: Extract<GossipBody, { kind: 'stateRoot' }>,
  now: number,
): StepResult {
  const ofRound = state.roots.get(body.round) ?? new Map()
  const refuse = (judgement: Judgement): StepResult => ({ state, effects: [], judgement })
  if (body.round >= state.round) return refuse(rejected('FUTURE'))
  if (ofRound.get(author) === body.root) return refuse(ignored('DUPLICATE'))
  const roots = new Map(state.roots).set(body.round, new Map(ofRound).set(author, body.root))
  const diverged = body.round === state.round - 1 && body.root !== state.stateRoot
  const effects = diverged
    ? [note('STATE_DIVERGED', state, author, 'its replica has another root; it resyncs')]
    : []
  return advance({ state: { ...state, roots }, effects, judgement: accepted }, now)
}

/** Members of the round that can still be expected to answer. */
function answering(state: RoundState): readonly WorkerId[] {
  return state.roundMembers.filter((worker) => {
    const status = state.members.get(worker)?.status
    return status === 'ready' || status === 'warming'
  })
}

export function quorumCount(state: RoundState): number {
  return Math.max(1, Math.ceil(state.rules.quorum * state.roundMembers.length))
}

/** Moves to the next phase when what it waits for is there, or its deadline has passed. */
function advance(result: StepResult, now: number): StepResult {
  const { state, effects, judgement } = result
  const { phase } = state
  const follow = (next: StepResult): StepResult => ({
    state: next.state,
    effects: [...effects, ...next.effects],
    judgement,
  })
  switch (phase.kind) {
    case 'forming': {
      const present = [...state.members.values()].filter(
        (m) => m.status === 'warming' || m.status === 'ready',
      ).length
      if (present < state.rules.minWorkers) return result
      const deadlineMs = now + state.rules.warmupTimeoutMs
      return follow(
        advance({ state: { ...state, phase: { kind: 'warmup', deadlineMs } }, effects: [], judgement }, now),
      )
    }
    case 'warmup': {
      const statuses = [...state.members.values()].map(({ status }) => status)
      const ready = statuses.filter((status) => status === 'ready').length
      const warming = statuses.filter((status) => status === 'warming').length
      if (ready >= state.rules.minWorkers && (warming === 0 || now >= phase.deadlineMs))
        return follow(toTrain(state, now))
      if (now >= phase.deadlineMs || ready + warming < state.rules.minWorkers) {
        return follow({ state: { ...state, phase: { kind: 'forming' } }, effects: [], judgement })
      }
      return result
    }
    case 'train':
    case 'commit': {
      const waiting = answering(state).filter((worker) => !state.commits.has(worker))
      const graceOver = phase.kind === 'commit' && now >= phase.graceMs
      if (waiting.length > 0 && !graceOver && now < phase.deadlineMs) return result
      return follow(advance(toReveal(state, now), now))
    }
    case 'reveal': {
      const waiting = [...state.commits.keys()].filter(
        (worker) =>
          !state.reveals.has(worker) &&
          !state.refused.has(worker) &&
          state.members.get(worker)?.status === 'ready',
      )
      if (waiting.length > 0 && now < phase.deadlineMs) return result
      const { round, rules } = state
      // Commit order: when two bring the same contribution, the first to commit keeps it.
      const reveals = [...state.commits.keys()].flatMap((worker) => {
        const reveal = state.reveals.get(worker)
        return reveal === undefined || state.members.get(worker)?.status === 'ejected'
          ? []
          : [{ worker, reveal }]
      })
      const closesEpoch = (round + 1) % rules.roundsPerEpoch === 0
      // Below the quorum the round is void: a manifest without entries keeps the chain and moves no weight.
      const enough = reveals.length >= quorumCount(state)
      return follow({
        state: { ...state, phase: { kind: 'aggregate' } },
        effects: [
          ...(enough
            ? []
            : [note('BELOW_QUORUM', state, null, `${reveals.length} contributions; the round is void`)]),
          { kind: 'aggregate', round, closesEpoch, reveals: enough ? reveals : [] },
        ],
        judgement,
      })
    }
    case 'settle-roots': {
      const heard = state.roots.get(state.round - 1) ?? new Map()
      const waiting = [...state.members].filter(([worker, m]) => m.status === 'ready' && !heard.has(worker))
      return waiting.length > 0 && now < phase.deadlineMs ? result : follow(end(state, 'all rounds are done'))
    }
    default:
      return result
  }
}

function end(state: RoundState, reason: string): StepResult {
  const { rules, round } = state
  return {
    state: { ...state, phase: { kind: 'ended', reason } },
    effects: [
      {
        kind: 'broadcast',
        message: {
          run: rules.run,
          term: rules.term,
          body: { kind: 'runEnd', rounds: round, reason, newest: state.parent },
        },
      },
      { kind: 'end', reason },
    ],
    judgement: accepted,
  }
}
