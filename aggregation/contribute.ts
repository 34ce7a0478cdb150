import { type Averaging, averagedPart, movingOf } from './averaging.ts'
import { kernelsFor } from './kernels/kernels.ts'
import { pseudoGradient, pseudoGradientBothWays } from './pseudo-gradient.ts'
import { freshVectors } from './vectors.ts'

/** What a worker keeps of a round for the next: part of its local state (verification/local-state.ts). */
export interface Kept {
  /** N elements: as many as rounds move. */
  readonly errorFeedback: Float32Array
  /** N elements: its parameters at the start of a round, less what all start from. Null where all start from the same. */
  readonly drift: Float32Array | null
}

/** Where a worker's inner steps begin. */
export function startOf(base: Float32Array, { drift }: Kept): Float32Array {
  if (drift === null) return base
  const start = new Float32Array(base.length)
  moved(base.subarray(0, drift.length), drift, start.subarray(0, drift.length))
  start.set(base.subarray(drift.length), drift.length)
  return start
}

/** into ← base + drift. */
function moved(base: Float32Array, drift: Float32Array, into: Float32Array): Float32Array {
  const kernels = kernelsFor(into.length)
  if (kernels !== null) kernels.sum(base, drift, into)
  else for (let index = 0; index < into.length; index++) into[index] = base[index]! + drift[index]!
  return into
}

export interface Contributed extends Kept {
  /** The contribution. */
  readonly bytes: Uint8Array
}

/**
 * From what a worker has learnt in a round to what it sends and what it keeps.
 *
 * With every round averaging everything, Δ = base − end. With fragments the same, which includes what was learnt since
 * each fragment's last turn; only the round's fragment is sent, and the drift is −Δ but for that fragment, whose average
 * takes its place. With eager updates Δ = start − end, since what was learnt before is on its way already, and the drift is
 * −Δ: what the next round's base does not hold yet.
 *
 * The error feedback after the round is written over Δ, which nobody needs then: a vector less, and the processor writes to
 * lines that it has read anyway. That before the round stays as it is, since the round may be begun anew, or not be admitted.
 * @throws MurmurError UPDATE_NOT_FINITE
 */
export function contribute(
  base: Float32Array,
  end: Float32Array,
  { errorFeedback, drift }: Kept,
  round: number,
  averaging: Averaging,
): Contributed {
  const { compressor, eager, vectors = freshVectors } = averaging
  const count = movingOf(averaging, base.length)
  const moving = (whole: Float32Array) => whole.subarray(0, count)
  const delta = vectors.take(count)
  const away = drift === null ? null : new Float32Array(count)
  const from = drift !== null && eager ? moved(moving(base), drift, delta) : moving(base)
  if (away === null) pseudoGradient(from, moving(end), delta)
  else pseudoGradientBothWays(from, moving(end), delta, away)
  const { gather, scatter, length } = averagedPart(round, averaging, base.length)
  const part = gather(delta)
  const { bytes, residual } = compressor.compress(part, gather(errorFeedback), part)
  if (away !== null && !eager) scatter(new Float32Array(length), away)
  if (part === delta) return { bytes, errorFeedback: residual, drift: away }
  vectors.release(delta)
  const feedback = errorFeedback.slice()
  scatter(residual, feedback)
  return { bytes, errorFeedback: feedback, drift: away }
}
