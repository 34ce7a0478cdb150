import { describe, expect, test } from 'vitest'
import { parseRunFile } from '../protocol/run-spec.ts'
import { applyRound, decodeContributions } from './apply-round.ts'
import {
  type AveragedModel,
  averagingOf,
  checkAveraging,
  hasDrift,
  initialState,
  replicaVectors,
  trainingBase,
} from './averaging.ts'
import { contribute, type Kept } from './contribute.ts'

test('more fragments than the model has chunks are refused, with how many it has', () => {
  const file = parseRunFile({ averaging: { fragments: 3 } }, 'run.yaml')
  expect(() => checkAveraging(file, { parameterCount: 24_575, table: [] })).toThrow(
    expect.objectContaining({ code: 'AVERAGING_INVALID', next: expect.stringContaining('to 2 or fewer') }),
  )
  checkAveraging(file, { parameterCount: 24_576, table: [] })
})

test('running statistics and coarse compressors: refused, with those that do not', () => {
  const model: AveragedModel = { parameterCount: 9_000, table: [{}, { role: 'statistic' }] }
  const check = (compressor: string, of: AveragedModel) =>
    checkAveraging(parseRunFile({ averaging: { compressor } }, 'run.yaml'), of)
  for (const compressor of ['sparse-loco', 'demo', 'sign']) {
    expect(() => check(compressor, model)).toThrow(
      expect.objectContaining({ code: 'AVERAGING_INVALID', next: expect.stringContaining('bf16') }),
    )
    check(compressor, { ...model, table: [{}, { role: 'frozen' }] })
  }
  for (const compressor of ['bf16', 'int8', 'int4', 'f32']) check(compressor, model)
})

const parameterCount = 9_000
const ramp = (scale: number) =>
  Float32Array.from({ length: parameterCount }, (_, index) => scale * Math.fround((index % 97) / 97 - 0.4))

/** Two rounds of three workers that all move the same way, by different amounts. */
function twoRounds(section: Record<string, unknown>) {
  const averaging = averagingOf(parseRunFile({ averaging: section }, 'run.yaml'))
  let state = initialState(ramp(1), averaging)
  const kept = [1, 2, 3].map(
    (): Kept => ({
      errorFeedback: averaging.compressor.init(parameterCount),
      drift: hasDrift(averaging) ? new Float32Array(parameterCount) : null,
    }),
  )
  const roots: string[] = []
  for (const round of [0, 1]) {
    const base = trainingBase(state, averaging)
    const contributions = kept.map((worker, index) => {
      const end = base.map((value) => value * (0.9 - index / 100))
      const { bytes, ...after } = contribute(base, end, worker, round, averaging)
      kept[index] = after
      return { bytes, tokens: 64 * (index + 1) }
    })
    const updates = decodeContributions(averaging, round, parameterCount, contributions)
    const next = applyRound(state, updates, averaging, round)
    state = next.state
    roots.push(next.stateRoot)
  }
  return { averaging, state, roots }
}

const norm = (values: Float32Array) => Math.sqrt(values.reduce((sum, value) => sum + value * value, 0))

describe('whatever a run file asks for moves θ where all workers went, to the same bytes each time', () => {
  test.each<Record<string, unknown>>([
    {},
    ...['f32', 'bf16', 'f16', 'int8', 'int4', 'sign', 'demo'].map((compressor) => ({ compressor })),
    ...['trimmed-mean', 'median', 'krum', 'multi-krum', 'geometric-median', 'centered-clipping'].map(
      (rule) => ({
        ...{ rule, compressor: 'int8' },
      }),
    ),
    { outer: 'nesterov', outerMomentum: 0.5 },
    { outer: 'adam' },
    { outerWarmupRounds: 2, outerFinalLearningRate: 0.1 },
    { fragments: 2, compressor: 'int4' },
    { schedule: 'eager', outer: 'nesterov', rule: 'centered-clipping' },
  ])('%j', (section) => {
    const { averaging, state, roots } = twoRounds(section)
    expect(state.vectors).toHaveLength(replicaVectors(averaging))
    expect(norm(state.theta)).toBeLessThan(norm(ramp(1)))
    expect(twoRounds(section).roots).toEqual(roots)
  })
})

test.each<Record<string, unknown>>([
  { compressor: 'int8' },
  { compressor: 'sign', schedule: 'eager' },
  { fragments: 2 },
])('a round that is begun anew gives the same once more, whatever came of the first time: %j', (section) => {
  const averaging = averagingOf(parseRunFile({ averaging: section }, 'run.yaml'))
  const kept = { errorFeedback: ramp(0.01), drift: hasDrift(averaging) ? ramp(0.02) : null }
  const [base, end] = [ramp(1), ramp(0.9)]
  const first = contribute(base, end, kept, 0, averaging)
  const wanted = structuredClone(first)
  expect(contribute(base, end, kept, 0, averaging)).toEqual(wanted)
  expect(first).toEqual(wanted)
  expect([base, end, kept.errorFeedback]).toEqual([ramp(1), ramp(0.9), ramp(0.01)])
})

test.each([
  { schedule: 'eager', fragments: 2 },
  { compressor: 'demo', transformSize: 8, coefficients: 9 },
  { outer: 'nesterov', outerMomentum: 0 },
  { compressor: 'sparse-loco', rule: 'median' },
  { compressor: 'gzip' },
])('what cannot be is refused: %j', (averaging) => {
  expect(() => parseRunFile({ averaging }, 'run.yaml')).toThrow(
    expect.objectContaining({ code: 'RUN_FILE_INVALID', message: expect.stringContaining('averaging.') }),
  )
})
