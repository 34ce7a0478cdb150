import { Map as PersistentMap } from 'immutable'
import { commitHash, sameHash } from '../../protocol/commitment.ts'
import type { Hash, WorkerId } from '../../protocol/ids.ts'
import { accepted, ignored, type Judgement, judge, rejected } from '../../protocol/verdict.ts'
import type { GossipBody } from '../../protocol/wire.ts'
import { traceRoot } from '../../verification/trace.ts'
import { aggregated, aggregateEffect, end, fail, published, rootsKept, toEnd } from './close.ts'
import { adopt, lead } from './lead.ts'
import { drain, eject, fullTrainingMs, join, lost, measured, ready, stepsOf } from './members.ts'
import { note, type StepResult, toReveal, toTrain } from './open.ts'
import { isOver, type RoundEvent, type RoundState } from './state.ts'

export interface StepInput {
  readonly now: number
}

/**
 * The head's round state machine: forming → warmup → (train → commit → reveal → aggregate → publish)* → settle-roots →
 * ended. Pure: everything it learns is an event, everything it wants done is an effect, so that the events alone, kept
 * in a log, are the run. `judgement` answers gossip for a `message` event and is `accept` otherwise.
 */
export function step(state: RoundState, event: RoundEvent, { now }: StepInput): StepResult {
  if (event.kind === 'lead') return settled(lead(state, event, now), now)
  if (event.kind === 'heads') return only({ ...state, heads: event.heads })
  if (event.kind === 'adopt') return adopt(state, event)
  if (!state.leading) return refuse(state, ignored('NOT_LEADING'))
  if (event.kind === 'deposed') return only({ ...state, leading: false })
  if (isOver(state)) {
    // The last epochs are settled after the last round: late roots are recorded, failed audits still eject.
    if (event.kind === 'message' && event.message.body.kind === 'stateRoot')
      return onMessage(state, event, now)
    if (event.kind === 'eject') return eject(state, event.worker, event.code)
    return refuse(state, ignored('RUN_OVER'))
  }
  switch (event.kind) {
    case 'join':
      return settled(join(state, event.worker, event.fresh), now, true)
    case 'ready':
      return settled(ready(state, event.worker, event.round), now, true)
    case 'drain':
      return settled(drain(state, event.worker), now)
    case 'lost':
      return settled(lost(state, event.worker), now)
    case 'eject':
      return settled(eject(state, event.worker, event.code), now)
    case 'message':
      return onMessage(state, event, now)
    case 'tick':
      return settled(only(state), now)
    case 'aggregated':
      return aggregated(state, event)
    case 'published':
      return settled(published(state, event, now), now)
    case 'fail':
      return fail(state, event.code, event.message)
    case 'pause':
      return only({ ...state, paused: true })
    case 'resume':
      return settled(resume(state, now), now)
    case 'stop':
      return toEnd(state, event.reason)
    default:
      return event satisfies never
  }
}

const only = (state: RoundState): StepResult => ({ state, effects: [], judgement: accepted })
const refuse = (state: RoundState, judgement: Judgement): StepResult => ({ state, effects: [], judgement })

function resume(state: RoundState, now: number): StepResult {
  const next: RoundState = { ...state, paused: false }
  return state.phase.kind === 'paused' ? toTrain(next, now) : only(next)
}

function onMessage(
  state: RoundState,
  { author, message }: Extract<RoundEvent, { kind: 'message' }>,
  now: number,
): StepResult {
  const { rules, heads, term, round, members } = state
  const isMember = (worker: WorkerId) => members.has(worker)
  const judgement = judge(
    { run: rules.run, heads, term, round, isMember, authoritative: true },
    author,
    message,
  )
  if (judgement.verdict !== 'accept') return refuse(state, judgement)
  switch (message.body.kind) {
    case 'commit':
      return onCommit(state, author, message.body, now)
    case 'reveal':
      return onReveal(state, author, message.body, now)
    case 'stateRoot':
      return onStateRoot(state, author, message.body, now)
    default:
      // A head's own message comes back to it only when somebody plays it again.
      return message.term > term
        ? { state, effects: [{ kind: 'deposed', term: message.term }], judgement: accepted }
        : refuse(state, ignored('OWN_MESSAGE'))
  }
}

