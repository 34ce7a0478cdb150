import { readFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import { decodeOnnx } from '../program/import/decode-onnx.ts'
import { importModel } from '../program/import/import-model.ts'
import { writeParameterFile } from './parameter-file.ts'
import { readSafetensors } from './safetensors.ts'
import { withStateDictKeys } from './state-dict.ts'

const fixture = (name: string) => readFileSync(new URL(`../program/import/fixtures/${name}`, import.meta.url))
/** The keys and shapes of each module's own state_dict, recorded by fixtures/export.py. */
const recorded = JSON.parse(fixture('training.json').toString()) as Readonly<
  Record<string, { readonly state: Readonly<Record<string, readonly number[]>> }>
>

test.each([
  ['resnet-legacy.onnx', {}],
  ['resnet-dynamo.onnx', {}],
  ['recurrent-legacy.onnx', {}],
  ['recurrent-dynamo.onnx', {}],
  ['transformer-legacy.onnx', { 'head.weight': 'tokens.weight' }],
  ['transformer-dynamo.onnx', { 'tokens.weight': 'head.weight' }],
])('%s gives back every key of the module’s state_dict, and no other', (name, tied) => {
  const { table, weights } = importModel(decodeOnnx(fixture(name)), { loss: 'mse' })
  const file = withStateDictKeys(writeParameterFile(weights(), table.parameters), table.parameters, { tied })
  const { tensors } = readSafetensors(file)
  const shapes = Object.fromEntries([...tensors].map(([key, { shape }]) => [key, shape]))
  expect(shapes).toEqual(recorded[name.split('-')[0]!]!.state)
  for (const [alias, key] of Object.entries(tied))
    expect(tensors.get(alias)!.bytes).toEqual(tensors.get(key)!.bytes)
})

test('a file that lacks nothing stays as it is, to the byte', () => {
  const table = [{ name: 'w', shape: [2], offset: 0 }]
  const file = writeParameterFile(Float32Array.of(1, 2), table)
  expect(withStateDictKeys(file, table, { tied: {} })).toBe(file)
  expect(withStateDictKeys(file, table, { tied: { a: 'absent' } })).toBe(file)
})
