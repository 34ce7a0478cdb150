import type { RunPhase, RunReport } from '../protocol/report.ts'
import type { EscrowSnapshot } from './escrow-watch.ts'
import type { Members } from './members.ts'
import { pendingReason, type RoundState } from './round/state.ts'
import type { Failure } from './run-failure.ts'
import type { RunLog } from './run-log.ts'
import type { RunOptions } from './run-ports.ts'

/** Where a run is beside its rounds: before them, in them, or after. */
export type Stage = 'awaiting-funds' | 'rounds' | 'settling' | 'over'

export interface RunFacts {
  readonly options: RunOptions
  readonly log: RunLog
  readonly stage: Stage
  readonly error: Failure | null
  /** Why a finished round is not published yet. */
  readonly held: string | null
  /** What the settlement of an epoch waits for on chain. */
  readonly confirming: string | null
  /** What the escrow still waits for. */
  readonly funding: string | null
  readonly escrow: EscrowSnapshot | null
  readonly members: Members
  readonly notes: RunReport['notes']
}

export function phaseOf(stage: Stage, state: RoundState, error: Failure | null): RunPhase {
  // One that was under way goes on as soon as its lease is taken: its workers are not to leave for that.
  if (stage === 'awaiting-funds' && state.term === 0) return 'awaiting-funds'
  const { kind } = state.phase
  if (kind === 'failed') return 'failed'
  if (stage === 'settling') return 'settling'
  if (stage === 'over') {
    if (error !== null) return 'failed'
    return state.round >= state.rules.rounds ? 'finished' : 'stopped'
  }
  if (kind === 'publish') return 'aggregate'
  if (kind === 'settle-roots' || kind === 'ended') return 'settling'
  return kind
}

export function pendingOf({
  stage,
  log,
  held,
  confirming,
  funding,
}: Pick<RunFacts, 'stage' | 'log' | 'held' | 'confirming' | 'funding'>) {
  if (stage === 'awaiting-funds') return funding
  // While rounds go on it holds nothing up.
  if (stage === 'settling') return confirming
  return held ?? pendingReason(log.state)
}

export function reportOf(facts: RunFacts): RunReport {
  const { options, log, stage, error, escrow, members, notes } = facts
  const { run, spec, parameterCount, movingCount, task } = options
  const { book, state, submittedAt, startedAt, endedAt } = log
  const { rules } = state
  return {
    run,
    name: spec.name,
    task,
    phase: phaseOf(stage, state, error),
    pending: pendingOf(facts),
    error,
    submittedAt,
    startedAt,
    endedAt,
    round: state.round,
    roundsTotal: rules.rounds,
    epochsTotal: spec.train.epochs,
    innerSteps: spec.train.innerSteps,
    parameterCount,
    movingCount,
    tokensPerRound: rules.tokensPerStep * rules.innerSteps,
    heldOutLossNats: book.heldOut,
    heldOutAccuracy: book.accuracy,
    samples: book.samples,
    workers: book.workers(state, members, escrow?.claimedBy ?? new Map()),
    rounds: book.rounds(state),
    epochs: book.epochs(),
    checkpoints: book.checkpoints(),
    escrow: escrow?.report ?? null,
    notes,
  }
}
