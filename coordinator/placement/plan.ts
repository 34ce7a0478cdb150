import { averagingOf, checkAveraging, replicaVectors } from '../../aggregation/averaging.ts'
import { type ExpectedGap, expectedGap } from '../../aggregation/expected-gap.ts'
import { gptParameterCount } from '../../program/memory.ts'
import { defaultModel } from '../../program/model-spec.ts'
import { operationsPerToken } from '../../program/operations.ts'
import type { RunModel } from '../../program/run-model.ts'
import { lineProbeBytes } from '../../protocol/limits.ts'
import type { RunFile } from '../../protocol/run-spec.ts'
import type { TaskKind } from '../../protocol/tasks.ts'
import { localShape, localStateBytes } from '../../verification/local-state.ts'
import { candidate, feasibility } from './feasibility.ts'
import { shortfall, unfit } from './fit.ts'
import { cappedAtMiddle, innerStepsFor } from './inner-steps.ts'
import { obstacle, type Pending } from './pending.ts'
import { obstacleText } from './pending-text.ts'
import {
  averageBytes,
  contributionBytes,
  ringAllReduceBytes,
  roundMessages,
  roundTraffic,
  type Traffic,
} from './round-bytes.ts'
import { checkRoundTokens } from './round-tokens.ts'
import type { NodeView } from './views.ts'

/** What is to be planned: a run file, and what building its programs and cutting its data told. */
export interface PlanInput {
  readonly file: RunFile
  readonly parameterCount: number
  /** Those that are not frozen: what rounds average. */
  readonly movingCount: number
  readonly task: TaskKind
  /** Tokens of text in a worker's batch, or its rows. */
  readonly tokensPerStep: number
  /** Arithmetic of a training step for each of them. */
  readonly operationsPerToken: number
  /** Flat optimizer vectors of as many values. */
  readonly moments: number
  readonly table: RunModel['table']
  /** What training takes on a worker's device. */
  readonly programMemoryBytes: number
  /** Blocks that every worker fetches before its first round: spec, program, data manifest. */
  readonly sharedBytes: number
  /** Training shards, which the workers divide among themselves. */
  readonly shardBytes: readonly number[]
  readonly epochRewardWei: bigint | null
  /** The nodes of the head; null where none is running. */
  readonly nodes: readonly NodeView[] | null
}

export interface PlanNode {
  readonly name: string
  readonly id: string
  /** `chosen` would be given the run, `spare` fits too. */
  readonly verdict: 'chosen' | 'spare' | 'unfit'
  /** It works for another run now. */
  readonly busy: boolean
  readonly reason: string | null
  /** Expected of it in this run; 0 while unknown. */
  readonly tokensPerSecond: number
  /** Inner steps a round that it would train; null when it is not chosen. */
  readonly innerSteps: number | null
}

export interface Plan {
  readonly name: string
  readonly task: TaskKind
  readonly parameterCount: number
  /** Those that are not frozen. */
  readonly movingCount: number
  /** For how many workers the figures are: those chosen, or `workers.min` where nobody is there to choose from. */
  readonly workers: number
  readonly rounds: number
  readonly epochs: number
  readonly tokens: { readonly perWorkerRound: number; readonly perRound: number; readonly total: number }
  readonly innerSteps: { readonly perWorkerRound: number; readonly total: number }
  readonly contributionBytes: number
  /** Of a round's average, which workers fetch instead of the contributions; null where they fetch these. */
  readonly averageBytes: number | null
  readonly perWorkerRound: Traffic
  /** Of one worker over the run: what it measures its line with, what it trains and what auditors ask of it included. */
  readonly perWorker: Traffic & { readonly setUpBytes: number; readonly auditBytes: number }
  readonly total: Traffic
  /** Bytes of fp32 ring all-reduce after every inner step over ours, a round. Null for one worker. */
  readonly ratioToRingAllReduce: number | null
  /** What such averaging cost in loss where it was measured; null where nothing comparable was. */
  readonly expectedGap: ExpectedGap | null
  /**
   * In fp32, what moves of θ and of the vectors that replicas carry beside it: what each of `epochs` checkpoints takes on a
   * node's disk, less the header.
   */
  readonly checkpointBytes: number
  /** What is frozen of θ, which all checkpoints share. */
  readonly frozenBytes: number
  readonly memoryBytesPerWorker: number
  readonly time: PlanTime | null
  readonly costWei: bigint | null
  readonly nodes: readonly PlanNode[]
  /** Why the nodes that are there could not start it; null when they could. */
  readonly pending: Pending | null
  readonly warnings: readonly string[]
}

