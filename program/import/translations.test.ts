import '../../worker/engine/no-telemetry.ts'
import { InferenceSession, Tensor } from 'onnxruntime-node'
import { expect, test } from 'vitest'
import { createGraph } from '../graph.ts'
import { encodeModel } from '../onnx/model-proto.ts'
import { decodeOnnx } from './decode-onnx.ts'
import { floatTensor, type WrittenModel, type WrittenNode, writeOnnx } from './fixtures/write-onnx.ts'
import { importModel } from './import-model.ts'

const int = (name: string, i: number) => ({ name, i, type: 2 })
const float = (name: string, f: number) => ({ name, f, type: 1 })
const ints = (name: string, list: readonly number[]) => ({ name, ints: list, type: 7 })
const text = (name: string, s: string) => ({ name, s: new TextEncoder().encode(s), type: 3 })
const listed = (name: string, values: readonly number[], dims: readonly number[] = [values.length]) => ({
  ...{ name, dims, data_type: 7 },
  int64_data: values,
})

const shape = [2, 3, 4] as const
const values = Float32Array.from({ length: 24 }, (_, index) => ((index * 7) % 11) / 4 - 1.2)

/** What onnxruntime makes of the file itself, and of the program that it is imported as. */
async function bothWays(model: WrittenModel) {
  const bytes = writeOnnx(model)
  const imported = importModel(decodeOnnx(bytes), { loss: 'mse' })
  const graph = createGraph()
  const { logits, table, inputs } = imported.modelOf(shape[0])
  const feeds: Record<string, Tensor> = { inputs: new Tensor('float32', values, shape) }
  const y = logits(graph, graph.input('inputs', inputs.type, inputs.shape), (name) => {
    const { offset, shape: own } = table.parameters.find((parameter) => parameter.name === name)!
    const count = own.reduce((product, size) => product * size, 1)
    feeds[name] = new Tensor('float32', imported.weights().subarray(offset, offset + count), own)
    return graph.input(name, 'float32', own)
  })
  graph.output('y', y)
  const run = async (file: Uint8Array, given: Record<string, Tensor>) => {
    const session = await InferenceSession.create(file, {
      intraOpNumThreads: 1,
      graphOptimizationLevel: 'disabled',
    })
    const result = (await session.run(given)).y!
    await session.release()
    return { shape: result.dims, values: Array.from(result.data as Float32Array) }
  }
  return {
    original: await run(bytes, { x: feeds.inputs! }),
    imported: await run(encodeModel(graph.model(new Map())), feeds),
  }
}

