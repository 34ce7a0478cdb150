import { expect, test } from 'vitest'
import { bothWays, expectSame } from './fixtures/both-ways.ts'
import { floatTensor, type WrittenNode, writeOnnx } from './fixtures/write-onnx.ts'

const int = (name: string, i: number) => ({ name, i, type: 2 })
const float = (name: string, f: number) => ({ name, f, type: 1 })
const ints = (name: string, list: readonly number[]) => ({ name, ints: list, type: 7 })
const text = (name: string, s: string) => ({ name, s: new TextEncoder().encode(s), type: 3 })
const listed = (name: string, values: readonly number[], dims: readonly number[] = [values.length]) => ({
  ...{ name, dims, data_type: 7 },
  int64_data: values,
})

const updates = (dims: readonly number[]) => {
  const count = dims.reduce((product, size) => product * size, 1)
  return floatTensor(
    'u',
    dims,
    Array.from({ length: count }, (_, at) => 10 + at / 4),
  )
}

const shape = [2, 3, 4] as const
const values = Float32Array.from({ length: 24 }, (_, index) => ((index * 7) % 11) / 4 - 1.2)

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
    'the largest values alone',
    [{ op: 'TopK', from: ['h', 'k'], to: ['y', 'i'], attributes: [int('axis', 1)] }],
    [listed('k', [2])],
  ],
  [
    'where the smallest values are, without their values',
    [
      { op: 'TopK', from: ['h', 'k'], to: ['v', 'i'], attributes: [int('largest', 0)] },
      { op: 'GatherElements', from: ['h', 'i'], to: ['g'], attributes: [int('axis', 2)] },
      { op: 'Relu', from: ['g'], to: ['y'] },
    ],
    [listed('k', [3])],
  ],
  [
    'the largest value in whatever order',
    [{ op: 'TopK', from: ['h', 'k'], to: ['y', 'i'], attributes: [int('sorted', 0)] }],
    [listed('k', [1])],
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
  [
    'a box of places that is replaced',
    [{ op: 'ScatterND', from: ['h', 'places', 'u'], to: ['y'], attributes: [text('reduction', 'none')] }],
    [listed('places', [0, 1, 0, 2, 1, 1, 1, -1], [2, 2, 2]), updates([2, 2, 4])],
  ],
  [
    'a box of places that is added to',
    [{ op: 'ScatterND', from: ['h', 'places', 'u'], to: ['y'], attributes: [text('reduction', 'add')] }],
    [listed('places', [1, 1, 2, 1, 1, 3], [2, 3]), updates([2])],
    18,
  ],
  [
    'places that are no box',
    [{ op: 'ScatterND', from: ['h', 'places', 'u'], to: ['y'] }],
    [listed('places', [1, 2, 0, 0, 1, 0], [3, 2]), updates([3, 4])],
  ],
  [
    'places in the order of another box',
    [{ op: 'ScatterND', from: ['h', 'places', 'u'], to: ['y'] }],
    [listed('places', [0, 1, 1, 1, 0, 2, 1, 2], [4, 2]), updates([4, 4])],
  ],
  [
    'all places',
    [
      { op: 'ScatterND', from: ['h', 'places', 'u'], to: ['t'] },
      { op: 'Add', from: ['t', 'h'], to: ['y'] },
    ],
    [listed('places', [0, 1], [2, 1]), updates([2, 3, 4])],
  ],
  [
    'zeros of which a box is replaced',
    [
      { op: 'Shape', from: ['h'], to: ['s'] },
      { op: 'ConstantOfShape', from: ['s'], to: ['z'] },
      { op: 'Slice', from: ['h', 'first', 'second', 'first'], to: ['u'] },
      { op: 'ScatterND', from: ['z', 'places', 'u'], to: ['y'] },
    ],
    [listed('first', [0]), listed('second', [1]), listed('places', [1], [1, 1])],
  ],
  [
    'a box of places that is taken',
    [{ op: 'GatherND', from: ['h', 'places'], to: ['y'] }],
    [listed('places', [1, 0, 1, 1], [2, 1, 2])],
  ],
  [
    'places that are taken, no box',
    [{ op: 'GatherND', from: ['h', 'places'], to: ['y'] }],
    [listed('places', [1, 0, 0, -1], [2, 2])],
  ],
  [
    'places that are taken of each row',
    [{ op: 'GatherND', from: ['h', 'places'], to: ['y'], attributes: [int('batch_dims', 1)] }],
    [listed('places', [2, -1], [2, 1])],
  ],
  [
    'elements that are added to',
    [
      {
        ...{ op: 'ScatterElements', from: ['h', 'places', 'u'], to: ['y'] },
        attributes: [int('axis', 1), text('reduction', 'add')],
      },
    ],
    [listed('places', [0, 0, 1, 2, 2, 1, 0, 2], [2, 1, 4]), updates([2, 1, 4])],
    18,
  ],
  [
    'one-hot rows whose depth is a scalar, of whole numbers',
    [
      { op: 'OneHot', from: ['i', 'depth', 'pair'], to: ['o'] },
      { op: 'Cast', from: ['o'], to: ['f'], attributes: [int('to', 1)] },
      { op: 'Add', from: ['h', 'f'], to: ['y'] },
    ],
    [listed('i', [0, 3, -1]), listed('depth', [4], []), listed('pair', [2, 5])],
  ],
  [
    'the remainder of constants, of the sign of the dividend',
    [
      { op: 'Mod', from: ['k', 'm'], to: ['c'], attributes: [int('fmod', 1)] },
      { op: 'Mul', from: ['h', 'c'], to: ['y'] },
    ],
    [floatTensor('k', [4], [-7, 7, -2.5, 3]), floatTensor('m', [], [3])],
  ],
  ...(['reflect', 'edge', 'wrap'] as const).map(
    (mode): Case => [
      `padding by ${mode}`,
      [{ op: 'Pad', from: ['h', 'p'], to: ['y'], attributes: [text('mode', mode)] }],
      [listed('p', [0, 1, 2, 0, 2, 3])],
      19,
    ],
  ),
  ...(
    [
      ['nearest', 'asymmetric', 'floor'],
      ['nearest', 'half_pixel', 'round_prefer_floor'],
      ['nearest', 'half_pixel', 'round_prefer_ceil'],
      ['nearest', 'align_corners', 'ceil'],
      ['linear', 'half_pixel', 'floor'],
      ['linear', 'pytorch_half_pixel', 'floor'],
      ['linear', 'align_corners', 'floor'],
    ] as const
  ).flatMap(([mode, where, rounding]) =>
    [
      [1, 2, 2],
      [1, 1, 1.5],
      [1, 0.5, 1],
      // Just below 7 places in double precision, 7 in single.
      [1, 1, 7 / 3],
    ].map(
      (scales): Case => [
        `${mode} places at ${where} (${rounding}), ${scales} times`,
        [
          {
            ...{ op: 'Resize', from: ['h', '', 'scales'], to: ['y'] },
            attributes: [
              text('mode', mode),
              text('coordinate_transformation_mode', where),
              text('nearest_mode', rounding),
            ],
          },
        ],
        [floatTensor('scales', [3], scales)],
        18,
      ],
    ),
  ),
  [
    'sizes of the last axis',
    [
      {
        ...{ op: 'Resize', from: ['h', '', '', 'sizes'], to: ['y'] },
        attributes: [ints('axes', [-1]), text('mode', 'linear')],
      },
    ],
    [listed('sizes', [7])],
    18,
  ],
  [
    'sums so far, along an axis that is a scalar',
    [{ op: 'CumSum', from: ['h', 'a'], to: ['y'] }],
    [listed('a', [-1], [])],
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
  await expectSame(writeOnnx(model), values, shape)
})

test('a running variance that an update has made negative leaves numbers finite', async () => {
  const three = (name: string, list: readonly number[]) => floatTensor(name, [3], list)
  const file = writeOnnx({
    nodes: [{ op: 'BatchNormalization', from: ['x', 's', 'b', 'm', 'v'], to: ['y'] }],
    initializers: [
      three('s', [1, 1, 1]),
      three('b', [0, 0, 0]),
      three('m', [0, 0, 0]),
      three('v', [-1, 0, 1]),
    ],
    inputs: [['x', 1, shape]],
  })
  const { imported } = await bothWays(file, values, shape)
  expect(imported.values.every(Number.isFinite)).toBe(true)
})