export interface PlanTime {
  readonly trainSecondsPerRound: number
  /** Moving a round's bytes over the slowest of the lines that were measured; 0 when none was. */
  readonly exchangeSecondsPerRound: number
  readonly totalSeconds: number
  /** Chosen workers whose speed nobody measured: they may take longer. */
  readonly unmeasured: number
}

/** Commit window, reveal window and manifest wait for the slowest answer about this often. */
const answersPerRound = 6

/**
 * What a run takes, from the nodes that are there. Pure.
 * @throws MurmurError AVERAGING_INVALID, ROUND_TOO_LONG, as submitting it would.
 */
export function planRun(input: PlanInput): Plan {
  const { file, parameterCount, movingCount, table, programMemoryBytes, nodes, tokensPerStep } = input
  const { train, workers, audit } = file
  checkAveraging(file, { parameterCount: movingCount, frozenCount: parameterCount - movingCount, table })
  checkRoundTokens(file, tokensPerStep)
  const feasible = feasibility(file, nodes ?? [], programMemoryBytes)
  const chosen = feasible.kind === 'fits' ? (nodes ?? []).filter(({ id }) => feasible.workers.has(id)) : []
  const members = chosen.length > 0 ? chosen.length : workers.min
  const speeds = new Map((nodes ?? []).map((node) => [node.id, expectedSpeed(node, input)]))
  const ofChosen = new Map(chosen.map(({ id }) => [id, speeds.get(id)!]))
  const steps = workers.adaptive
    ? innerStepsFor(cappedAtMiddle(ofChosen), train.innerSteps, { segments: audit.segments })
    : new Map(chosen.map(({ id }) => [id, train.innerSteps]))
  const stepsPerRound =
    chosen.length > 0 ? [...steps.values()].reduce((sum, n) => sum + n, 0) : members * train.innerSteps
  const rounds = train.roundsPerEpoch * train.epochs
  const contribution = contributionBytes(file.averaging, movingCount)
  const average = averageBytes(file.averaging, movingCount)
  const messages = roundMessages(members, audit.segments)
  const perWorkerRound = roundTraffic(members, contribution, average, messages)
  const perWorker = wholeRun(input, members, perWorkerRound)
  const moved = perWorkerRound.upBytes + perWorkerRound.downBytes
  const time =
    chosen.length === 0 ? null : timeOf(chosen, ofChosen, steps, tokensPerStep, perWorkerRound, rounds)
  return {
    name: file.name,
    task: input.task,
    parameterCount,
    movingCount,
    workers: members,
    rounds,
    epochs: train.epochs,
    tokens: {
      perWorkerRound: train.innerSteps * tokensPerStep,
      perRound: stepsPerRound * tokensPerStep,
      total: stepsPerRound * tokensPerStep * rounds,
    },
    innerSteps: { perWorkerRound: train.innerSteps, total: stepsPerRound * rounds },
    contributionBytes: contribution,
    averageBytes: average,
    perWorkerRound,
    perWorker,
    total: { upBytes: members * perWorker.upBytes, downBytes: members * perWorker.downBytes },
    ratioToRingAllReduce:
      members < 2 ? null : ringAllReduceBytes(members, movingCount, stepsPerRound / members) / moved,
    expectedGap: gapOf(input, members),
    checkpointBytes: 4 * movingCount * (1 + replicaVectors(averagingOf(file))),
    frozenBytes: 4 * (parameterCount - movingCount),
    memoryBytesPerWorker: programMemoryBytes,
    time,
    costWei: input.epochRewardWei === null ? null : input.epochRewardWei * BigInt(train.epochs),
    nodes: (nodes ?? []).map((node) =>
      planNode(node, input, speeds.get(node.id)!, steps.get(node.id) ?? null),
    ),
    pending: feasible.kind === 'fits' || nodes === null ? null : feasible.pending,
    warnings: warningsOf(file, time, perWorkerRound),
  }
}

function gapOf({ file, movingCount, task }: PlanInput, workers: number): ExpectedGap | null {
  const { data, train, averaging } = file
  const steps = train.innerSteps * train.roundsPerEpoch * train.epochs
  const split = data.split ?? 'shuffled'
  return expectedGap({
    ...{ task, split, workers, steps, train, averaging },
    parameterCount: movingCount,
  })
}

