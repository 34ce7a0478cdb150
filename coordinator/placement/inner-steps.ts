import type { WorkerId } from '../../protocol/ids.ts'

export interface InnerStepsOptions {
  /** Nobody is given less than this share of the inner steps: what a wrong figure can do at most. */
  readonly minShare: number
  /** A trace has this many boundaries (`audit.segments`), each after a step. */
  readonly segments: number
  /** Relative change below which a worker keeps the steps it had. */
  readonly tolerance: number
  /** The steps of the round before. */
  readonly previous: ReadonlyMap<WorkerId, number>
}

const usual: InnerStepsOptions = { minShare: 0.25, segments: 1, tolerance: 0.1, previous: new Map() }

/**
 * Inner steps of each worker for the next round, so that all finish together: the fastest trains all of them, the others in
 * proportion to their speed. Who has not been measured trains them all. Speeds are tokens a second; what is no positive
 * number counts as not measured. The head measures them itself (tokens of a round over the time to its commit); what one
 * worker says must not shorten everybody's round: {@link cappedAtMiddle}.
 *
 * Tokens weigh the average and the pay, so a slower worker loses nothing per token ("Dynamic Local Updates" of
 * Asynchronous Local-SGD, arXiv 2401.09135).
 */
export function innerStepsFor(
  speeds: ReadonlyMap<WorkerId, number>,
  innerSteps: number,
  options: Partial<InnerStepsOptions> = {},
): ReadonlyMap<WorkerId, number> {
  const { minShare, segments, tolerance, previous } = { ...usual, ...options }
  const fastest = Math.max(0, ...[...speeds.values()].filter(isKnown))
  const least = Math.min(innerSteps, Math.max(1, segments, Math.ceil(innerSteps * minShare)))
  const steps = new Map<WorkerId, number>()
  for (const [worker, speed] of speeds) {
    const share = isKnown(speed) ? speed / fastest : 1
    const fair = Math.min(innerSteps, Math.max(least, Math.round(innerSteps * share)))
    const before = previous.get(worker)
    const keeps =
      before !== undefined &&
      before >= least &&
      before <= innerSteps &&
      Math.abs(fair - before) <= tolerance * before
    steps.set(worker, keeps ? before : fair)
  }
  return steps
}

/**
 * Speeds, none above the middle of those that are known (the upper one of two): given to {@link innerStepsFor}, one that
 * pretends to be fast changes nobody else's share, and the faster half trains all steps.
 */
export function cappedAtMiddle(speeds: ReadonlyMap<WorkerId, number>): ReadonlyMap<WorkerId, number> {
  const known = [...speeds.values()].filter(isKnown).sort((a, b) => a - b)
  const middle = known[known.length >> 1] ?? 0
  return new Map([...speeds].map(([worker, speed]) => [worker, Math.min(speed, middle)]))
}

const isKnown = (speed: number): boolean => Number.isFinite(speed) && speed > 0
