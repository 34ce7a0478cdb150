import fc from 'fast-check'
import { expect, test } from 'vitest'
import { isMurmurError } from '../protocol/errors.ts'
import { drawsAt } from '../protocol/random.ts'
import { checkProgram, defaultProgramLimits } from './check-program.ts'
import { createGraph, type Graph } from './graph.ts'
import { decodeModel } from './onnx/decode-model.ts'
import { encodeModel, type OnnxModel, type OnnxNode } from './onnx/model-proto.ts'
import { int, ints, type Value } from './operators/operator.ts'
import { encodeInfo, parseInfo } from './program-info.ts'
import { readRunModel } from './run-model.ts'
import { buildTrainingProgram } from './training-program.ts'

const spec = { preset: 'gpt', layers: 1, width: 8, heads: 2, context: 4, batch: 2 } as const
const { training, evaluation, sampling, table } = buildTrainingProgram(spec)

const codes = new Set(['PROGRAM_MALFORMED', 'PROGRAM_INVALID', 'PROGRAM_TOO_BIG'])

/** The code of the refusal; undefined when the program is accepted. Anything but a coded error fails the test. */
function refusal(bytes: Uint8Array): string | undefined {
  try {
    checkProgram(bytes)
    return undefined
  } catch (error) {
    if (!isMurmurError(error)) throw error
    expect(codes).toContain(error.code)
    return error.code
  }
}

const changed = (change: (model: OnnxModel) => Partial<OnnxModel>): Uint8Array => {
  const model = decodeModel(training)
  return encodeModel({ ...model, ...change(model) })
}

const withFirstNode = (change: Partial<OnnxNode>): Uint8Array =>
  changed(({ nodes }) => ({ nodes: [{ ...nodes[0]!, ...change }, ...nodes.slice(1)] }))

test('the built programs are accepted and say what they are', () => {
  for (const [kind, bytes] of Object.entries({ training, evaluation, sampling })) {
    const checked = checkProgram(bytes)
    expect(checked.kind).toBe(kind)
    expect(checked.parameterCount).toBe(table.count)
    expect(checked.table).toEqual(table)
  }
})

test.each<[string, Uint8Array, RegExp]>([
  [
    'an operator that is not allowed',
    withFirstNode({ opType: 'Loop' }),
    /Slice_0: operator Loop is not on the allow-list/,
  ],
  [
    'an undefined input',
    withFirstNode({ inputs: ['nowhere', 'c0', 'c1'] }),
    /"nowhere" is not defined before it/,
  ],
  ['a cycle', changed(({ nodes }) => ({ nodes: [...nodes].reverse() })), /is not defined before it/],
  ['a value defined twice', withFirstNode({ outputs: ['params'] }), /"params" is defined twice/],
  [
    'a missing output',
    changed(({ outputs }) => ({ outputs: outputs.slice(1) })),
    /must have the output loss/,
  ],
  ['missing metadata', changed(() => ({ metadata: new Map() })), /metadata/],
  [
    'a parameter table of another size',
    changed(({ metadata }) => ({
      metadata: new Map(
        [...metadata].map(([key, text]) => [key, text.replace('"shape":[256,8]', '"shape":[255,8]')]),
      ),
    })),
    /parameter table: offsets/,
  ],
  [
    'a vector that is not of the table’s size',
    changed(({ inputs }) => ({
      inputs: inputs.map((input) => ({ ...input, shape: input.name === 'adam_m' ? [7] : input.shape })),
    })),
    /adam_m|broadcast/,
  ],
  [
    'a tensor beyond the limit',
    changed(({ nodes, initializers }) => {
      const bytes = new Uint8Array(new BigInt64Array([2n ** 40n]).buffer)
      const huge = { name: 'huge', type: 'int64', shape: [1], bytes } as const
      const loss: OnnxNode = {
        name: 'x',
        opType: 'Expand',
        inputs: ['learning_rate', 'huge'],
        outputs: ['x'],
        attributes: new Map(),
      }
      return { nodes: [loss, ...nodes], initializers: [...initializers, huge] }
    }),
    /bytes for x/,
  ],
])('%s is refused with its reason', (_, bytes, reason) => {
  expect(() => checkProgram(bytes)).toThrow(reason)
  expect(refusal(bytes)).toBeDefined()
})

