import { ringAllReduceBytes } from '../coordinator/placement/round-bytes.ts'
import type { Address, Hash, WorkerId } from '../protocol/ids.ts'
import type { RunReport } from '../protocol/report.ts'
import type { TaskKind } from '../protocol/tasks.ts'
import type { FundingRow } from './money.ts'

/** The whole story of a run as one JSON document; token amounts are decimal strings of wei. */
export interface RunSummary {
  readonly run: string
  readonly name: string
  readonly task: TaskKind
  readonly phase: string
  readonly seconds: number | null
  readonly parameterCount: number
  /** Those that are not frozen. */
  readonly movingCount: number
  readonly heldOutLossNats: { readonly before: number | null; readonly after: number | null }
  readonly heldOutAccuracy: RunReport['heldOutAccuracy']
  readonly samples: RunReport['samples']
  readonly workers: readonly {
    readonly id: WorkerId
    readonly name: string
    readonly status: string
    readonly payout: Address | null
    readonly tokens: number
    readonly verifiedTokens: number
    readonly bytesSent: number
    readonly bytesReceived: number
    /** What fp32 ring all-reduce of all that is not frozen would have moved, after each of this worker's inner steps: computed. */
    readonly bytesFp32AllReduce: number
    readonly bytesRatioToFp32AllReduce: number | null
    /** The part of `bytesSent` that went to auditors. */
    readonly bytesAudited: number
    readonly earned: string
    readonly claimed: string
  }[]
  /** All-reduce bytes of all workers together over the bytes they moved together, audits and set-up included. */
  readonly bytesRatioToFp32AllReduce: number | null
  readonly rounds: readonly {
    readonly round: number
    readonly epoch: number
    readonly trainLossNats: number | null
    readonly stateRoot: Hash
    readonly stateRoots: readonly Hash[]
    readonly admitted: readonly WorkerId[]
    readonly refused: readonly { readonly worker: WorkerId; readonly code: string }[]
  }[]
  readonly stateRootsEqual: boolean
  readonly checkpoints: RunReport['checkpoints']
  readonly epochs: RunReport['epochs']
  readonly escrow: RunReport['escrow']
  readonly funders: readonly {
    readonly funder: Address
    readonly funded: string
    readonly refunded: string
  }[]
  readonly notes: RunReport['notes']
}

export function summarize(report: RunReport, funders: readonly FundingRow[]): RunSummary {
  const movingCount = report.movingCount ?? report.parameterCount
  const workers = report.workers.map((worker) => {
    const steps = (worker.tokens / report.tokensPerRound) * report.innerSteps
    const bytesFp32AllReduce = ringAllReduceBytes(report.workers.length, movingCount, steps)
    const moved = worker.bytesSent + worker.bytesReceived
    return {
      id: worker.id,
      name: worker.name,
      status: worker.status,
      payout: worker.payout,
      tokens: worker.tokens,
      verifiedTokens: worker.verifiedTokens,
      bytesSent: worker.bytesSent,
      bytesReceived: worker.bytesReceived,
      bytesFp32AllReduce,
      bytesRatioToFp32AllReduce: moved > 0 && bytesFp32AllReduce > 0 ? bytesFp32AllReduce / moved : null,
      bytesAudited: report.epochs
        .flatMap(({ audits }) => audits)
        .reduce((sum, audit) => sum + (audit.worker === worker.id ? audit.bytes : 0), 0),
      earned: worker.earned,
      claimed: worker.claimed,
    }
  })
  const moved = workers.reduce((sum, worker) => sum + worker.bytesSent + worker.bytesReceived, 0)
  const allReduce = workers.reduce((sum, worker) => sum + worker.bytesFp32AllReduce, 0)
  return {
    run: report.run,
    name: report.name,
    task: report.task,
    phase: report.phase,
    seconds:
      report.startedAt === null || report.endedAt === null
        ? null
        : (report.endedAt - report.startedAt) / 1000,
    parameterCount: report.parameterCount,
    movingCount,
    heldOutLossNats: report.heldOutLossNats,
    heldOutAccuracy: report.heldOutAccuracy,
    samples: report.samples,
    workers,
    bytesRatioToFp32AllReduce: moved > 0 && allReduce > 0 ? allReduce / moved : null,
    rounds: report.rounds.map(
      ({ round, epoch, trainLossNats, stateRoot, stateRoots, admitted, refused }) => ({
        round,
        epoch,
        trainLossNats,
        stateRoot,
        stateRoots,
        admitted,
        refused,
      }),
    ),
    stateRootsEqual: report.rounds.every(({ stateRoot, stateRoots }) =>
      stateRoots.every((root) => root === stateRoot),
    ),
    checkpoints: report.checkpoints,
    epochs: report.epochs,
    escrow: report.escrow,
    funders: funders.map(({ funder, funded, refunded }) => ({
      funder,
      funded: funded.toString(),
      refunded: refunded.toString(),
    })),
    notes: report.notes,
  }
}
