import { MurmurError } from '../protocol/errors.ts'
import type { AveragingSection, RunFile } from '../protocol/run-spec.ts'
import { mostFragments } from './fragments.ts'
import { type ModelSize, roundCost } from './round-cost.ts'

/** A node hears nobody while it folds a round; a worker that is silent for 15 seconds is lost (`deadMs`). */
const maxRoundSeconds = 10

/** What a host of 16 GiB has left beside a program that trains and its state. */
const maxRoundBytes = 8 * 2 ** 30

/** Rules that bound what one member does, or none, from what is robust to what is cheap. */
const cheaperRules = ['geometric-median', 'mean'] as const

const maxFragments = 64

/**
 * Whether nodes could fold a full round of `workers.max` contributions in time and memory.
 * @throws MurmurError AVERAGING_INVALID, with what would be cheap enough.
 */
export function assertAffordable(
  averaging: AveragingSection,
  workers: Pick<RunFile['workers'], 'min' | 'max'>,
  size: ModelSize,
): void {
  const { max } = workers
  if (isAffordable(averaging, max, size)) return
  const { seconds, bytes } = roundCost(averaging, max, size)
  const takes = `averaging.rule ${averaging.rule} over ${max} updates of ${size.parameterCount} parameters (${averaging.compressor}) takes`
  const isSlow = seconds > maxRoundSeconds
  throw new MurmurError('AVERAGING_INVALID', {
    message: isSlow
      ? `${takes} every node about ${Math.round(seconds)} s a round; ${maxRoundSeconds} s is the most`
      : `${takes} every node ${(bytes / 2 ** 30).toFixed(1)} GiB; ${maxRoundBytes / 2 ** 30} GiB is the most`,
    next: alternatives(averaging, workers, size),
    exit: 'usage',
  })
}

function isAffordable(averaging: AveragingSection, members: number, size: ModelSize): boolean {
  const { seconds, bytes } = roundCost(averaging, members, size)
  return seconds <= maxRoundSeconds && bytes <= maxRoundBytes
}

/** Each change that alone is enough. */
function alternatives(
  averaging: AveragingSection,
  { min, max }: Pick<RunFile['workers'], 'min' | 'max'>,
  size: ModelSize,
): string {
  const fits = (change: Partial<AveragingSection>): boolean =>
    isAffordable({ ...averaging, ...change }, max, size)
  const members = mostMembers(averaging, max, size)
  const rule = cheaperRules.find((each) => each !== averaging.rule && fits({ rule: each }))
  const byCoordinate = averaging.rule === 'median' || averaging.rule === 'trimmed-mean'
  const parts =
    averaging.schedule === 'eager' ? 1 : Math.min(maxFragments, mostFragments(size.parameterCount))
  const fragments = Array.from({ length: parts }, (_, index) => index + 1).find(
    (count) => count > averaging.fragments && fits({ fragments: count }),
  )
  const changes = [
    ...(members >= min ? [`workers.max to ${members} or fewer`] : []),
    ...(rule === undefined ? [] : [`averaging.rule to ${rule}`]),
    ...(!byCoordinate && fits({ compressor: 'sparse-loco' }) ? ['averaging.compressor to sparse-loco'] : []),
    ...(fragments === undefined ? [] : [`averaging.fragments to ${fragments}`]),
  ]
  if (changes.length === 0) return 'train a smaller model, with averaging.rule mean'
  return `set ${new Intl.ListFormat('en', { type: 'disjunction' }).format(changes)}`
}

/** The most members up to `max` whose round is cheap enough; 0 where one is too many. The cost grows with them. */
function mostMembers(averaging: AveragingSection, max: number, size: ModelSize): number {
  let [low, high] = [0, max]
  while (low < high) {
    const middle = (low + high + 1) >> 1
    if (isAffordable(averaging, middle, size)) low = middle
    else high = middle - 1
  }
  return low
}
