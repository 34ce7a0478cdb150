import type { TrainSection } from '../protocol/run-spec.ts'
import type { ProgramOptions } from './training-program.ts'

/** What of a run's train section its programs are built with. */
export function programOptions(train: TrainSection): ProgramOptions {
  const { optimizer, accumulate, freeze, lora, recompute, compute, ...constants } = train
  const { momentum, nesterov, beta1, beta2, weightDecay, clipNorm } = constants
  return {
    ...{ innerOptimizer: optimizer, accumulate, freeze, lora, recompute, compute },
    optimizer: { momentum, nesterov, beta1, beta2, weightDecay, clipNorm },
  }
}
