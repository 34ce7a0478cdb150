import { expect, test } from 'vitest'
import { parseRunFile } from '../protocol/run-spec.ts'
import { applyRound, decodeContributions } from './apply-round.ts'
import { averagingOf, initialState } from './averaging.ts'
import { contribute } from './contribute.ts'

const count = 5 * 4096
/** Few values of its first chunk are trained, fewer than a compressor keeps of one. */
const frozen = [
  { start: 40, end: 9000 },
  { start: 12_000, end: count },
]
const isFrozen = (index: number) => frozen.some(({ start, end }) => index >= start && index < end)

test.each([
  [{ compressor: 'sparse-loco' }],
  [{ compressor: 'sparse-loco', fragments: 2, outer: 'nesterov' }],
  [{ compressor: 'sparse-loco', schedule: 'eager' }],
  [{ compressor: 'sign', outer: 'adam' }],
  [{ compressor: 'demo' }],
  [{ compressor: 'int4' }],
] as const)('with %j no round moves what is frozen, and all else moves', (section) => {
  const run = parseRunFile({ averaging: { ...section, rule: 'mean' } }, 'run.yaml')
  const averaging = averagingOf(run, frozen)
  const start = Float32Array.from({ length: count }, (_, index) => (index % 17) / 16)
  let state = initialState(start, averaging)
  let [errorFeedback, drift] = [new Float32Array(count), null as Float32Array | null]
  if (section.compressor === 'sparse-loco' && ('fragments' in section || 'schedule' in section))
    drift = new Float32Array(count)
  for (let round = 0; round < 4; round++) {
    const end = state.theta.map((value, index) =>
      isFrozen(index) ? value : value + ((index * 7919) % 101) / 100 + 0.01,
    )
    const sent = contribute(state.theta, end, { errorFeedback, drift }, round, averaging)
    errorFeedback = sent.errorFeedback as typeof errorFeedback
    drift = sent.drift
    const updates = decodeContributions(averaging, round, count, [{ bytes: sent.bytes, tokens: 1 }])
    state = applyRound(state, updates, averaging, round).state
  }
  const moved = [...state.theta.keys()].filter((index) => state.theta[index] !== start[index])
  expect(moved.filter(isFrozen)).toEqual([])
  expect(moved.length).toBeGreaterThan(100)
})