function onCommit(
  state: RoundState,
  author: WorkerId,
  body: Extract<GossipBody, { kind: 'commit' }>,
  now: number,
): StepResult {
  const steps = stepsOf(state, author)
  if (steps === undefined) return refuse(state, ignored('NOT_IN_ROUND'))
  if (state.members.get(author)?.status === 'ejected') return refuse(state, ignored('EJECTED'))
  const earlier = state.commits.get(author)
  if (earlier === body.hash) return refuse(state, ignored('DUPLICATE'))
  // A worker that another head sent back, or a new process, may have trained the round again: what came first stands.
  if (earlier !== undefined) {
    const excused = state.inherited || state.members.get(author)?.restartedIn === state.round
    return refuse(state, excused ? ignored('INHERITED') : rejected('EQUIVOCATION'))
  }
  if (state.phase.kind !== 'train' && state.phase.kind !== 'commit') return refuse(state, ignored('LATE'))
  const commits = state.commits.set(author, body.hash)
  const { deadlineMs } = state.phase
  const openedMs = deadlineMs - state.rules.trainTimeoutMs
  const quorumReached = commits.size >= quorumCount(state)
  const graceMs =
    state.phase.kind === 'commit' && state.phase.graceMs !== null
      ? state.phase.graceMs
      : quorumReached
        ? Math.max(now, openedMs + fullTrainingMs(state)) + state.rules.commitGraceMs
        : null
  const members = measured(state, author, steps, openedMs, now)
  const next: RoundState = { ...state, commits, members, phase: { kind: 'commit', deadlineMs, graceMs } }
  return settled(only(next), now)
}

function onReveal(
  state: RoundState,
  author: WorkerId,
  body: Extract<GossipBody, { kind: 'reveal' }>,
  now: number,
): StepResult {
  const committed = state.commits.get(author)
  if (committed === undefined) return refuse(state, ignored('NOT_COMMITTED'))
  if (state.reveals.has(author) || state.refused.has(author)) return refuse(state, ignored('DUPLICATE'))
  if (state.phase.kind === 'train' || state.phase.kind === 'commit')
    return refuse(state, rejected('EARLY_REVEAL'))
  if (state.phase.kind !== 'reveal') return refuse(state, ignored('LATE'))
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
  if (!sameHash(opened, committed)) return refuse(state, rejected('REVEAL_MISMATCH'))
  const fault = faultOf(state, author, body)
  const next: RoundState =
    fault === null
      ? { ...state, reveals: state.reveals.set(author, body) }
      : { ...state, refused: state.refused.set(author, fault) }
  const effects = fault === null ? [] : [note(fault, state, author, 'its reveal is refused')]
  return settled({ state: next, effects, judgement: accepted }, now)
}

/** What is wrong with a reveal that does open its commit; null when nothing is. */
function faultOf(
  state: RoundState,
  author: WorkerId,
  body: Extract<GossipBody, { kind: 'reveal' }>,
): string | null {
  const { rules } = state
  if (body.trace.length !== rules.traceLeaves) return 'TRACE_LENGTH'
  if (body.tokens !== rules.tokensPerStep * stepsOf(state, author)!) return 'TOKENS_WRONG'
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
  const ofRound = state.roots.get(body.round, PersistentMap<WorkerId, Hash>())
  if (body.round >= state.round) return refuse(state, ignored('FUTURE'))
  if (ofRound.get(author) === body.root) return refuse(state, ignored('DUPLICATE'))
  // A replica that was wrong says the right root once it is mended. Whoever says ever other ones would fill the log.
  if (ofRound.has(author) && (body.round < state.round - 1 || body.root !== state.stateRoot))
    return refuse(state, ignored('ROOT_CHANGED'))
  // Rounds that are long over are not recorded any more, but a late root is no fault.
  if (body.round < state.round - rootsKept) return refuse(state, ignored('LATE'))
  const roots = state.roots.set(body.round, ofRound.set(author, body.root))
  const diverged = body.round === state.round - 1 && body.root !== state.stateRoot
  const effects = diverged
    ? [note('STATE_DIVERGED', state, author, 'its replica has another root; it resyncs')]
    : []
  return settled({ state: { ...state, roots }, effects, judgement: accepted }, now)
}

