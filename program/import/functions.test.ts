import { expect, test } from 'vitest'
import { decodeOnnx } from './decode-onnx.ts'
import { expectSame } from './fixtures/both-ways.ts'
import { floatTensor, type WrittenFunction, type WrittenModel, writeOnnx } from './fixtures/write-onnx.ts'
import { importModel } from './import-model.ts'

const domain = 'test.functions'
const shape = [2, 3] as const
const values = Float32Array.of(-1.5, -0.25, 0.5, 1, 2, -3)
const weight = floatTensor('fc.weight', [3], [0.5, -1, 2])
const float = (name: string, f: number) => ({ name, f, type: 1 })
const refer = (name: string, of: string, type = 1) => ({ name, ref_attr_name: of, type })

/** alpha where x is negative; its own alpha may be left out. */
const leaky: WrittenFunction = {
  name: 'Leaky',
  from: ['x'],
  to: ['y'],
  defaults: [float('slope', 0.5)],
  nodes: [{ op: 'LeakyRelu', from: ['x'], to: ['y'], attributes: [refer('alpha', 'slope')] }],
}
/** Calls another twice, with the attribute handed on and without; gives two values. */
const twice: WrittenFunction = {
  name: 'Twice',
  from: ['x', 'w', 'bias'],
  to: ['sum', 'last'],
  attributes: ['beta'],
  nodes: [
    { op: 'Mul', from: ['x', 'w'], to: ['t'] },
    { op: 'Leaky', domain, from: ['t'], to: ['u'], attributes: [refer('slope', 'beta')] },
    { op: 'Leaky', domain, from: ['t'], to: ['last'] },
    { op: 'Add', from: ['u', 'last'], to: ['sum'] },
  ],
}
const calls: WrittenModel = {
  functions: [leaky, twice],
  initializers: [weight],
  nodes: [
    { op: 'Twice', domain, from: ['x', 'fc.weight'], to: ['t', 'u'], attributes: [float('beta', 0.25)] },
    { op: 'Twice', domain, from: ['t', 'u'], to: ['', 'last'], attributes: [float('beta', 0.125)] },
    { op: 'Add', from: ['t', 'last'], to: ['y'] },
  ],
}

test('calls within calls compute what onnxruntime computes of them, with the parameters under their names', async () => {
  const bytes = writeOnnx({ ...calls, inputs: [['x', 1, shape]] })
  await expectSame(bytes, values, shape)
  const { table } = importModel(decodeOnnx(bytes), { loss: 'mse' })
  expect(table.parameters.map(({ name }) => name)).toEqual(['fc.weight'])
})

const importedNodes = (model: WrittenModel) => decodeOnnx(writeOnnx(model)).nodes
const importedOps = (model: WrittenModel) => importedNodes(model).map(({ opType }) => opType)

test('a function goes before the operator of its name; overloads of a name are told apart', () => {
  const named = (overload: string, op: string): WrittenFunction => ({
    ...{ name: 'Relu', overload, from: ['x'], to: ['y'] },
    nodes: [{ op, from: ['x'], to: ['y'] }],
  })
  const opTypes = importedOps({
    functions: [named('a', 'Neg'), named('b', 'Abs')],
    initializers: [weight],
    nodes: [
      { op: 'Mul', from: ['x', 'fc.weight'], to: ['h'] },
      { op: 'Relu', domain, overload: 'a', from: ['h'], to: ['n'] },
      { op: 'Relu', domain, overload: 'b', from: ['n'], to: ['y'] },
    ],
  })
  expect(opTypes).toEqual(['Mul', 'Neg', 'Abs'])
  const plain: WrittenFunction = { ...named('', 'Neg'), domain: 'ai.onnx' }
  const nodes = [{ op: 'Relu', from: ['x'], to: ['y'] }]
  expect(importedOps({ functions: [plain], nodes })).toEqual(['Neg'])
})