function wholeRun(
  { file, movingCount, moments, sharedBytes, shardBytes }: PlanInput,
  members: number,
  round: Traffic,
): Plan['perWorker'] {
  const { train, audit } = file
  const allShards = shardBytes.reduce((sum, bytes) => sum + bytes, 0)
  // With fewer shards than workers each has one.
  const setUpBytes = sharedBytes + allShards / Math.min(members, Math.max(1, shardBytes.length))
  const drawn = Math.min(audit.roundsPerEpoch, members * train.roundsPerEpoch) / members
  const auditBytes =
    drawn *
    train.epochs *
    localStateBytes(localShape({ parameterCount: movingCount, moments }, averagingOf(file)))
  const rounds = train.roundsPerEpoch * train.epochs
  return {
    setUpBytes: Math.round(setUpBytes),
    auditBytes: Math.round(auditBytes),
    upBytes: Math.round(rounds * round.upBytes + auditBytes + lineProbeBytes),
    downBytes: Math.round(rounds * round.downBytes + setUpBytes + lineProbeBytes),
  }
}

function timeOf(
  chosen: readonly NodeView[],
  speeds: ReadonlyMap<string, number>,
  steps: ReadonlyMap<string, number>,
  tokensPerStep: number,
  round: Traffic,
  rounds: number,
): PlanTime | null {
  const measured = [...speeds].filter(([, speed]) => speed > 0)
  if (measured.length === 0) return null
  const over = (bytes: number, speed: number) => (speed > 0 ? bytes / speed : 0)
  const train = Math.max(...measured.map(([id, speed]) => (steps.get(id)! * tokensPerStep) / speed))
  const exchange = Math.max(
    ...chosen.map(
      ({ upBytesPerSecond, downBytesPerSecond, roundTripMs }) =>
        Math.max(over(round.upBytes, upBytesPerSecond), over(round.downBytes, downBytesPerSecond)) +
        (answersPerRound * roundTripMs) / 1000,
    ),
  )
  return {
    trainSecondsPerRound: train,
    exchangeSecondsPerRound: exchange,
    totalSeconds: rounds * (train + exchange),
    unmeasured: chosen.length - measured.length,
  }
}

function planNode(
  node: NodeView,
  { file, programMemoryBytes }: PlanInput,
  tokensPerSecond: number,
  innerSteps: number | null,
): PlanNode {
  const run = candidate(file, programMemoryBytes)
  const code = obstacle(node, run, null)
  const lack = unfit(node, run)
  return {
    id: node.id,
    name: node.name,
    verdict: innerSteps !== null ? 'chosen' : code === null ? 'spare' : 'unfit',
    busy: node.run !== null,
    reason: code === null ? null : obstacleText(code, lack === null ? 0 : shortfall(lack, node, run), run),
    tokensPerSecond,
    innerSteps,
  }
}

function warningsOf({ timing }: RunFile, time: PlanTime | null, { downBytes }: Traffic): string[] {
  const warnings: string[] = []
  if (time !== null && time.trainSecondsPerRound * 1000 > timing.trainTimeoutMs) {
    warnings.push(
      `a round trains ${Math.ceil(time.trainSecondsPerRound)} s, but ends after timing.trainTimeoutMs (${timing.trainTimeoutMs}): raise it, or lower train.innerSteps`,
    )
  }
  if (time !== null && time.exchangeSecondsPerRound > time.trainSecondsPerRound) {
    warnings.push(
      `moving ${downBytes} bytes a round takes longer than training it: raise train.innerSteps, or lower averaging.topK`,
    )
  }
  return warnings
}

/**
 * Tokens a second that a node should reach: on the reference program, scaled by the arithmetic a token takes there and
 * here; else as it was measured in whatever it trained last.
 */
function expectedSpeed(
  { devices, tokensPerSecond }: NodeView,
  { file, operationsPerToken: here }: PlanInput,
): number {
  const { device } = file.resources
  const usable = devices.filter(({ kind }) => device === 'any' || kind === device)
  const reference = Math.max(0, ...usable.map((each) => each.tokensPerSecond))
  if (reference === 0) return tokensPerSecond
  const there = operationsPerToken(defaultModel, gptParameterCount(defaultModel))
  return (reference * there) / here
}
