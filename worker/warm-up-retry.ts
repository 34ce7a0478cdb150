import { backoffMs } from '../protocol/backoff.ts'
import type { RunId } from '../protocol/ids.ts'

/** A run that could not be warmed up for, as program, data or checkpoint could not be had. */
export interface FailedWarmUp {
  readonly run: RunId
  /** In a row. */
  readonly failures: number
  readonly retryAtMs: number
}

/** Who has the blocks may just not be connected yet; later on, every try asks all peers for all that is missing. */
const bounds = { firstMs: 500, maxMs: 30_000 }

/** Once more at `nowMs`. A failure of another run is forgotten. `draw` is a uint32. */
export function failedAgain(
  before: FailedWarmUp | null,
  run: RunId,
  nowMs: number,
  draw: number,
): FailedWarmUp {
  const failures = before?.run === run ? before.failures : 0
  return { run, failures: failures + 1, retryAtMs: nowMs + backoffMs(failures, draw, bounds) }
}

/** Whether warming up for a run has to wait yet: no longer than it ever does, even where the clock has been set back. */
export const isTooSoon = (failed: FailedWarmUp | null, run: RunId, nowMs: number): boolean =>
  failed?.run === run && nowMs < failed.retryAtMs && failed.retryAtMs - nowMs <= bounds.maxMs
