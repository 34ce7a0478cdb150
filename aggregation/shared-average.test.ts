import { expect, test } from 'vitest'
import { cidOf, peer } from '../protocol/fixtures/names.ts'
import { parseRunFile } from '../protocol/run-spec.ts'
import { applyRound, decodeContributions } from './apply-round.ts'
import { averagedPart, averagingOf, checkAveraging, initialState } from './averaging.ts'
import { averageOf, closeRound, decodeParts, partsOf } from './shared-average.ts'
import { toDense } from './update.ts'

const parameterCount = 9_000
const of = (section: Record<string, unknown>) => averagingOf(parseRunFile({ averaging: section }, 'run.yaml'))
const ramp = (scale: number) =>
  Float32Array.from({ length: parameterCount }, (_, index) => scale * Math.fround((index % 97) / 97 - 0.4))

function contributionsOf(averaging: ReturnType<typeof of>) {
  const { gather, length } = averagedPart(0, averaging, parameterCount)
  const contributions = [1, 3, -2].map((scale, index) => {
    const delta = gather(ramp(scale / 100)).slice()
    const { bytes } = averaging.compressor.compress(delta, averaging.compressor.init(length))
    return { bytes, tokens: 64 * (index + 1) }
  })
  return decodeContributions(averaging, 0, parameterCount, contributions)
}

test.each([
  {},
  { rule: 'mean', compressor: 'int8' },
  { fragments: 2 },
  { schedule: 'eager' },
  { outer: 'nesterov' },
])('head and workers come to the same root, the workers from the average alone: %o', (section) => {
  const averaging = of({ ...section, averageTopK: 512 })
  const state = initialState(ramp(1), averaging)
  const { average, ...closed } = closeRound(state, contributionsOf(averaging), averaging, 0)
  const parts = decodeParts(averaging, 0, parameterCount, [{ bytes: average!, tokens: 1 }])
  expect(applyRound(initialState(ramp(1), averaging), parts, averaging, 0)).toEqual(closed)
  expect(closed.state.theta).not.toEqual(state.theta)
})

test('what is sent are the largest values of what the rule gives, and of the rest nothing comes later', () => {
  const averaging = of({ averageTopK: 512, compressor: 'f32', rule: 'median' })
  const contributions = contributionsOf(averaging)
  const whole = averaging.shared!.rule.aggregate(contributions, parameterCount, [])
  const sent = () => averageOf(averaging.shared!, contributions, averaging, 0, parameterCount)
  const values = toDense(averaging.shared!.compressor.decompress(sent(), parameterCount))
  const first = [...values.keys()].slice(0, 4096)
  const named = first.filter((index) => values[index] !== 0)
  expect(named).toHaveLength(512)
  const least = Math.min(...named.map((index) => Math.abs(whole[index]!)))
  for (const index of first)
    if (values[index] === 0) expect(Math.abs(whole[index]!)).toBeLessThanOrEqual(least)
  expect(sent()).toEqual(sent())
})

test('a round without contributions has no average and moves nothing', () => {
  const averaging = of({ averageTopK: 512 })
  const state = initialState(ramp(1), averaging)
  expect(closeRound(state, [], averaging, 0)).toMatchObject({ state, average: null })
  expect(partsOf({ round: 0, entries: [], average: null }, averaging, parameterCount)).toEqual([])
})

test('an average where the run has none, and none where it has one, are refused', () => {
  const entry = {
    ...{ worker: peer(1), contribution: cidOf('c'), contributionBytes: 9, tokens: 64 },
    ...{ trace: [], lossNats: 1 },
  }
  const average = { cid: cidOf('average'), bytes: 7 }
  const parts = (section: Record<string, unknown>, entries: (typeof entry)[], given: typeof average | null) =>
    partsOf({ round: 3, entries, average: given }, of(section), parameterCount)
  const unfit = expect.objectContaining({ code: 'MANIFEST_UNFIT' })
  expect(() => parts({}, [entry], average)).toThrow(unfit)
  expect(() => parts({ averageTopK: 9 }, [entry], null)).toThrow(unfit)
  expect(() => parts({ averageTopK: 9 }, [], average)).toThrow(unfit)
  expect(parts({ averageTopK: 9 }, [entry], average)).toEqual([
    { cid: average.cid, maxBytes: 7, tokens: 1, worker: null },
  ])
  expect(parts({}, [entry], null)).toEqual([
    { cid: entry.contribution, maxBytes: 9, tokens: 64, worker: entry.worker },
  ])
  // Whatever a manifest says, nothing longer is fetched than there can be.
  const [vast] = parts({ averageTopK: 9 }, [entry], { ...average, bytes: 2 ** 32 - 1 })
  expect(vast!.maxBytes).toBeLessThan(1_000)
})

test('rules with a memory of their own, and running statistics, go with contributions alone', () => {
  const file = (section: Record<string, unknown>) =>
    parseRunFile({ averaging: { averageTopK: 512, ...section } }, 'run.yaml')
  expect(() => file({ rule: 'centered-clipping' })).toThrow(
    expect.objectContaining({ code: 'RUN_FILE_INVALID' }),
  )
  const table = [{}, { role: 'statistic' }]
  expect(() => checkAveraging(file({ compressor: 'int8' }), { parameterCount, table })).toThrow(
    expect.objectContaining({ code: 'AVERAGING_INVALID', next: 'leave averaging.averageTopK out' }),
  )
})
