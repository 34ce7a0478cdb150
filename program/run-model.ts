import { MurmurError } from '../protocol/errors.ts'
import { checkProgram } from './check-program.ts'
import { invalidProgram } from './graph.ts'
import { initialWeights } from './initial-weights.ts'
import { digestBytes } from './memory.ts'
import type { Parameter } from './parameter-table.ts'
import type { TaskKind, TensorSignature } from './program-info.ts'

/** What every replica must know of a run's training program, whether or not it executes it. */
export interface RunModel {
  readonly parameterCount: number
  /** Leading ones that are trained: statistics and frozen parameters are behind them. */
  readonly trainedCount: number
  /** Leading ones that are not frozen: what rounds average and optimizers keep vectors of. */
  readonly movingCount: number
  /** Flat optimizer vectors of as many values each. */
  readonly moments: number
  readonly table: readonly Parameter[]
  readonly task: TaskKind
  /** One batch of a worker, rows first. */
  readonly inputs: TensorSignature
  readonly targets: TensorSignature
  /** Tokens of text in a batch, or its rows. */
  readonly tokensPerStep: number
  /** Upper bound on what one replica takes while it trains. */
  readonly memoryBytes: number
  /** f16 where any of its products are taken in it (program/half/). */
  readonly compute: 'f32' | 'f16'
  /** θ before round 0: a pure function of the seed. */
  initialWeights(seed: number): Float32Array
}

/** Reads and checks a training program. Throws what `checkProgram` throws. */
export function readRunModel(trainingProgram: Uint8Array): RunModel {
  const program = checkProgram(trainingProgram)
  if (program.kind !== 'training') throw invalidProgram(`it is for ${program.kind}, and should train`)
  const { parameterCount, optimizerSlots, table, task, inputs, targets, tokensPerStep, compute } = program
  // What a step reads is alive beside what it writes: the parameters and each of the optimizer's vectors.
  const stateBytes = 4 * (parameterCount + table.movingCount * optimizerSlots.length)
  return {
    ...{ task, inputs, targets, tokensPerStep, compute },
    memoryBytes: program.peakBytes + stateBytes + digestBytes(stateBytes),
    parameterCount,
    trainedCount: table.trainedCount,
    movingCount: table.movingCount,
    moments: optimizerSlots.length,
    table: table.parameters,
    initialWeights: (seed) => initialWeights(table, seed),
  }
}

/**
 * Audits allow what a run says it computes in (verification/distance.ts): a program of the other kind would have honest
 * workers refuted, or lazy ones verified.
 * @throws MurmurError COMPUTE_DIFFERS (exit `usage`).
 */
export function assertCompute({ compute }: Pick<RunModel, 'compute'>, told: RunModel['compute']): void {
  if (compute === told) return
  throw new MurmurError('COMPUTE_DIFFERS', {
    message: `the run says train.compute ${told}, its training program takes products in ${compute}`,
    next: 'submit again with `murmur run`; set train.compute f32 where no product of the model can take float16 (docs/program.md)',
    exit: 'usage',
  })
}