/** Whether somebody whom the round waits for has not done `done` yet. Stops at the first: cheap while many are missing. */
function awaits(state: RoundState, done: (worker: WorkerId) => boolean): boolean {
  return state.slots.some(({ worker }) => {
    if (done(worker)) return false
    const status = state.members.get(worker)?.status
    return status === 'ready' || status === 'warming' || status === 'draining'
  })
}

function quorumCount(state: RoundState): number {
  return Math.max(1, Math.ceil(state.rules.quorum * state.slots.length))
}

/**
 * Who is not ready when enough others are has as long again as those took, and at least this: a round later it comes in
 * anyway, and one that joins and never gets ready must not hold up the others.
 */
const leastWarmupGraceMs = 5_000

/**
 * Goes on to the next phase when what this one waits for is there, or its deadline has passed.
 * @param grows Nobody can have left: whether enough are there need not be counted again, which each of a thousand
 *   newcomers would otherwise cost.
 */
function settled(result: StepResult, now: number, grows = false): StepResult {
  const { state, effects, judgement } = result
  if (!state.leading) return result
  const { phase, rules } = state
  const follow = (next: StepResult): StepResult => ({
    state: next.state,
    effects: [...effects, ...next.effects],
    judgement,
  })
  switch (phase.kind) {
    case 'forming': {
      if (state.members.size < rules.minWorkers) return result
      const present = state.members.count(({ status }) => status === 'warming' || status === 'ready')
      if (present < rules.minWorkers) return result
      const warmup: RoundState = {
        ...state,
        phase: { kind: 'warmup', deadlineMs: now + rules.warmupTimeoutMs, graceMs: null },
      }
      return follow(settled({ state: warmup, effects: [], judgement }, now, true))
    }
    case 'warmup': {
      const isDue = now >= phase.deadlineMs
      if (grows && !isDue && state.members.some(({ status }) => status === 'warming')) return result
      const ready = state.members.count(({ status }) => status === 'ready')
      const warming = state.members.count(({ status }) => status === 'warming')
      if (ready >= rules.minWorkers) {
        const graceOver = phase.graceMs !== null && now >= phase.graceMs
        if (warming === 0 || isDue || graceOver) return follow(toTrain(state, now))
        if (phase.graceMs !== null) return result
        const tookMs = now - (phase.deadlineMs - rules.warmupTimeoutMs)
        const graceMs = now + Math.max(leastWarmupGraceMs, tookMs)
        return follow({ state: { ...state, phase: { ...phase, graceMs } }, effects: [], judgement })
      }
      if (isDue || ready + warming < rules.minWorkers)
        return follow({ state: { ...state, phase: { kind: 'forming' } }, effects: [], judgement })
      return result
    }
    case 'train':
    case 'commit': {
      const graceOver = phase.kind === 'commit' && phase.graceMs !== null && now >= phase.graceMs
      const waits = !graceOver && now < phase.deadlineMs
      if (waits && awaits(state, (worker) => state.commits.has(worker))) return result
      return follow(settled(toReveal(state, now), now))
    }
    case 'reveal': {
      const answered = (worker: WorkerId) =>
        !state.commits.has(worker) || state.reveals.has(worker) || state.refused.has(worker)
      if (now < phase.deadlineMs && awaits(state, answered)) return result
      return follow(toAggregate(state, judgement))
    }
    case 'settle-roots': {
      const heard = state.roots.get(state.round - 1)
      const waits = state.members.some(
        ({ status }, worker) => status === 'ready' && heard?.has(worker) !== true,
      )
      return waits && now < phase.deadlineMs ? result : follow(end(state, 'all rounds are done'))
    }
    default:
      return result
  }
}

function toAggregate(state: RoundState, judgement: Judgement): StepResult {
  const { round, rules } = state
  // Commit order: when two bring the same contribution, the first to commit keeps it.
  const revealed = [...state.commits.keys()].filter(
    (worker) => state.reveals.has(worker) && state.members.get(worker)?.status !== 'ejected',
  )
  const enough = revealed.length >= quorumCount(state)
  const next: RoundState = {
    ...state,
    phase: {
      kind: 'aggregate',
      closesEpoch: (round + 1) % rules.roundsPerEpoch === 0,
      admissible: enough ? revealed : [],
    },
  }
  const why = `${revealed.length} contributions; the round is void`
  return {
    state: next,
    effects: [...(enough ? [] : [note('BELOW_QUORUM', state, null, why)]), aggregateEffect(next)],
    judgement,
  }
}
