import { expect, test } from 'vitest'
import { decodeModel } from '../onnx/decode-model.ts'
import { buildPrograms } from '../training-program.ts'
import { decodeOnnx } from './decode-onnx.ts'
import { expectSame } from './fixtures/both-ways.ts'
import { floatTensor, type WrittenModel, type WrittenNode, writeOnnx } from './fixtures/write-onnx.ts'
import { importModel } from './import-model.ts'
import { maskedScore } from './masks.ts'

const open = Number.NEGATIVE_INFINITY
const weight = floatTensor('fc.weight', [3, 3], [1, 2, 3, 4, 5, 6, 7, 8, 9])
const scores: WrittenNode = { op: 'Gemm', from: ['x', 'fc.weight'], to: ['scores'] }
const softmax: WrittenNode = { op: 'Softmax', from: ['masked'], to: ['y'] }
const ints = (name: string, values: readonly number[]) => ({
  ...{ name, dims: [values.length], data_type: 7 },
  raw_data: new Uint8Array(BigInt64Array.from(values, BigInt).buffer),
})
const add = (mask: string): WrittenNode => ({ op: 'Add', from: ['scores', mask], to: ['masked'] })

/** A mask, what is done to it, and what it is added to; `y` is a Softmax of `masked` unless told otherwise. */
const model = (
  values: readonly number[],
  nodes: readonly WrittenNode[] = [add('mask'), softmax],
  initializers: readonly object[] = [],
): WrittenModel => ({
  nodes: [scores, ...nodes],
  initializers: [weight, floatTensor('mask', [values.length], values), ...initializers],
})
const read = (file: WrittenModel) => importModel(decodeOnnx(writeOnnx(file)), { loss: 'mse' })

/** The numbers that a program's bytes hold. */
const floatsIn = (program: Uint8Array) =>
  decodeModel(program, 2 ** 20).initializers.flatMap((tensor) =>
    tensor.type === 'float32' ? [...new Float32Array(tensor.bytes.slice().buffer)] : [],
  )

const one = {
  op: 'Constant',
  from: [],
  to: ['one'],
  attributes: [{ name: 'value', type: 4, t: floatTensor('', [], [1]) }],
}

test.each<[string, WrittenModel]>([
  ['added', model([0, open, 0])],
  [
    'cut out of a larger one, given another axis, and added to another',
    model(
      [open, 0, open, open, 0],
      [
        { op: 'Slice', from: ['mask', 'begin', 'end'], to: ['cut'] },
        { op: 'Unsqueeze', from: ['cut', 'begin'], to: ['row'] },
        { op: 'Add', from: ['scores', 'row'], to: ['once'] },
        { op: 'Add', from: ['once', 'other'], to: ['masked'] },
        softmax,
      ],
      [ints('begin', [0]), ints('end', [3]), floatTensor('other', [3], [0, 0, open])],
    ),
  ],
  [
    'multiplied by one, as baddbmm is written',
    model(
      [open, 0, 0],
      [
        one,
        { op: 'Cast', from: ['one'], to: ['beta'], attributes: [{ name: 'to', i: 1, type: 2 }] },
        { op: 'Mul', from: ['mask', 'beta'], to: ['scaled'] },
        add('scaled'),
        softmax,
      ],
    ),
  ],
])('a mask is %s: the same probabilities, and it is not trained', async (_, file) => {
  const { table, masks, weights } = read(file)
  expect(table.parameters.filter(({ role }) => role === 'frozen').map(({ name }) => name)).toEqual(masks)
  expect(masks).toContain('mask')
  expect(weights().every(Number.isFinite)).toBe(true)
  expect(weights()).toContain(maskedScore)
  await expectSame(writeOnnx(file), Float32Array.of(0.5, -1, 0.25, 2, 1, -0.5), [2, 3])
})

test('a mask whose name the exporter lost is a constant', async () => {
  const file: WrittenModel = {
    nodes: [scores, add('/Slice_3_output_0'), softmax],
    initializers: [weight, floatTensor('/Slice_3_output_0', [3], [0, open, 0])],
  }
  const { table, masks } = read(file)
  expect([table.parameters.map(({ name }) => name), masks]).toEqual([['fc.weight'], ['/Slice_3_output_0']])
  const { sampling } = buildPrograms(read(file).modelOf, 1)
  expect(floatsIn(sampling)).toContain(maskedScore)
  expect(floatsIn(sampling).filter((value) => !Number.isFinite(value))).toEqual([])
  await expectSame(writeOnnx(file), Float32Array.of(0.5, -1, 0.25), [1, 3])
})

test.each([
  ['NaN', Number.NaN],
  ['Infinity', Number.POSITIVE_INFINITY],
])('nor may a mask whose name is lost hold %s', (told, value) => {
  const file: WrittenModel = {
    nodes: [scores, add('/Slice_3_output_0'), softmax],
    initializers: [weight, floatTensor('/Slice_3_output_0', [3], [0, open, value])],
  }
  expect(() => read(file)).toThrow(`"/Slice_3_output_0" holds ${told}`)
})

test.each<[string, WrittenModel, RegExp]>([
  ['NaN', model([0, Number.NaN, open]), /"mask" holds NaN/],
  ['+∞', model([0, Number.POSITIVE_INFINITY, open]), /"mask" holds Infinity/],
  [
    'a mask that is multiplied with',
    model([0, open, 0], [{ op: 'Mul', from: ['scores', 'mask'], to: ['masked'] }, softmax]),
    /"mask" holds -Infinity and reaches node "node-masked" \(Mul\)/,
  ],
  [
    'one that is scaled by something else than one',
    model(
      [0, open, 0],
      [{ op: 'Mul', from: ['mask', 'half'], to: ['scaled'] }, add('scaled'), softmax],
      [floatTensor('half', [1], [0.5])],
    ),
    /reaches node "node-scaled" \(Mul\)/,
  ],
  [
    'one that is taken a maximum of',
    model([0, open, 0], [add('mask'), { op: 'Relu', from: ['masked'], to: ['y'] }]),
    /reaches node "node-y" \(Relu\)/,
  ],
  [
    'one that is given out',
    { ...model([0, open, 0], [add('mask')]), outputs: ['masked'] },
    /reaches the output/,
  ],
])('%s is refused', (_, file, told) => {
  expect(() => read(file)).toThrow(told)
})

test('a parameter that the exporter says is trained holds no −∞', () => {
  const file = decodeOnnx(writeOnnx(model([0, open, 0])))
  const kinds = new Map([
    ['mask', 'parameter'],
    ['fc.weight', 'parameter'],
  ] as const)
  expect(() => importModel({ ...file, kinds }, { loss: 'mse' })).toThrow(/"mask" holds -Infinity/)
  const buffer = new Map([...kinds, ['mask', 'buffer'] as const])
  expect(importModel({ ...file, kinds: buffer }, { loss: 'mse' }).masks).toEqual(['mask'])
})
