import type { TrainSection } from '../protocol/run-spec.ts'

/** What of the train section decides the rate. */
export type Schedule = Pick<
  TrainSection,
  | 'learningRate'
  | 'warmupSteps'
  | 'finalLearningRate'
  | 'schedule'
  | 'decayShare'
  | 'innerSteps'
  | 'roundsPerEpoch'
  | 'epochs'
>

/**
 * Inner learning rate at global inner step `step` (0-based): linear warm-up to the peak, then by `schedule` down to
 * `finalLearningRate` of it. `wsd` keeps the peak until the last `decayShare` of the run's steps and falls in a straight
 * line from there (Hu et al., arXiv 2404.06395); `constant` keeps it. Plain arithmetic, so that the rate has the same
 * bits on every host.
 */
export function learningRateAt(train: Schedule, step: number): number {
  const { learningRate, warmupSteps, finalLearningRate } = train
  if (step < warmupSteps) return Math.fround((learningRate * (step + 1)) / warmupSteps)
  return Math.fround(learningRate * (finalLearningRate + (1 - finalLearningRate) * above(train, step)))
}

/** What is left of the way from the peak (1) down to the final rate (0), after the warm-up. */
function above({ schedule, decayShare, warmupSteps, ...train }: Schedule, step: number): number {
  const total = train.innerSteps * train.roundsPerEpoch * train.epochs
  const since = (start: number) => Math.min(1, Math.max(0, step - start) / Math.max(1, total - start))
  switch (schedule) {
    case 'cosine':
      return halfCosine(since(warmupSteps))
    case 'linear':
      return 1 - since(warmupSteps)
    case 'wsd':
      return 1 - since(Math.max(warmupSteps, total * (1 - decayShare)))
    case 'constant':
      return 1
    default:
      return schedule satisfies never
  }
}

/**
 * (1 + cos πx) / 2 for x in [0, 1], by symmetry about 1/2: cos is only evaluated on [0, π/2], as a Taylor polynomial,
 * because Math.cos is implementation-defined; its error is below 1e-9.
 */
function halfCosine(x: number): number {
  return x <= 0.5 ? (1 + cosine(Math.PI * x)) / 2 : (1 - cosine(Math.PI * (1 - x))) / 2
}

function cosine(angle: number): number {
  const square = angle * angle
  let sum = 1
  let term = 1
  for (let n = 1; n <= 9; n++) {
    term *= -square / ((2 * n - 1) * (2 * n))
    sum += term
  }
  return sum
}
