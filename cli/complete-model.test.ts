import { expect, test } from 'vitest'
import { parseRunFile } from '../protocol/run-spec.ts'
import type { RowsFormat } from '../worker/data/format.ts'
import { completeModel } from './complete-model.ts'
import { prepareTraining } from './prepare-training.ts'

const images: RowsFormat = {
  kind: 'rows',
  inputs: { type: 'u8', factor: 1, shift: 0, shape: [3, 8, 6] },
  targets: { type: 'u8', classes: 4 },
  ...{ columns: null, labels: null, features: null, values: null },
}
const quantities: RowsFormat = {
  ...images,
  inputs: { type: 'f32', factor: 1, shift: 0, shape: [5] },
  targets: { type: 'f32', values: 2 },
}

function complete(model: object, format: RowsFormat) {
  const file = parseRunFile({ model, data: { builtin: 'mnist' } }, 'run.yaml')
  if (file.model.preset === 'gpt' || file.model.preset === 'onnx') throw new Error('not a model of rows')
  return completeModel(file.model, format)
}

test('sizes that the run file leaves out are those of the data', () => {
  expect(complete({ preset: 'cnn', filters: [2] }, images)).toEqual({
    ...{ preset: 'cnn', filters: [2], channels: 3, height: 8, width: 6, classes: 4, outputs: null },
  })
  expect(complete({ preset: 'mlp', hidden: [7] }, images)).toEqual({
    ...{ preset: 'mlp', hidden: [7], features: 144, classes: 4, outputs: null },
  })
  expect(complete({ preset: 'linear', features: 5, outputs: 2 }, quantities)).toEqual({
    ...{ preset: 'linear', features: 5, classes: null, outputs: 2 },
  })
  expect(complete({ preset: 'linear', classes: 9 }, images).classes).toBe(9)
})

test.each<[string, object, RowsFormat, RegExp]>([
  ['other features', { preset: 'mlp', features: 143 }, images, /model.features is 143, the data has 144/],
  ['fewer classes', { preset: 'mlp', classes: 3 }, images, /model.classes is 3, the data has 4/],
  ['another height', { preset: 'cnn', height: 9 }, images, /model.height is 9, the data has 8/],
  [
    'a cnn of a table',
    { preset: 'cnn' },
    quantities,
    /a row of the data has the shape 5, a cnn takes images/,
  ],
  ['outputs of classes', { preset: 'mlp', outputs: 1 }, images, /model.outputs is 1, .* are 4 classes/],
  [
    'classes of quantities',
    { preset: 'mlp', classes: 2 },
    quantities,
    /model.classes is 2, .* are quantities/,
  ],
  ['other outputs', { preset: 'mlp', outputs: 1 }, quantities, /model.outputs is 1, the data has 2/],
])('%s: refused with both', (_, model, format, message) => {
  expect(() => complete(model, format)).toThrow(
    expect.objectContaining({
      ...{ code: 'MODEL_DATA_MISFIT', exit: 'usage' },
      message: expect.stringMatching(message),
    }),
  )
})

test.each<[string, object, object, string]>([
  ['a GPT of digits', {}, { builtin: 'mnist' }, 'MODEL_DATA_MISFIT'],
  ['a classifier of a book', { preset: 'mlp' }, { builtin: 'moby-dick' }, 'DATA_NOT_ROWS'],
])('%s: refused before anything is built', async (_, model, data, code) => {
  await expect(prepareTraining(parseRunFile({ model, data }, 'run.yaml'))).rejects.toMatchObject({
    code,
    exit: 'usage',
  })
})
