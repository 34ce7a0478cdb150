import { availableParallelism, loadavg } from 'node:os'

/** The middle of several measurements. */
export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b)
  return sorted[sorted.length >> 1] ?? Number.NaN
}

const inSeconds = (ms: number): string =>
  ms >= 10_000 ? `${(ms / 1_000).toFixed(1)} s` : `${ms.toFixed(0)} ms`

/** Median and range of times in milliseconds. */
export function times(values: readonly number[]): string {
  if (values.length === 0) return 'not measured'
  if (values.length === 1) return `${inSeconds(values[0]!)} (once)`
  const range = `${inSeconds(Math.min(...values))} to ${inSeconds(Math.max(...values))}`
  return `${inSeconds(median(values))} (median of ${values.length}, ${range})`
}

/** Ours beside theirs, and whether a goal in milliseconds is met. */
export function beside(
  what: string,
  ours: readonly number[],
  reference: { readonly name: string; readonly values: readonly number[] } | null,
  goalMs: number | null,
): string {
  const ratio =
    reference === null || reference.values.length === 0
      ? ''
      : `; ${reference.name} ${times(reference.values)}, ratio ${(median(ours) / median(reference.values)).toFixed(2)}`
  const goal =
    goalMs === null ? '' : `; goal below ${inSeconds(goalMs)}: ${median(ours) < goalMs ? 'met' : 'MISSED'}`
  return `${what}: ${times(ours)}${ratio}${goal}`
}

/** How much else this machine does: without it no figure here means much. */
export const noise = (): string =>
  `${availableParallelism()} cores, load ${loadavg()
    .map((load) => load.toFixed(1))
    .join(' ')}`
