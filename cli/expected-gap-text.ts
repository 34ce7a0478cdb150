import type { ExpectedGap, GapDifference, MeasuredGap } from '../aggregation/expected-gap.ts'

/** What averaging so cost where it was measured, and where that was. */
export function expectedGapText(gap: ExpectedGap | null, workers: number): string {
  if (gap === null)
    return workers < 2
      ? 'one worker averages with nobody'
      : 'nothing like this run was measured (docs/convergence.md)'
  const { gapPercent, measured, differences } = gap
  const { name, steps, innerSteps, optimizer, heldOut, synchronous } = measured
  const told =
    heldOut.accuracy === null || synchronous.accuracy === null
      ? ''
      : `, ${percent(heldOut.accuracy)} instead of ${percent(synchronous.accuracy)} told right`
  const sign = gapPercent < 0 ? '−' : '+'
  return [
    `${sign}${Math.abs(gapPercent).toFixed(1)} % held-out loss${told} with averaging every ${innerSteps} steps,`,
    `as measured on ${name} (${optimizer}, ${sentText(measured)}, ${measured.workers} workers, ${steps} steps); not promised here`,
    ...(differences.length === 0 ? [] : [`(there ${differences.map(differenceText).join('; ')})`]),
  ].join(' ')
}

/** What workers sent, and what of a round's average they fetched where it was the average. */
function sentText({ compressor, topK, averageTopK = null }: MeasuredGap): string {
  const sent = topK === null ? compressor : `${compressor} of top ${topK}`
  return averageTopK === null ? sent : `${sent}, the average of top ${averageTopK}`
}

function differenceText(difference: GapDifference): string {
  switch (difference.key) {
    case 'averaging.blockSize':
      return `blocks of ${difference.measured} values, here of ${difference.asked}`
    case 'averaging.errorFeedback':
      return `error feedback of ${difference.measured}, here of ${difference.asked}`
    case 'averaging.outerLearningRate':
      return `an outer learning rate of ${difference.measured}, here of ${difference.asked}`
    case 'train.finalLearningRate':
      return `a learning rate that fell to ${difference.measured} of its peak, here to ${difference.asked}`
    case 'train.lora':
      return 'all parameters were trained, here low-rank factors'
    case 'train.freeze':
      return 'all parameters were trained, here some are frozen'
  }
}

const percent = (share: number): string => `${(100 * share).toFixed(1)} %`
