import { expect, test } from 'vitest'
import { parseRunFile } from '../protocol/run-spec.ts'
import { applyRound, decodeContributions } from './apply-round.ts'
import { averagingOf, initialState } from './averaging.ts'
import { contribute } from './contribute.ts'

const count = 5 * 4096
/** The last chunk of these has few values, fewer than a compressor keeps of one. */
const moving = 2 * 4096 + 40
const isFrozen = (index: number) => index >= moving

test.each([
  [{ compressor: 'sparse-loco' }],
  [{ compressor: 'sparse-loco', fragments: 2, outer: 'nesterov' }],
  [{ compressor: 'sparse-loco', schedule: 'eager' }],
  [{ compressor: 'sign', outer: 'adam' }],
  [{ compressor: 'demo' }],
  [{ compressor: 'int4' }],
] as const)('with %j no round sends or moves what is frozen, and all else moves', (section) => {
  const run = parseRunFile({ averaging: { ...section, rule: 'mean' } }, 'run.yaml')
  const averaging = averagingOf(run, moving)
  const start = Float32Array.from({ length: count }, (_, index) => (index % 17) / 16)
  let state = initialState(start, averaging)
  let [errorFeedback, drift] = [new Float32Array(moving), null as Float32Array | null]
  if (section.compressor === 'sparse-loco' && ('fragments' in section || 'schedule' in section))
    drift = new Float32Array(moving)
  for (let round = 0; round < 4; round++) {
    const end = state.theta.map((value, index) =>
      isFrozen(index) ? value : value + ((index * 7919) % 101) / 100 + 0.01,
    )
    const sent = contribute(state.theta, end, { errorFeedback, drift }, round, averaging)
    expect(sent.bytes.length).toBeLessThanOrEqual(averaging.compressor.maxBytes(moving))
    expect(sent.errorFeedback.length).toBe(moving)
    errorFeedback = sent.errorFeedback as typeof errorFeedback
    drift = sent.drift
    const updates = decodeContributions(averaging, round, count, [{ bytes: sent.bytes, tokens: 1 }])
    state = applyRound(state, updates, averaging, round).state
  }
  const moved = [...state.theta.keys()].filter((index) => state.theta[index] !== start[index])
  expect(moved.filter(isFrozen)).toEqual([])
  expect(moved.length).toBeGreaterThan(100)
})
