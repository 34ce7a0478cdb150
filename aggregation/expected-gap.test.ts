import { expect, test } from 'vitest'
import { parseRunFile } from '../protocol/run-spec.ts'
import { expectedGap, type GapQuestion, type MeasuredGap } from './expected-gap.ts'
import measured from './measured-gaps.json' with { type: 'json' }

const averagingOf = (section: Record<string, unknown> = {}) =>
  parseRunFile({ averaging: section }, 'run.yaml').averaging

const cell: MeasuredGap = {
  ...{ name: 'GPT', task: 'language', split: 'shuffled', parameterCount: 40_000, steps: 800, workers: 4 },
  ...{ innerSteps: 50, optimizer: 'adamw', compressor: 'int4', topK: null, errorFeedback: 1, seed: 1 },
  ...{ outerLearningRate: 1, schedule: 'blocking', heldOut: { lossNats: 2.2, accuracy: null } },
  synchronous: { lossNats: 2, accuracy: null },
}
const question: GapQuestion = {
  ...{ task: 'language', split: 'shuffled', parameterCount: 40_000, workers: 4, steps: 800, innerSteps: 50 },
  ...{ optimizer: 'adamw', averaging: averagingOf({ compressor: 'int4', errorFeedback: 1 }) },
}

test('the gap of the cell that is most alike, and which it is', () => {
  const nearer = { ...cell, innerSteps: 25, heldOut: { lossNats: 2.1, accuracy: null } }
  const found = expectedGap({ ...question, innerSteps: 30 }, [cell, nearer])!
  expect(found.gapPercent).toBeCloseTo(5)
  expect(found.measured).toBe(nearer)
  expect(expectedGap({ ...question, innerSteps: 40 }, [cell, nearer])!.gapPercent).toBeCloseTo(10)
})

test.each<[string, Partial<GapQuestion>]>([
  ['another task', { task: 'classification' }],
  ['data by label', { split: 'by-label' }],
  ['another inner optimizer', { optimizer: 'muon' }],
  ['one worker', { workers: 1 }],
  ['many more workers', { workers: 16 }],
  ['much longer rounds', { innerSteps: 500 }],
  ['much shorter rounds', { innerSteps: 5 }],
  ['a run of a few steps', { steps: 100 }],
  ['a much larger model', { parameterCount: 124_000_000 }],
  ['another compressor', { averaging: averagingOf({ compressor: 'sign', errorFeedback: 1 }) }],
  ['another schedule', { averaging: averagingOf({ compressor: 'int4', schedule: 'eager' }) }],
  ['fragments', { averaging: averagingOf({ compressor: 'int4', fragments: 2 }) }],
  ['another rule', { averaging: averagingOf({ compressor: 'int4', rule: 'krum' }) }],
  ['another outer optimizer', { averaging: averagingOf({ compressor: 'int4', outer: 'nesterov' }) }],
  ['another outer rate', { averaging: averagingOf({ compressor: 'int4', outerLearningRate: 1.5 }) }],
])('nothing is said of %s', (_, change) => {
  expect(expectedGap(question, [cell])).not.toBeNull()
  expect(expectedGap({ ...question, ...change }, [cell])).toBeNull()
})

test('sparse updates are compared by how many values they keep', () => {
  const sparse = { ...cell, compressor: 'sparse-loco', topK: 128 } as const
  const asked = (topK: number) => ({
    ...question,
    averaging: averagingOf({ compressor: 'sparse-loco', topK }),
  })
  expect(expectedGap(asked(128), [sparse])).not.toBeNull()
  expect(expectedGap(asked(1024), [sparse])).toBeNull()
})

test('what was measured is there: the default of a run, and images', () => {
  const usual = { averaging: averagingOf(), innerSteps: 60, parameterCount: 865_024 }
  expect(expectedGap({ ...question, ...usual, optimizer: 'muon' })?.measured).toMatchObject({
    compressor: 'sign',
    optimizer: 'muon',
  })
  const images = {
    ...question,
    ...usual,
    task: 'classification',
    parameterCount: 9_098,
    steps: 200,
    innerSteps: 10,
  } as const
  const [mixed, apart] = [expectedGap(images), expectedGap({ ...images, split: 'by-label' })]
  expect(apart!.gapPercent).toBeGreaterThan(mixed!.gapPercent)
  for (const { heldOut, synchronous, task } of measured) {
    expect(heldOut.lossNats).toBeGreaterThan(0)
    expect(synchronous.accuracy === null).toBe(task === 'language')
  }
})