test('a program over the byte limit is refused before it is read', () => {
  expect(() => checkProgram(training, { ...defaultProgramLimits, maxBytes: 100 })).toThrow(/limit is 100/)
})

test('fields that ONNX has and programs have not are refused', () => {
  // Field 25 of ModelProto, `functions`: length 2 of nothing.
  expect(refusal(Buffer.concat([training, Buffer.from([0xca, 0x01, 0x02, 0x0a, 0x00])]))).toBe(
    'PROGRAM_MALFORMED',
  )
})

test('a two-byte field repeated millions of times is refused before it is built', () => {
  const nodes = new Uint8Array(2 * 2 ** 20).map((_, index) => (index % 2 === 0 ? 0x0a : 0))
  const length = [0x80, 0x80, 0x80, 0x01] // 2²¹ as a varint
  expect(() => checkProgram(Buffer.concat([Buffer.from([0x3a, ...length]), nodes]))).toThrow(/fields/)
})

test('truncated programs are refused', () => {
  fc.assert(
    fc.property(fc.nat(training.length - 1), (length) => {
      expect(refusal(training.subarray(0, length))).toBeDefined()
    }),
    { numRuns: 150, seed: 1 },
  )
})

test('random and mutated bytes are refused with a code, or are still a program', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 400 }), (bytes) => {
      expect(refusal(bytes)).toBeDefined()
    }),
    { numRuns: 300, seed: 2 },
  )
  const draw = drawsAt(3, 'simulation', [0, 0])
  for (let run = 0; run < 200; run++) {
    const mutated = training.slice()
    for (let change = 0; change < 1 + (run % 3); change++) mutated[draw() % mutated.length] = draw() & 0xff
    refusal(mutated)
  }
})

/** A program whose nodes come first; what they make is not used. */
const withNodes = (nodes: readonly Omit<OnnxNode, 'name'>[], initializers: OnnxModel['initializers'] = []) =>
  changed((model) => ({
    nodes: [...nodes.map((node, index) => ({ ...node, name: `extra_${index}` })), ...model.nodes],
    initializers: [...model.initializers, ...initializers],
  }))

const zeros = (name: string, shape: readonly number[]) =>
  ({ name, type: 'float32', shape, bytes: new Uint8Array(4 * shape.reduce((a, b) => a * b, 1)) }) as const

const convolution = (attributes: OnnxNode['attributes'] = new Map()) =>
  withNodes(
    [{ opType: 'Conv', inputs: ['image', 'kernel'], outputs: ['convolved'], attributes }],
    [zeros('image', [1, 4, 32, 32]), zeros('kernel', [1, 4, 3, 3])],
  )

test('the column matrix of a convolution counts as memory', () => {
  const columns = 4 * (4 * 9) * (30 * 30)
  expect(checkProgram(convolution()).peakBytes).toBeGreaterThan(columns + 4 * 4 * 32 * 32)
  expect(() => checkProgram(convolution(), { ...defaultProgramLimits, maxLiveBytes: columns })).toThrow(
    /bytes at once \(node extra_0\)/,
  )
})

