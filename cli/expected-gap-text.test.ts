import { expect, test } from 'vitest'
import type { ExpectedGap } from '../aggregation/expected-gap.ts'
import { expectedGapText } from './expected-gap-text.ts'

const gap: ExpectedGap = {
  gapPercent: 12.34,
  differences: [],
  measured: {
    ...{
      name: 'GPT 43 k',
      task: 'language',
      split: 'shuffled',
      parameterCount: 42_624,
      steps: 800,
      workers: 4,
    },
    ...{ innerSteps: 50, optimizer: 'adamw', compressor: 'sparse-loco', topK: 128, errorFeedback: 0.95 },
    ...{ outerLearningRate: 1, schedule: 'blocking', seed: 1 },
    heldOut: { lossNats: 2.2, accuracy: null },
    synchronous: { lossNats: 2, accuracy: null },
  },
}

test('the gap is said with where it was measured', () => {
  expect(expectedGapText(gap, 4)).toBe(
    '+12.3 % held-out loss with averaging every 50 steps, as measured on GPT 43 k (adamw, sparse-loco of top 128, 4 workers, 800 steps); not promised here',
  )
})

test('of an average that workers fetched, how much of it', () => {
  const measured = { ...gap.measured, topK: 512, averageTopK: 2048 }
  expect(expectedGapText({ ...gap, measured }, 4)).toContain(
    '(adamw, sparse-loco of top 512, the average of top 2048, 4 workers,',
  )
})

test('of images with the share told right, and a gap below zero with its sign', () => {
  const { measured } = gap
  const images = {
    ...measured,
    ...{ compressor: 'int4' as const, topK: null },
    heldOut: { lossNats: 0.2, accuracy: 0.9 },
    synchronous: { lossNats: 0.21, accuracy: 0.967 },
  }
  expect(expectedGapText({ gapPercent: -4.76, measured: images, differences: [] }, 4)).toMatch(
    /^−4\.8 % held-out loss, 90\.0 % instead of 96\.7 % told right with .* \(adamw, int4, 4 workers/,
  )
})

test('and with what was another thing there', () => {
  const text = (differences: ExpectedGap['differences']) => expectedGapText({ ...gap, differences }, 4)
  expect(
    text([
      { key: 'averaging.blockSize', measured: 512, asked: 4096 },
      { key: 'averaging.errorFeedback', measured: 0.9, asked: 0.7 },
      { key: 'averaging.outerLearningRate', measured: 1, asked: 1.2 },
      { key: 'train.finalLearningRate', measured: 0.3, asked: 0.1 },
      { key: 'train.lora' },
    ]),
  ).toMatch(
    /not promised here \(there blocks of 512 values, here of 4096; error feedback of 0\.9, here of 0\.7; an outer learning rate of 1, here of 1\.2; a learning rate that fell to 0\.3 of its peak, here to 0\.1; all parameters were trained, here low-rank factors\)$/,
  )
  expect(text([{ key: 'train.freeze' }])).toMatch(
    /\(there all parameters were trained, here some are frozen\)$/,
  )
})

test('where nothing is known, why', () => {
  expect(expectedGapText(null, 1)).toMatch(/nobody/)
  expect(expectedGapText(null, 4)).toMatch(/nothing like this run/)
})
