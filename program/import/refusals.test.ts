import { readFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import { ortCpuEngine } from '../../worker/engine/ort-cpu.ts'
import { createGraph } from '../graph.ts'
import { buildPrograms } from '../training-program.ts'
import { decodeOnnx } from './decode-onnx.ts'
import { floatTensor, type WrittenModel, writeOnnx } from './fixtures/write-onnx.ts'
import { maxFoldedElements, maxFoldedInAll } from './host-tensor.ts'
import { type ImportOptions, importModel } from './import-model.ts'

const weight = floatTensor('fc.weight', [2, 3], [1, 2, 3, 4, 5, 6])
const gemm = {
  op: 'Gemm',
  from: ['x', 'fc.weight'],
  to: ['y'],
  attributes: [{ name: 'transB', i: 1, type: 2 }],
} as const
const good: WrittenModel = { nodes: [gemm], initializers: [weight] }
const attribute = (name: string, i: number) => ({ name, i, type: 2 })

const read = (model: WrittenModel, options: ImportOptions = { loss: 'mse' }, batch = 4) =>
  importModel(decodeOnnx(writeOnnx(model)), options).modelOf(batch)

test('a model that is none of these is taken', () => {
  expect(read(good)).toMatchObject({
    task: 'regression',
    inputs: { type: 'float32', shape: [4, 3] },
    targets: { type: 'float32', shape: [4, 2] },
  })
})

test.each<[string, Partial<WrittenModel>, RegExp]>([
  [
    'a cycle',
    {
      nodes: [
        { op: 'Add', from: ['x', 'b'], to: ['a'] },
        { op: 'Relu', from: ['y'], to: ['b'] },
        { ...gemm, from: ['a', 'fc.weight'] },
      ],
    },
    /"node-a" reads "b" before it is made/,
  ],
  [
    'a name that nothing defines',
    { nodes: [{ ...gemm, from: ['z', 'fc.weight'] }] },
    /"node-y" reads "z", which nothing defines/,
  ],
  [
    'a name that is defined twice',
    { nodes: [gemm, { op: 'Relu', from: ['x'], to: ['y'] }] },
    /"y" is defined twice/,
  ],
  ['an unknown operator', { nodes: [{ ...gemm, op: 'Frobnicate' }] }, /node "node-y": operator "Frobnicate"/],
  [
    'an operator outside of the allow-list',
    { nodes: [gemm, { op: 'NonZero', from: ['y'], to: ['z'] }], outputs: ['z'] },
    /"node-z": operator "NonZero"/,
  ],
  ['a custom domain', { nodes: [{ ...gemm, domain: 'com.example' }] }, /"com.example::Gemm"/],
  [
    'control flow',
    { nodes: [{ op: 'If', from: ['x'], to: ['y'], attributes: [{ name: 'then_branch', g: {}, type: 5 }] }] },
    /node "node-y" \("If"\): control flow/,
  ],
  ['a missing output', { outputs: ['z'] }, /the output "z" is not computed/],
  ['no output', { outputs: [] }, /no output/],
  [
    'two outputs',
    { nodes: [gemm, { op: 'Relu', from: ['y'], to: ['z'] }], outputs: ['y', 'z'] },
    /further outputs "z"/,
  ],
  [
    'three inputs',
    {
      inputs: [
        ['x', 1, ['b', 3]],
        ['t', 1, ['b', 2]],
        ['mask', 9, ['b']],
      ],
    },
    /further inputs "mask"/,
  ],
  ['no input', { inputs: [], nodes: [{ ...gemm, from: ['fc.weight', 'fc.weight'] }] }, /no input/],
  [
    'an output that does not depend on the input',
    { nodes: [{ op: 'Relu', from: ['fc.weight'], to: ['y'] }] },
    /float32 with a row for each of 4/,
  ],
  [
    'NaN in a parameter',
    { initializers: [floatTensor('fc.weight', [2, 3], [1, 2, Number.NaN, 4, 5, 6])] },
    /"fc.weight" holds NaN/,
  ],
  ['no parameters', { nodes: [{ op: 'Relu', from: ['x'], to: ['y'] }] }, /no parameters/],
  [
    'shapes that do not fit',
    { initializers: [floatTensor('fc.weight', [3, 2], [1, 2, 3, 4, 5, 6])] },
    /node "node-y" \("Gemm"\): /,
  ],
  [
    'an axis without a size',
    { inputs: [['x', 1, ['batch', 'features']]] },
    /axis 1 of input "x" has no size \("features"\)/,
  ],
  ['an input of truth values', { inputs: [['x', 9, ['batch', 3]]] }, /truth values/],
  ['text as input', { inputs: [['x', 8, ['batch', 3]]] }, /"x" has the element type 8/],
  [
    'an attribute that is not supported',
    { nodes: [{ ...gemm, attributes: [...gemm.attributes, attribute('gamma', 1)] }] },
    /attribute gamma/,
  ],
  [
    'automatic padding',
    {
      nodes: [
        gemm,
        {
          op: 'MaxPool',
          from: ['y'],
          to: ['z'],
          attributes: [{ name: 'auto_pad', s: new TextEncoder().encode('SAME_UPPER'), type: 3 }],
        },
      ],
      outputs: ['z'],
    },
    /"node-z" \("MaxPool"\): attribute auto_pad is not NOTSET/,
  ],
  [
    'a shape that depends on values',
    {
      nodes: [
        gemm,
        { op: 'Cast', from: ['y'], to: ['i'], attributes: [attribute('to', 7)] },
        { op: 'Reshape', from: ['y', 'i'], to: ['z'] },
      ],
      outputs: ['z'],
    },
    /"node-z" \("Reshape"\): the shape depends on/,
  ],
])('%s is refused', (_, change, message) => {
  expect(() => read({ ...good, ...change })).toThrow(
    expect.objectContaining({ exit: 'usage', message: expect.stringMatching(message) }),
  )
})

const withLoss: WrittenModel = {
  nodes: [
    { ...gemm, to: ['logits'] },
    { op: 'SoftmaxCrossEntropyLoss', from: ['logits', 't'], to: ['loss'] },
  ],
  initializers: [weight],
  inputs: [
    ['x', 1, ['batch', 3]],
    ['t', 7, ['batch']],
  ],
  outputs: ['loss'],
}

test('a loss of the graph’s own is taken from it', () => {
  expect(read(withLoss, {})).toMatchObject({ task: 'classification', targets: { type: 'int64', shape: [4] } })
})

test.each<[string, Partial<WrittenModel>, RegExp]>([
  [
    'that is not one number',
    {
      nodes: [
        { ...gemm, to: ['logits'] },
        {
          op: 'SoftmaxCrossEntropyLoss',
          from: ['logits', 't'],
          to: ['loss'],
          attributes: [{ name: 'reduction', s: new TextEncoder().encode('none'), type: 3 }],
        },
      ],
    },
    /its loss is float32\[4\], not one number/,
  ],
  [
    'that does not see the targets',
    {
      nodes: [
        { ...gemm, to: ['logits'] },
        { op: 'ReduceMean', from: ['logits'], to: ['loss'] },
      ],
    },
    /does not depend on its second input, "t"/,
  ],
  [
    'that takes a parameter',
    { nodes: [{ op: 'SoftmaxCrossEntropyLoss', from: ['fc.weight', 't'], to: ['loss'] }] },
    /takes 1 trained values: "fc.weight"/,
  ],
])('a loss %s is refused', (_, change, message) => {
  const model = () => importModel(decodeOnnx(writeOnnx({ ...withLoss, ...change })))
  expect(() => {
    const { loss, logits, inputs, targets, table } = model().modelOf(4)
    const graph = createGraph()
    const parameter = (name: string) => {
      const { shape } = table.parameters.find((entry) => entry.name === name)!
      return graph.input(name, 'float32', shape)
    }
    const values = logits(graph, graph.input('inputs', inputs.type, inputs.shape), parameter)
    loss(graph, values, graph.input('targets', targets.type, targets.shape))
  }).toThrow(expect.objectContaining({ exit: 'usage', message: expect.stringMatching(message) }))
})

test('values give no hint of the loss: it must be chosen', () => {
  expect(() => read(good, {})).toThrow(/computes no loss/)
  expect(read(good, { loss: 'cross_entropy' })).toMatchObject({
    task: 'classification',
    targets: { shape: [4] },
  })
})

test('a weight whose name the exporter lost is refused, saying how to keep it', () => {
  const folded = readFileSync(new URL('fixtures/folded.onnx', import.meta.url))
  expect(() => importModel(decodeOnnx(folded), { loss: 'mse' })).toThrow(
    expect.objectContaining({
      message: expect.stringContaining('"onnx::MatMul_6"'),
      next: expect.stringContaining('do_constant_folding=False'),
    }),
  )
})

test('a file of a fixed batch takes that batch, and one row for samples', async () => {
  const fixed = { ...good, inputs: [['x', 1, [4, 3]]] } as const
  const imported = importModel(decodeOnnx(writeOnnx(fixed)), { loss: 'mse' })
  expect(imported.batch).toBe(4)
  expect(() => imported.modelOf(2)).toThrow(/exported for batches of 4 rows, not 2/)
  const { sampling, table } = buildPrograms(imported.modelOf, 4)
  const session = await ortCpuEngine().loadSampling(sampling)
  expect([...(await session.logits(imported.weights(table), Float32Array.of(1, 10, 100)))]).toEqual([
    321, 654,
  ])
  await session.close()
})

test('a file of a fixed batch with BatchNormalization is not trained row by row: copies of a row have no variance', () => {
  const three = (name: string, value: number) => floatTensor(name, [3], [value, value, value])
  const normalized: WrittenModel = {
    nodes: [
      { op: 'BatchNormalization', from: ['x', 's', 'b', 'm', 'v'], to: ['h'] },
      { ...gemm, from: ['h', 'fc.weight'] },
    ],
    initializers: [weight, three('s', 1), three('b', 0), three('m', 0), three('v', 1)],
    inputs: [['x', 1, [4, 3]]],
  }
  const { modelOf } = importModel(decodeOnnx(writeOnnx(normalized)), { loss: 'mse' })
  expect(() => buildPrograms(modelOf, 4, { accumulate: 4 })).toThrow(
    expect.objectContaining({
      ...{ code: 'ONNX_UNSUPPORTED', exit: 'usage' },
      message: expect.stringContaining('BatchNormalization cannot train on one'),
    }),
  )
  buildPrograms(modelOf, 4)
  const plain = importModel(decodeOnnx(writeOnnx({ ...good, inputs: [['x', 1, [4, 3]]] })), { loss: 'mse' })
  buildPrograms(plain.modelOf, 4, { accumulate: 4 })
})

test('buffers stay as they are in every round, running statistics do not', () => {
  const two = (name: string, value: number) => floatTensor(name, [2], [value, value])
  const file = writeOnnx({
    nodes: [
      { ...gemm, to: ['h'] },
      { op: 'BatchNormalization', from: ['h', 's', 'b', 'm', 'v'], to: ['n'] },
      { op: 'Mul', from: ['n', 'scale'], to: ['y'] },
    ],
    initializers: [weight, two('s', 1), two('b', 0), two('m', 0), two('v', 1), two('scale', 3)],
  })
  const kinds = new Map([
    ...['fc.weight', 's', 'b'].map((name) => [name, 'parameter'] as const),
    ...['m', 'v', 'scale'].map((name) => [name, 'buffer'] as const),
  ])
  const { table } = importModel({ ...decodeOnnx(file), kinds }, { loss: 'mse' })
  expect(table.parameters.map(({ name, role }) => [name, role])).toEqual([
    ['fc.weight', undefined],
    ['s', undefined],
    ['b', undefined],
    ['m', 'statistic'],
    ['v', 'statistic'],
    ['scale', 'frozen'],
  ])
  expect(table).toMatchObject({ movingCount: 14, count: 16 })
})

/** y = fc(x) and the first values of `constants`. */
const adding = (nodes: WrittenModel['nodes'], constants: readonly string[]): WrittenModel => ({
  nodes: [
    { ...gemm, to: ['sum-0'] },
    ...nodes,
    ...constants.flatMap((name, index) => [
      { op: 'Gather', from: [name, 'zero'], to: [`first-${index}`] },
      {
        op: 'Add',
        from: [`sum-${index}`, `first-${index}`],
        to: [index === constants.length - 1 ? 'y' : `sum-${index + 1}`],
      },
    ]),
  ],
  initializers: [
    weight,
    { name: 'zero', dims: [], data_type: 7, int64_data: [0] },
    { name: 'size', dims: [1], data_type: 7, int64_data: [maxFoldedElements] },
  ],
})

test('constants that a file computes are bounded in all, each large one counted once', () => {
  const names = Array.from({ length: maxFoldedInAll / maxFoldedElements + 1 }, (_, index) => `c${index}`)
  const large = names.map((name) => ({ op: 'ConstantOfShape', from: ['size'], to: [name] }))
  expect(() => read(adding(large, names))).toThrow(
    expect.objectContaining({
      ...{ code: 'ONNX_UNSUPPORTED', exit: 'usage' },
      message: expect.stringContaining(`constants of more than ${maxFoldedInAll} values`),
    }),
  )
  const views = names.map((name) => ({ op: 'Reshape', from: ['c', 'size'], to: [name] }))
  read(adding([{ op: 'ConstantOfShape', from: ['size'], to: ['c'] }, ...views], names))
})
