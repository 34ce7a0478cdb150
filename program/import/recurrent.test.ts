import { expect, test } from 'vitest'
import { decodeOnnx } from './decode-onnx.ts'
import { bothWays, expectSame } from './fixtures/both-ways.ts'
import { floatTensor, type WrittenModel, writeOnnx } from './fixtures/write-onnx.ts'
import { importModel } from './import-model.ts'

const int = (name: string, i: number) => ({ name, i, type: 2 })
const ints = (name: string, list: readonly number[]) => ({ name, ints: list, type: 7 })
const text = (name: string, s: string) => ({ name, s: new TextEncoder().encode(s), type: 3 })
const texts = (name: string, list: readonly string[]) => ({
  ...{ name, type: 8 },
  strings: list.map((item) => new TextEncoder().encode(item)),
})

/** B rows of S steps with I values; H hidden ones. */
const [B, S, I, H] = [2, 9, 3, 4]
const shape = [B, S, I]
const values = Float32Array.from({ length: B * S * I }, (_, at) => ((at * 7) % 13) / 8 - 0.75)
const weights = (name: string, dims: readonly number[], phase: number) => {
  const count = dims.reduce((product, size) => product * size, 1)
  return floatTensor(
    name,
    dims,
    Array.from({ length: count }, (_, at) => (((at + phase) * 11) % 17) / 12 - 0.6),
  )
}

interface Options {
  readonly directions?: number
  readonly attributes?: readonly object[]
  /** Inputs after W and R: biases, lengths, states; by default the biases. */
  readonly more?: readonly string[]
  /** Which output y is made of. */
  readonly output?: number
}

/** The layer over x, whose chosen output is turned so that rows come first. */
function layer(op: string, gates: number, options: Options = {}): WrittenModel {
  const { directions: D = 1, attributes = [], more = ['b'], output = 0 } = options
  const outputs = Array.from({ length: output + 1 }, (_, at) => (at === output ? 'out' : ''))
  return {
    nodes: [
      { op: 'Transpose', from: ['x'], to: ['steps'], attributes: [ints('perm', [1, 0, 2])] },
      {
        ...{ op, from: ['steps', 'w', 'r', ...more], to: outputs },
        ...{ name: 'layer', attributes: [int('hidden_size', H), ...attributes] },
      },
      {
        ...{ op: 'Transpose', from: ['out'], to: ['y'] },
        attributes: [ints('perm', output === 0 ? [2, 0, 1, 3] : [1, 0, 2])],
      },
    ],
    initializers: [
      weights('w', [D, gates * H, I], 1),
      weights('r', [D, gates * H, H], 5),
      weights('b', [D, 2 * gates * H], 3),
      weights('h', [D, B, H], 2),
      weights('c', [D, B, H], 7),
      weights('p', [D, 3 * H], 4),
      { name: 'lengths', dims: [B], data_type: 6, int32_data: [S, S] },
    ],
    inputs: [['x', 1, shape]],
    opset: 17,
  }
}

test.each<[string, WrittenModel]>([
  ['an LSTM', layer('LSTM', 4)],
  ['an LSTM without biases', layer('LSTM', 4, { more: [] })],
  ['an LSTM from states that are given', layer('LSTM', 4, { more: ['b', '', 'h', 'c'] })],
  ['the last hidden state of an LSTM', layer('LSTM', 4, { output: 1 })],
  ['the last cell of an LSTM', layer('LSTM', 4, { output: 2 })],
  ['an LSTM backwards', layer('LSTM', 4, { attributes: [text('direction', 'reverse')] })],
  [
    'the last cells of an LSTM both ways',
    layer('LSTM', 4, { directions: 2, attributes: [text('direction', 'bidirectional')], output: 2 }),
  ],
  ['a GRU that resets before its product', layer('GRU', 3)],
  ['a GRU that resets after it', layer('GRU', 3, { attributes: [int('linear_before_reset', 1)] })],
  [
    'a GRU without biases that resets after its product',
    layer('GRU', 3, { more: [], attributes: [int('linear_before_reset', 1)] }),
  ],
  [
    'a GRU both ways, from states that are given',
    layer('GRU', 3, {
      ...{ directions: 2, more: ['b', '', 'h'] },
      attributes: [
        text('direction', 'bidirectional'),
        texts('activations', ['Sigmoid', 'Tanh', 'Sigmoid', 'Tanh']),
      ],
    }),
  ],
  ['an RNN', layer('RNN', 1)],
  ['an RNN with Relu', layer('RNN', 1, { attributes: [texts('activations', ['Relu'])] })],
])('%s, unrolled, computes what the layer does', async (_, model) => {
  await expectSame(writeOnnx(model), values, shape)
})

test('what is not asked for is not written, and no node joins or cuts more than seven pieces', async () => {
  const all = await bothWays(writeOnnx(layer('LSTM', 4)), values, shape)
  const last = await bothWays(writeOnnx(layer('LSTM', 4, { output: 1 })), values, shape)
  expect(last.opTypes.length).toBeLessThan(all.opTypes.length - S)
  expect(last.opTypes).not.toContain('Concat')
  expect(all.opTypes.filter((opType) => opType === 'Concat')).toHaveLength(3)
})

const longer: WrittenModel = { ...layer('RNN', 1), inputs: [['x', 1, [B, 1025, I]]] }

test.each<[string, WrittenModel, RegExp]>([
  ['sequences of different lengths', layer('GRU', 3, { more: ['b', 'lengths'] }), /different lengths/],
  ['peepholes', layer('LSTM', 4, { more: ['b', '', 'h', 'c', 'p'] }), /peepholes/],
  [
    'other activations',
    layer('LSTM', 4, { attributes: [texts('activations', ['Sigmoid', 'Tanh', 'Softsign'])] }),
    /Softsign/,
  ],
  ['a clip', layer('LSTM', 4, { attributes: [{ name: 'clip', f: 1, type: 1 }] }), /attribute clip/],
  ['rows first', layer('LSTM', 4, { attributes: [int('layout', 1)] }), /attribute layout/],
  ['coupled gates', layer('LSTM', 4, { attributes: [int('input_forget', 1)] }), /attribute input_forget/],
  ['an odd direction', layer('GRU', 3, { attributes: [text('direction', 'sideways')] }), /direction/],
  ['another hidden size', layer('GRU', 3, { attributes: [int('hidden_size', 5)] }), /hidden_size/],
  ['weights of another layer', layer('LSTM', 3), /weights do not fit/],
  [
    'a second direction without weights',
    layer('GRU', 3, { attributes: [text('direction', 'bidirectional')] }),
    /do not fit/,
  ],
  ['1,025 steps', longer, /1025 steps/],
])('%s are refused, naming the node', (_, model, reason) => {
  const build = () => importModel(decodeOnnx(writeOnnx(model)), { loss: 'mse' }).modelOf(B)
  expect(build).toThrow(
    expect.objectContaining({ code: 'ONNX_UNSUPPORTED', message: expect.stringMatching(reason) }),
  )
  expect(build).toThrow(/node "layer"/)
})
