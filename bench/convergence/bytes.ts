import type { Finished } from './finished.ts'

/** A ring all-reduce of f32 gradients at every step: 2 (R−1)/R · 4N bytes up, as many down (Patarasuk & Yuan 2009). */
function ringBytes(workers: number, parameterCount: number, steps: number): number {
  return 2 * 2 * ((workers - 1) / workers) * 4 * parameterCount * steps
}

/** One worker's traffic over a whole cell. */
export interface Traffic {
  readonly up: number
  readonly down: number
  /** How many times less than the ring. */
  readonly ratio: number
}

export function trafficOf({ cell, outcome }: Finished): Traffic {
  const { workers, steps, sync } = cell
  const ring = ringBytes(workers, outcome.parameterCount, steps)
  if (sync === 'every-step') return { up: ring / 2, down: ring / 2, ratio: 1 }
  const up = outcome.upBytes ?? outcome.bytes / workers
  return { up, down: outcome.bytes - up, ratio: ring / outcome.bytes }
}