test('a function that gives its input back is an Identity', () => {
  const same: WrittenFunction = { name: 'Same', from: ['x'], to: ['x'], nodes: [] }
  expect(importedNodes({ functions: [same], nodes: [call('Same', 'y')] })).toMatchObject([
    { opType: 'Identity', inputs: ['x'], outputs: ['y'] },
  ])
})

const call = (op: string, to: string, from = 'x') => ({ op, domain, from: [from], to: [to] })
/** Each calls the one before twice: 2ⁿ nodes. */
const doubling = Array.from({ length: 30 }, (_, level): WrittenFunction => {
  const next = level === 0 ? { op: 'Relu' } : { op: `F${level - 1}`, domain }
  const nodes = [
    { ...next, from: ['x'], to: ['t'] },
    { ...next, from: ['t'], to: ['y'] },
  ]
  return { name: `F${level}`, from: ['x'], to: ['y'], nodes }
})
const chain = Array.from({ length: 40 }, (_, level): WrittenFunction => {
  const next = level === 0 ? { op: 'Relu' } : { op: `F${level - 1}`, domain }
  return { name: `F${level}`, from: ['x'], to: ['y'], nodes: [{ ...next, from: ['x'], to: ['y'] }] }
})

test.each<[string, WrittenModel, string, RegExp]>([
  [
    'that calls itself',
    { functions: [{ ...leaky, nodes: [call('Leaky', 'y')] }], nodes: [call('Leaky', 'y')] },
    'ONNX_MALFORMED',
    /function "Leaky" calls itself/,
  ],
  [
    'that calls itself by another',
    {
      functions: [
        { name: 'A', from: ['x'], to: ['y'], nodes: [call('B', 'y')] },
        { name: 'B', from: ['x'], to: ['y'], nodes: [call('A', 'y')] },
      ],
      nodes: [call('A', 'y')],
    },
    'ONNX_MALFORMED',
    /calls itself/,
  ],
  ['of 2³⁰ nodes', { functions: doubling, nodes: [call('F29', 'y')] }, 'ONNX_UNSUPPORTED', /100000 nodes/],
  [
    'with many defaults, called often',
    {
      functions: [{ ...leaky, defaults: Array.from({ length: 2_000 }, (_, at) => float(`a${at}`, at)) }],
      nodes: Array.from({ length: 60 }, () => call('Leaky', 'y')),
    },
    'ONNX_UNSUPPORTED',
    /100000 nodes and operands/,
  ],
  ['40 levels deep', { functions: chain, nodes: [call('F39', 'y')] }, 'ONNX_UNSUPPORTED', /32 levels/],
  [
    'that is there twice',
    { functions: [leaky, leaky], nodes: [call('Leaky', 'y')] },
    'ONNX_MALFORMED',
    /two/,
  ],
  ['that is not there', { functions: [leaky], nodes: [call('Other', 'y')] }, 'ONNX_UNSUPPORTED', /Other/],
  [
    'with too many operands',
    { functions: [leaky], nodes: [{ op: 'Leaky', domain, from: ['x', 'x'], to: ['y'] }] },
    'ONNX_MALFORMED',
    /too many operands/,
  ],
  [
    'of an old opset',
    { functions: [{ ...leaky, opset: 9 }], nodes: [call('Leaky', 'y')] },
    'ONNX_UNSUPPORTED',
    /opset 9/,
  ],
  [
    'whose attribute is asked for outside of it',
    { nodes: [{ op: 'LeakyRelu', from: ['x'], to: ['y'], attributes: [refer('alpha', 'slope')] }] },
    'ONNX_MALFORMED',
    /refers to an attribute/,
  ],
  [
    'that overwrites what it is given',
    {
      functions: [{ ...leaky, nodes: [{ op: 'Relu', from: ['x'], to: ['x'] }] }],
      nodes: [call('Leaky', 'y')],
    },
    'ONNX_MALFORMED',
    /defined twice|not computed/,
  ],
])('a function %s is refused', (_, model, code, message) => {
  expect(() => importModel(decodeOnnx(writeOnnx(model)), { loss: 'mse' })).toThrow(
    expect.objectContaining({ code, exit: 'usage', message: expect.stringMatching(message) }),
  )
})
