import { expect, test } from 'vitest'
import { batchSource } from './batch-source.ts'
import { batchAt } from './batches.ts'
import type { DataFormat, RowsFormat } from './format.ts'

type Program = Parameters<typeof batchSource>[1]

const tokens = { type: 'int64', shape: [2, 4] } as const
const language: Program = { task: 'language', inputs: tokens, targets: tokens, tokensPerStep: 8 }
const rows: RowsFormat = {
  kind: 'rows',
  inputs: { type: 'u8', factor: 0.5, shift: -1, shape: [1, 2, 2] },
  targets: { type: 'u8', classes: 3 },
  ...{ columns: null, labels: null, features: null, values: null },
}
const classification: Program = {
  task: 'classification',
  inputs: { type: 'float32', shape: [2, 4] },
  targets: { type: 'int64', shape: [2] },
  tokensPerStep: 2,
}
const place = { seed: 1, round: 2, slot: 3, step: 4 }

test('windows of text are as they ever were', () => {
  const shard = Uint8Array.from({ length: 200 }, (_, index) => (index * 37) % 251)
  const source = batchSource({ kind: 'bytes' }, language)
  expect(source.tokensPerStep).toBe(8)
  expect(source.at(place, [shard])).toEqual(batchAt({ ...place, batch: 2, context: 4 }, [shard]))
})

test('bytes stand for v · factor + shift; an imported program may take images by their axes', () => {
  const record = Uint8Array.of(0, 2, 4, 255, 2)
  const images: Program = { ...classification, inputs: { type: 'float32', shape: [2, 1, 2, 2] } }
  for (const program of [classification, images]) {
    const { inputs, targets } = batchSource(rows, program).at(place, [record])
    expect([...inputs]).toEqual([-1, 0, 1, 126.5, -1, 0, 1, 126.5])
    expect(targets).toEqual(BigInt64Array.of(2n, 2n))
  }
})

const values = { ...rows, targets: { type: 'f32', values: 2 } } as const
const regression: Program = {
  ...{ ...classification, task: 'regression' },
  targets: { type: 'float32', shape: [2, 2] },
}
test('values to be told', () => {
  const record = new Uint8Array(12)
  new DataView(record.buffer).setFloat32(4, 1.5, true)
  new DataView(record.buffer).setFloat32(8, -2, true)
  expect(batchSource(values, regression).at(place, [record]).targets).toEqual(
    Float32Array.of(1.5, -2, 1.5, -2),
  )
})

test.each<[string, DataFormat, Program]>([
  ['text for a classifier', { kind: 'bytes' }, classification],
  ['rows for a GPT', rows, language],
  ['classes for a regression', rows, regression],
  ['quantities for a classifier', values, classification],
  ['rows of another length', rows, { ...classification, inputs: { type: 'float32', shape: [2, 5] } }],
  ['rows for a program of token ids', rows, { ...classification, inputs: tokens }],
  ['two values where one is told', values, { ...regression, targets: { type: 'float32', shape: [2, 1] } }],
])('%s: refused', (_, format, program) => {
  expect(() => batchSource(format, program)).toThrow(expect.objectContaining({ code: 'DATA_MISFIT' }))
})