test.each<[string, Uint8Array, RegExp]>([
  [
    'an attribute that no rule reads',
    convolution(new Map([['output_shape', ints([9, 9])]])),
    /output_shape is not/,
  ],
  [
    'a window that does not fit',
    convolution(new Map([['dilations', ints([40, 1])]])),
    /does not fit into 32/,
  ],
  ['a negative padding', convolution(new Map([['pads', ints([-1, 0, 0, 0])]])), /attribute pads/],
  ['no groups', convolution(new Map([['group', { kind: 'int', value: 0 }]])), /group 0/],
  [
    'padding that cuts more than there is',
    withNodes(
      [{ opType: 'Pad', inputs: ['image', 'sizes'], outputs: ['padded'], attributes: new Map() }],
      [
        zeros('image', [2]),
        {
          name: 'sizes',
          type: 'int64',
          shape: [2],
          bytes: new Uint8Array(new BigInt64Array([-3n, 5n]).buffer),
        },
      ],
    ),
    /nothing is left of \[2\]/,
  ],
  [
    'more axes than a tensor has',
    withNodes(
      [{ opType: 'Reshape', inputs: ['image', 'sizes'], outputs: ['many'], attributes: new Map() }],
      [
        zeros('image', [1]),
        {
          name: 'sizes',
          type: 'int64',
          shape: [17],
          bytes: new Uint8Array(new BigInt64Array(17).fill(1n).buffer),
        },
      ],
    ),
    /17 axes, at most 16/,
  ],
  [
    'a composition, which no program holds',
    withNodes(
      [{ opType: 'Gelu', inputs: ['image'], outputs: ['activated'], attributes: new Map() }],
      [zeros('image', [2])],
    ),
    /Gelu is not on the allow-list/,
  ],
])('%s is refused with its reason', (_, bytes, reason) => {
  expect(() => checkProgram(bytes)).toThrow(reason)
})

test('truth values take a byte each, and are not given out', () => {
  const image = zeros('image', [2 ** 20])
  const peak = (opType: string, ...inputs: string[]) =>
    checkProgram(withNodes([{ opType, inputs, outputs: ['made'], attributes: new Map() }], [image])).peakBytes
  expect(peak('Neg', 'image') - peak('Greater', 'image', 'image')).toBe(3 * 2 ** 20)
  const bytes = changed((model) => ({
    nodes: model.nodes.map((node) =>
      node.outputs.includes('loss')
        ? { ...node, opType: 'Greater', inputs: [node.inputs[0]!, node.inputs[0]!], attributes: new Map() }
        : node,
    ),
  }))
  expect(() => checkProgram(bytes)).toThrow(
    /output loss is not what the graph computes|inputs must be float32/,
  )
})

test('float16 is counted as float32, which processors without it compute in', () => {
  const peak = (to: number) => {
    const cast = {
      opType: 'Cast',
      inputs: ['image'],
      outputs: ['made'],
      attributes: new Map([['to', int(to)]]),
    }
    return checkProgram(withNodes([cast], [zeros('image', [2 ** 20])])).peakBytes
  }
  expect(peak(10)).toBe(peak(1))
})

test('attributes of the wrong kind are refused', () => {
  const bytes = changed(({ nodes }) => ({
    nodes: nodes.map((node) =>
      node.opType === 'Softmax' ? { ...node, attributes: new Map([['axis', ints([1])]]) } : node,
    ),
  }))
  expect(refusal(bytes)).toBe('PROGRAM_INVALID')
})

test('a list of no sizes is what a Reshape to a scalar takes, and nothing else', () => {
  const info = { ...parseInfo(decodeModel(sampling).metadata), logits: [1] }
  const program = (append: (graph: Graph, x: Value) => Value) => {
    const graph = createGraph()
    const params = graph.input('params', 'float32', [info.parameterCount])
    graph.input('inputs', 'int64', info.inputs.shape)
    const first = graph.node('Slice', [params, graph.ints([0]), graph.ints([1])])
    graph.output('logits', graph.node('Reshape', [append(graph, first), graph.ints([1])]))
    return encodeModel(graph.model(encodeInfo(info)))
  }
  const scalar = program((graph, x) => graph.node('Reshape', [x, graph.ints([])]))
  expect(checkProgram(scalar).logits).toEqual([1])
  const empty = program((graph, x) =>
    graph.node('Mul', [x, graph.node('Cast', [graph.ints([])], { to: int(1) })]),
  )
  expect(() => checkProgram(empty)).toThrow(/has no values/)
})

test('a run’s training program must train', () => {
  expect(readRunModel(training).parameterCount).toBe(table.count)
  for (const other of [evaluation, sampling])
    expect(() => readRunModel(other)).toThrow(expect.objectContaining({ code: 'PROGRAM_INVALID' }))
})