/** Every case computes y of h = x + w. */
type Case = [what: string, nodes: readonly WrittenNode[], initializers?: readonly object[], opset?: number]
const cases: Case[] = [
  [
    'means over axes that are an input',
    [{ op: 'ReduceMean', from: ['h', 'a'], to: ['y'] }],
    [listed('a', [-1])],
    18,
  ],
  [
    'means over axes that are an attribute',
    [{ op: 'ReduceMean', from: ['h'], to: ['y'], attributes: [ints('axes', [1]), int('keepdims', 0)] }],
    [],
    17,
  ],
  [
    'sums of absolute values',
    [{ op: 'ReduceL1', from: ['h'], to: ['y'], attributes: [ints('axes', [2])] }],
    [],
    17,
  ],
  [
    'norms',
    [{ op: 'ReduceL2', from: ['h', 'a'], to: ['y'], attributes: [int('keepdims', 0)] }],
    [listed('a', [2, 1])],
    18,
  ],
  ['sums of squares', [{ op: 'ReduceSumSquare', from: ['h', 'a'], to: ['y'] }], [listed('a', [1])], 18],
  [
    'an uneven split into so many parts',
    [
      { op: 'Split', from: ['h'], to: ['s', 't'], attributes: [int('axis', 1), int('num_outputs', 2)] },
      { op: 'Concat', from: ['t', 's'], to: ['y'], attributes: [int('axis', 1)] },
    ],
    [],
    18,
  ],
  [
    'a split into a sequence',
    [
      { op: 'SplitToSequence', from: ['h', 'n'], to: ['s'], attributes: [int('axis', 2)] },
      { op: 'SequenceAt', from: ['s', 'i'], to: ['y'] },
    ],
    [listed('n', [3], []), listed('i', [-1], [])],
  ],
  [
    'one place of an axis',
    [{ op: 'Gather', from: ['h', 'i'], to: ['y'], attributes: [int('axis', 1)] }],
    [listed('i', [-2], [])],
  ],
  [
    'several places of an axis',
    [{ op: 'Gather', from: ['h', 'i'], to: ['y'], attributes: [int('axis', 2)] }],
    [listed('i', [3, 0])],
  ],
  [
    'padding of named axes',
    [{ op: 'Pad', from: ['h', 'p', 'c', 'a'], to: ['y'] }],
    [listed('p', [1, 2]), floatTensor('c', [], [7]), listed('a', [-1])],
    18,
  ],
  [
    'padding with negative sizes',
    [{ op: 'Pad', from: ['h', 'p'], to: ['y'], attributes: [text('mode', 'constant')] }],
    [listed('p', [0, -1, 0, 0, 0, 1])],
    13,
  ],
  ['squares', [{ op: 'Pow', from: ['h', 'e'], to: ['y'] }], [floatTensor('e', [], [2])]],
  ['an upper bound alone', [{ op: 'Clip', from: ['h', '', 'u'], to: ['y'] }], [floatTensor('u', [], [0.5])]],
  [
    'both bounds',
    [{ op: 'Clip', from: ['h', 'l', 'u'], to: ['y'] }],
    [floatTensor('l', [], [-0.5]), floatTensor('u', [], [0.5])],
  ],
  [
    'a triangle',
    [{ op: 'Trilu', from: ['h', 'k'], to: ['y'], attributes: [int('upper', 0)] }],
    [listed('k', [1], [])],
  ],
  [
    'a shape from the input’s own',
    [
      { op: 'Shape', from: ['x'], to: ['s'], attributes: [int('end', 1)] },
      { op: 'Concat', from: ['s', 'm'], to: ['t'], attributes: [int('axis', 0)] },
      { op: 'Reshape', from: ['h', 't'], to: ['y'] },
    ],
    [listed('m', [-1])],
  ],
  [
    'a mask made of positions',
    [
      { op: 'Range', from: ['zero', 'four', 'one'], to: ['r'] },
      { op: 'Cast', from: ['r'], to: ['f'], attributes: [int('to', 1)] },
      { op: 'Cos', from: ['f'], to: ['c'] },
      { op: 'Less', from: ['r', 'two'], to: ['b'] },
      { op: 'Where', from: ['b', 'h', 'c'], to: ['y'] },
    ],
    [listed('zero', [0], []), listed('one', [1], []), listed('two', [2], []), listed('four', [4], [])],
  ],
  [
    'zeros of a computed shape',
    [
      { op: 'Shape', from: ['h'], to: ['s'] },
      { op: 'ConstantOfShape', from: ['s'], to: ['z'] },
      { op: 'Add', from: ['h', 'z'], to: ['y'] },
    ],
  ],
  [
    'a cast to the type of another',
    [
      { op: 'CastLike', from: ['n', 'h'], to: ['c'] },
      { op: 'Mul', from: ['h', 'c'], to: ['y'] },
    ],
    [listed('n', [3], [])],
  ],
  [
    'normalization by groups of channels',
    [
      {
        op: 'GroupNormalization',
        from: ['h', 's', 'b'],
        to: ['y'],
        attributes: [int('num_groups', 3), float('epsilon', 1e-3)],
      },
    ],
    [floatTensor('s', [3], [1, 2, 3]), floatTensor('b', [3], [0, 1, 0])],
    21,
  ],
  [
    'normalization by running statistics',
    [{ op: 'BatchNormalization', from: ['h', 's', 'b', 'm', 'v'], to: ['y'] }],
    [
      floatTensor('s', [3], [1, 2, 3]),
      floatTensor('b', [3], [0, 1, 0]),
      floatTensor('m', [3], [0.5, 0, 0]),
      floatTensor('v', [3], [1, 2, 0.5]),
    ],
  ],
  [
    'dropout, which is off',
    [{ op: 'Dropout', from: ['h', 'p'], to: ['y', 'mask'] }],
    [floatTensor('p', [], [0.5])],
  ],
  [
    'a GELU by tanh',
    [{ op: 'Gelu', from: ['h'], to: ['y'], attributes: [text('approximate', 'tanh')] }],
    [],
    20,
  ],
]

test.each<Case>(cases)('%s', async (_, nodes, initializers = [], opset = 18) => {
  const w = floatTensor('w', [3, 1], [0.25, -0.5, 1])
  const add = { op: 'Add', from: ['x', 'w'], to: ['h'] }
  const model = {
    nodes: [add, ...nodes],
    initializers: [w, ...initializers],
    inputs: [['x', 1, shape]],
    opset,
  } as const
  const { original, imported } = await bothWays(model)
  expect(imported.shape).toEqual(original.shape)
  imported.values.forEach((value, at) => {
    expect(Math.abs(value - original.values[at]!), `element ${at}`).toBeLessThan(1e-5)
  })
})

test('a running variance that an update has made negative leaves numbers finite', async () => {
  const three = (name: string, list: readonly number[]) => floatTensor(name, [3], list)
  const { imported } = await bothWays({
    nodes: [{ op: 'BatchNormalization', from: ['x', 's', 'b', 'm', 'v'], to: ['y'] }],
    initializers: [
      three('s', [1, 1, 1]),
      three('b', [0, 0, 0]),
      three('m', [0, 0, 0]),
      three('v', [-1, 0, 1]),
    ],
    inputs: [['x', 1, shape]],
  })
  expect(imported.values.every(Number.isFinite)).toBe(true)
})
