import { expect, test } from 'vitest'
import { withDefaults } from './run-defaults.ts'
import { parseRunFile } from './run-spec.ts'

test.each([
  [
    {},
    {
      ...{ optimizer: 'normuon', learningRate: 0.01, compressor: 'sign' },
      ...{ outerLearningRate: 1.4, blockSize: 4096, errorFeedback: 0.7 },
    },
  ],
  [{ model: { preset: 'cnn' } }, { optimizer: 'adamw', compressor: 'sign', errorFeedback: 1 }],
  [{ model: { onnx: 'a.onnx' } }, { optimizer: 'adamw', compressor: 'int8', outerLearningRate: null }],
  [{ train: { optimizer: 'sgd' } }, { optimizer: 'sgd', learningRate: 0.1 }],
  [{ train: { learningRate: 0.5 } }, { optimizer: 'normuon', learningRate: 0.5 }],
  [{ averaging: { compressor: 'int4' } }, { blockSize: 128, errorFeedback: 1, outerLearningRate: null }],
  [{ averaging: { compressor: 'sparse-loco' } }, { errorFeedback: 0.95, outerLearningRate: null }],
  [{ averaging: { blockSize: 64, errorFeedback: 0.5 } }, { blockSize: 64, errorFeedback: 0.5 }],
  [{ averaging: { outer: 'nesterov' } }, { compressor: 'sign', outerLearningRate: null }],
  [{ averaging: { outerLearningRate: null } }, { compressor: 'sign', outerLearningRate: null }],
])('%j trains so', (file, expected) => {
  const { train, averaging } = parseRunFile(file, 'run.yaml')
  expect({ ...averaging, ...train }).toMatchObject(expected)
})

test.each([null, 'text', [], { train: 3 }, { train: null }, { averaging: [] }, { model: 'gpt' }])(
  '%j is left to validation as it is',
  (file) => {
    expect(withDefaults(file)).toBe(file)
  },
)

test.each([{ train: { optimizer: '__proto__' } }, { averaging: { compressor: 'toString' } }])(
  '%j has no defaults of its own, and is refused',
  (file) => {
    expect(() => parseRunFile(file, 'run.yaml')).toThrow(
      expect.objectContaining({ code: 'RUN_FILE_INVALID' }),
    )
  },
)
