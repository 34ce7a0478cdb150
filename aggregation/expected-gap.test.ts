import { expect, test } from 'vitest'
import { parseRunFile } from '../protocol/run-spec.ts'
import { expectedGap, type GapQuestion, type MeasuredGap } from './expected-gap.ts'
import measured from './measured-gaps.json' with { type: 'json' }

const trainOf = (section: Record<string, unknown> = {}) =>
  parseRunFile({ train: { optimizer: 'adamw', innerSteps: 50, ...section } }, 'run.yaml').train
const averagingOf = (section: Record<string, unknown> = {}) =>
  parseRunFile({ averaging: section }, 'run.yaml').averaging

const cell: MeasuredGap = {
  ...{ name: 'GPT', task: 'language', split: 'shuffled', parameterCount: 40_000, steps: 800, workers: 4 },
  ...{ innerSteps: 50, optimizer: 'adamw', compressor: 'int4', topK: null, errorFeedback: 1, seed: 1 },
  ...{ outerLearningRate: 1, schedule: 'blocking', heldOut: { lossNats: 2.2, accuracy: null } },
  synchronous: { lossNats: 2, accuracy: null },
}
const sent = { compressor: 'int4', errorFeedback: 1 }
const question: GapQuestion = {
  ...{ task: 'language', split: 'shuffled', parameterCount: 40_000, workers: 4, steps: 800 },
  ...{ train: trainOf(), averaging: averagingOf(sent) },
}

test('the gap of the cell that is most alike, and which it is', () => {
  const nearer = { ...cell, innerSteps: 25, heldOut: { lossNats: 2.1, accuracy: null } }
  const found = expectedGap({ ...question, train: trainOf({ innerSteps: 30 }) }, [cell, nearer])!
  expect(found.gapPercent).toBeCloseTo(5)
  expect(found.measured).toBe(nearer)
  expect(
    expectedGap({ ...question, train: trainOf({ innerSteps: 40 }) }, [cell, nearer])!.gapPercent,
  ).toBeCloseTo(10)
})

test.each<[string, Partial<GapQuestion>]>([
  ['another task', { task: 'classification' }],
  ['data by label', { split: 'by-label' }],
  ['another inner optimizer', { train: trainOf({ optimizer: 'muon' }) }],
  ['one worker', { workers: 1 }],
  ['many more workers', { workers: 16 }],
  ['much longer rounds', { train: trainOf({ innerSteps: 500 }) }],
  ['much shorter rounds', { train: trainOf({ innerSteps: 5 }) }],
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

test('of the same block size and end of the rate where there is one; else it says how they differ', () => {
  const near = { ...cell, compressor: 'sign', blockSize: 512, finalLearningRate: 0.3 } as const
  const far = { ...cell, compressor: 'sign', innerSteps: 25 } as const
  const farther = { ...near, innerSteps: 22 }
  const asked = (blockSize: number, finalLearningRate: number) => ({
    ...question,
    train: trainOf({ finalLearningRate }),
    averaging: averagingOf({ compressor: 'sign', errorFeedback: 1, outerLearningRate: 1, blockSize }),
  })
  expect(expectedGap(asked(4096, 0.1), [near, far])).toMatchObject({ measured: far, differences: [] })
  expect(expectedGap(asked(512, 0.3), [far, farther])).toMatchObject({ measured: farther, differences: [] })
  expect(expectedGap(asked(4096, 0.1), [near, farther])).toMatchObject({
    measured: near,
    differences: [
      { key: 'averaging.blockSize', measured: 512, asked: 4096 },
      { key: 'train.finalLearningRate', measured: 0.3, asked: 0.1 },
    ],
  })
  expect(expectedGap(asked(512, 0.1), [far])!.differences).toEqual([
    { key: 'averaging.blockSize', measured: 4096, asked: 512 },
  ])
  // Of what has no blocks their size tells nothing.
  const sparse = { ...cell, compressor: 'sparse-loco', topK: 128 } as const
  const whole = {
    ...question,
    averaging: averagingOf({ compressor: 'sparse-loco', blockSize: 64, errorFeedback: 1 }),
  }
  expect(expectedGap(whole, [sparse])!.differences).toEqual([])
})

test('another error feedback or outer rate is told; a cell without differences comes first', () => {
  const alike = { ...cell, innerSteps: 25 }
  const otherFeedback = { ...cell, errorFeedback: 0.9 }
  const otherRate = { ...cell, outerLearningRate: 1.2 }
  expect(expectedGap(question, [otherFeedback, otherRate, alike])).toMatchObject({
    measured: alike,
    differences: [],
  })
  expect(expectedGap(question, [otherFeedback])!.differences).toEqual([
    { key: 'averaging.errorFeedback', measured: 0.9, asked: 1 },
  ])
  expect(expectedGap(question, [otherRate])!.differences).toEqual([
    { key: 'averaging.outerLearningRate', measured: 1.2, asked: 1 },
  ])
})

test('of a run with frozen parameters, that all were trained where it was measured', () => {
  const lora = trainOf({ lora: { rank: 4, alpha: 8 } })
  expect(expectedGap({ ...question, train: lora }, [cell])!.differences).toEqual([{ key: 'train.lora' }])
  const frozen = trainOf({ freeze: ['layer0.*'] })
  expect(expectedGap({ ...question, train: frozen }, [cell])!.differences).toEqual([{ key: 'train.freeze' }])
})

test('averages that the head sends are compared with such', () => {
  const averages = { ...question, averaging: averagingOf({ ...sent, averageTopK: 256 }) }
  const kept = (averageTopK: number | null) => ({ ...cell, averageTopK })
  expect(expectedGap(averages, [cell])).toBeNull()
  expect(expectedGap(averages, [kept(null)])).toBeNull()
  expect(expectedGap(averages, [kept(1024)])).toBeNull()
  expect(expectedGap(averages, [kept(512)])).not.toBeNull()
  expect(expectedGap(question, [kept(256)])).toBeNull()
})

test('what was measured is there: the default of a run, and images', () => {
  const usual = { averaging: averagingOf(), train: trainOf({ innerSteps: 60 }), parameterCount: 865_024 }
  const normuon = trainOf({ innerSteps: 60, optimizer: 'normuon' })
  expect(expectedGap({ ...question, ...usual, train: normuon })).toMatchObject({
    measured: { compressor: 'sign', optimizer: 'normuon' },
    differences: [],
  })
  const images = {
    ...question,
    ...usual,
    task: 'classification',
    parameterCount: 9_098,
    steps: 200,
    train: trainOf({ innerSteps: 10 }),
  } as const
  const [mixed, apart] = [expectedGap(images), expectedGap({ ...images, split: 'by-label' })]
  expect(apart!.gapPercent).toBeGreaterThan(mixed!.gapPercent)
  for (const { heldOut, synchronous, task } of measured) {
    expect(heldOut.lossNats).toBeGreaterThan(0)
    expect(synchronous.accuracy === null).toBe(task === 'language')
  }
})
