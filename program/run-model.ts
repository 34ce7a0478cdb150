import { checkProgram } from './check-program.ts'
import { initialWeights } from './initial-weights.ts'
import type { Parameter } from './parameter-table.ts'

/** What every replica must know of a run's training program, whether or not it executes it. */
export interface RunModel {
  readonly parameterCount: number
  /** Flat optimizer vectors of N values each. */
  readonly moments: number
  readonly table: readonly Parameter[]
  /** θ before round 0: a pure function of the seed. */
  initialWeights(seed: number): Float32Array
}

/** Reads and checks a training program. Throws what `checkProgram` throws. */
export function readRunModel(trainingProgram: Uint8Array): RunModel {
  const { parameterCount, optimizerSlots, table } = checkProgram(trainingProgram)
  return {
    parameterCount,
    moments: optimizerSlots.length,
    table: table.parameters,
    initialWeights: (seed) => initialWeights(table, seed),
  }
}
