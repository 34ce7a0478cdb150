import type { RunSpec } from '../protocol/run-spec.ts'

/**
 * Between engine classes: a replay of 50 steps differs by 3e-6 to 9e-6 of the weights' norm, far below this share of
 * Δ, and the bf16 local state adds at most 2⁻⁹ of the error feedback; leaving out one step of 40 moves Δ by more.
 */
export const tolerance = 0.02

/**
 * Lion steps by signs, which make whole steps of the noise between engines: 0.015 to 0.04 were measured of honest rounds of 60
 * steps, 0.0005 to 0.0009 of AdamW, Muon and SGD in the same place.
 */
const lionTolerance = 0.1

/**
 * Farther than this lies no honest round that was measured (0.097, in one of hundreds): it is refuted. Between this and the
 * tolerance nothing is proven either way: the epoch is not paid, and who is found there again and again has to go.
 */
const certain = 0.2

/**
 * Between engine classes where products are taken in float16: cards round operands and sums to 11 bits, and onnxruntime
 * leaves the casts out on processors. Of 60 steps, up to 0.08 was measured under Muon, 0.004 under AdamW (docs/program.md).
 */
const halfTolerance = 0.2
const halfCertain = 0.5

type Noise = Pick<RunSpec['train'], 'optimizer' | 'compute'>

/** Within this distance a replay on another engine class verifies a round. */
export function toleranceOf({ optimizer, compute }: Noise): number {
  if (compute === 'f16') return halfTolerance
  return optimizer === 'lion' ? lionTolerance : tolerance
}

/** Beyond this distance it refutes one. */
export const certainOf = ({ compute }: Noise): number => (compute === 'f16' ? halfCertain : certain)

/** What both sides rounded to bf16 differs by a place in the last digit at most, of any of its values. */
const bf16Place = 2 ** -8

/** Where a round ends is rounded to f32 on both sides: below this share of what was there, no Δ tells one from the other. */
const f32Place = 2 ** -23

/**
 * Running means and variances follow the activations, whose noise is a share of what they are, however little a round moves
 * them: ten times what was measured of weights.
 */
export const statisticNoise = 1e-4

/** A claimed round beside its replay: vectors of as many elements as rounds move. */
export interface Comparison {
  /** Where the round began, the same for all. */
  readonly theta: Float32Array
  /** Leading elements that are trained; statistics lie behind them. */
  readonly trainedCount: number
  /** How far the replayed round moved the worker's parameters. */
  readonly moved: Float32Array
  /** What the round accumulated, claimed less replayed: zero where it sends nothing. */
  readonly accumulated: Float32Array
  /** Error feedback after the replayed round. */
  readonly kept: Float32Array
  /** After the round; null where nothing drifts. */
  readonly drift: { readonly claimed: Float32Array; readonly replayed: Float32Array } | null
}

/**
 * How far a claimed round lies from its replay, as a share of how far the replayed one moved: within {@link tolerance} it
 * can be another engine's. What is trained and what is not are measured apart, and the farther of the two counts: a
 * variance of thousands would otherwise hide weights that nobody trained. What does not move at all is measured against
 * what rounding and noise can do to it, since a share of nothing would refute any of it.
 * @returns null where it is not a number.
 */
export function distanceOf(comparison: Comparison): number | null {
  const { theta, trainedCount } = comparison
  const trained = { start: 0, end: trainedCount }
  const others = { start: trainedCount, end: theta.length }
  const farther = Math.max(
    distanceOver(comparison, trained, f32Place * normOf(theta, trained)),
    distanceOver(
      comparison,
      others,
      statisticNoise * normOf(theta, others) + bf16Place * normOf(comparison.kept, others),
    ),
  )
  return Number.isFinite(farther) ? farther : null
}

/** Elements of a vector: from `start` up to, but without, `end`. */
interface Span {
  readonly start: number
  readonly end: number
}

/** @param noise norm of the difference that two honest rounds may have, however little they move */
function distanceOver({ moved, accumulated, drift }: Comparison, span: Span, noise: number): number {
  let difference = normOf(accumulated, span) ** 2
  let rounding = 0
  if (drift !== null) {
    for (let i = span.start; i < span.end; i++) difference += (drift.claimed[i]! - drift.replayed[i]!) ** 2
    rounding = bf16Place * normOf(drift.replayed, span)
  }
  if (difference === 0) return 0
  return Math.sqrt(difference) / (normOf(moved, span) + (noise + rounding) / tolerance)
}

function normOf(values: Float32Array, { start, end }: Span): number {
  let squares = 0
  for (let i = start; i < end; i++) squares += values[i]! ** 2
  return Math.sqrt(squares)
}
