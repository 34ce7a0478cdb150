import type { ExpectedGap } from '../aggregation/expected-gap.ts'

/** What averaging so cost where it was measured, and where that was. */
export function expectedGapText(gap: ExpectedGap | null, workers: number): string {
  if (gap === null)
    return workers < 2
      ? 'one worker averages with nobody'
      : 'nothing like this run was measured (docs/convergence.md)'
  const { gapPercent, measured } = gap
  const { name, steps, innerSteps, optimizer, compressor, topK, heldOut, synchronous } = measured
  const kept = topK === null ? compressor : `${compressor} of top ${topK}`
  const told =
    heldOut.accuracy === null || synchronous.accuracy === null
      ? ''
      : `, ${percent(heldOut.accuracy)} instead of ${percent(synchronous.accuracy)} told right`
  const sign = gapPercent < 0 ? '−' : '+'
  return [
    `${sign}${Math.abs(gapPercent).toFixed(1)} % held-out loss${told} with averaging every ${innerSteps} steps,`,
    `as measured on ${name} (${optimizer}, ${kept}, ${measured.workers} workers, ${steps} steps); not promised here`,
  ].join(' ')
}

const percent = (share: number): string => `${(100 * share).toFixed(1)} %`
