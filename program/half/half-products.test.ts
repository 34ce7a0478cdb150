import fc from 'fast-check'
import { expect, test } from 'vitest'
import { checkProgram } from '../check-program.ts'
import { createGraph, type Graph } from '../graph.ts'
import type { ModelSpec } from '../model-spec.ts'
import { decodeModel } from '../onnx/decode-model.ts'
import type { OnnxModel, OnnxNode } from '../onnx/model-proto.ts'
import { float, int, type Value } from '../operators/operator.ts'
import { buildTrainingProgram, type ProgramOptions } from '../training-program.ts'
import { halfProducts, longestSum } from './half-products.ts'
import { lossScale } from './loss-scale.ts'

const gpt = { preset: 'gpt', layers: 2, width: 16, heads: 2, context: 8, batch: 4 } as const
const mlp = { preset: 'mlp', features: 12, hidden: [8], classes: 5, batch: 8 } as const
const image = { channels: 1, height: 8, width: 8 } as const
const cnn = { preset: 'cnn', ...image, filters: [4, 6], classes: 5, batch: 8 } as const

const products = new Set(['MatMul', 'Gemm', 'Conv', 'ConvTranspose'])
const casts = ({ nodes }: OnnxModel, code: number): readonly OnnxNode[] =>
  nodes.filter(({ opType, attributes }) => {
    const to = attributes.get('to')
    return opType === 'Cast' && to?.kind === 'int' && to.value === code
  })

/** A program's nodes by what they have to do with float16. */
function sorted(model: OnnxModel) {
  const halves = new Set(casts(model, 10).flatMap(({ outputs }) => outputs))
  const all = model.nodes.filter(({ opType }) => products.has(opType))
  const half = all.filter(({ inputs }) => inputs.some((name) => halves.has(name)))
  return { halves, half, single: all.filter((node) => !half.includes(node)) }
}

const halfBytes = (spec: ModelSpec, options: ProgramOptions = {}) =>
  buildTrainingProgram(spec, { ...options, compute: 'f16' }).training
const half = (spec: ModelSpec, options?: ProgramOptions) => decodeModel(halfBytes(spec, options))

// Of two layers: 6 products forward, 8 backward each; and the logits' two.
test.each([
  ['gpt', gpt, {}, 30],
  ['gpt, its blocks computed twice', gpt, { recompute: true }, 40],
  ['gpt, in parts', gpt, { accumulate: 2 }, 60],
  ['gpt, with low-rank factors', gpt, { lora: { rank: 2, alpha: 4, targets: null } }, 60],
  ['mlp', mlp, {}, 3],
  ['cnn', cnn, {}, 5],
] as const)('products of %s take float16', (_, spec, options, count) => {
  const bytes = halfBytes(spec, options)
  expect(checkProgram(bytes).compute).toBe('f16')
  const model = decodeModel(bytes)
  const { halves, half: inHalf } = sorted(model)
  expect(inHalf.length).toBe(count)
  for (const { inputs } of inHalf) for (const name of inputs) expect(name).toMatch(/_half$/)
  const sources = casts(model, 10).map(({ inputs }) => inputs[0])
  expect(new Set(sources).size).toBe(sources.length)
  expect(halves.size).toBe(sources.length)
})

test('equal specs give equal bytes; evaluation and sampling stay as they are', () => {
  const [first, second] = [gpt, gpt].map((spec) => buildTrainingProgram(spec, { compute: 'f16' }))
  expect(Buffer.compare(first!.training, second!.training)).toBe(0)
  const plain = buildTrainingProgram(gpt)
  expect(checkProgram(plain.training).compute).toBe('f32')
  expect(Buffer.compare(first!.evaluation, plain.evaluation)).toBe(0)
  expect(Buffer.compare(first!.sampling, plain.sampling)).toBe(0)
})

test('gradients of matrices, and means of norms, stay in float32', () => {
  const { single } = sorted(half(gpt))
  const kinds = single.map(({ opType, attributes }) => `${opType} ${attributes.has('transA')}`)
  const count = (kind: string) => kinds.filter((other) => other === kind).length
  // Four matrices a layer, and the embedding, looked up in and as the head; five norms, each of 2 + 2 sums.
  expect(count('Gemm true')).toBe(4 * 2 + 2)
  expect(count('MatMul false')).toBe(5 * 4)
})

test('Muon’s own products stay in float32', () => {
  const singles = (innerOptimizer: 'adamw' | 'muon') => sorted(half(gpt, { innerOptimizer })).single.length
  expect(singles('muon')).toBeGreaterThan(singles('adamw') + 5)
})

test('sums that are too long stay in float32', () => {
  const wide = (features: number) => sorted(half({ ...mlp, features })).half.length
  expect(wide(longestSum)).toBe(wide(12))
  expect(wide(longestSum + 1)).toBe(wide(12) - 1)
})

/** A program of two matrices: what `build` makes of them, and a last product, which stays as it is. */
function passed(build: (graph: Graph, a: Value, b: Value) => Value): OnnxModel {
  const graph = createGraph()
  const [a, b] = ['a', 'b'].map((name) => graph.input(name, 'float32', [4, 4]))
  const last = graph.node('MatMul', [graph.node('Relu', [build(graph, a!, b!)]), b!])
  graph.output('loss', graph.node('ReduceSum', [last], { keepdims: int(0) }))
  return halfProducts(graph.model(new Map()))
}

const operatorsOf = ({ nodes }: OnnxModel): readonly string[] => nodes.map(({ opType }) => opType)
const rest = ['Relu', 'MatMul', 'ReduceSum']

test('what a Gemm adds to its product is added in float32; one that scales it is left alone', () => {
  const added = passed((graph, a, b) => graph.node('Gemm', [a, b, b], { alpha: float(0.5) }))
  expect(operatorsOf(added)).toEqual(['Cast', 'Cast', 'Gemm', 'Cast', 'Add', ...rest])
  expect(added.nodes[2]!.attributes).toEqual(new Map([['alpha', float(0.5)]]))
  expect(added.nodes[4]!.inputs[1]).toBe('b')
  const scaled = passed((graph, a, b) => graph.node('Gemm', [a, b, b], { beta: float(2) }))
  expect(operatorsOf(scaled)).toEqual(['Gemm', ...rest])
})

test('a product of a product goes on in float16', () => {
  const chained = passed((graph, a, b) => graph.node('MatMul', [graph.node('MatMul', [a, b]), b]))
  expect(operatorsOf(chained)).toEqual(['Cast', 'Cast', 'MatMul', 'MatMul', 'Cast', ...rest])
})

test('the scale of a loss is the largest power of two up to its rows', () => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 2 ** 40 }), (count) => {
      const scale = lossScale(count)
      expect(scale.toString(2)).toMatch(/^10*$/)
      expect(scale <= count && count < 2 * scale).toBe(true)
    }),
  )
})

test.each<[string, (graph: Graph, half: Value, single: Value) => Value, RegExp]>([
  ['a sum', (graph, half) => graph.node('Add', [half, half]), /float16 is for casts and products/],
  ['a shape', (graph, half) => graph.node('Reshape', [half, graph.ints([4])]), /float16 is for casts/],
  ['a comparison', (graph, half) => graph.node('Greater', [half, half]), /float16 is for casts/],
  ['a mixed product', (graph, half, single) => graph.node('MatMul', [half, single]), /both float16/],
  ['a mixed Gemm', (graph, half, single) => graph.node('Gemm', [half, half, single]), /C does not fit/],
  ['a cast to integers', (graph, half) => graph.node('Cast', [half], { to: int(7) }), /to float32 only/],
  ['a cast of it', (graph, half) => graph.node('Cast', [half], { to: int(10) }), /only float32 is cast/],
  [
    'a mixed convolution',
    (graph, half, single) => graph.node('Conv', [half, half, single]),
    /a bias is not of float16/,
  ],
])('float16 is refused in %s', (_, build, reason) => {
  const graph = createGraph()
  const single = graph.input('x', 'float32', [2, 2])
  const half = graph.node('Cast', [single], { to: int(10) })
  expect(() => build(graph, half, single)).toThrow(reason)
})

test('float16 is not given out', () => {
  const graph = createGraph()
  const cast = graph.node('Cast', [graph.input('x', 'float32', [2])], { to: int(10) })
  expect(() => graph.output('y', cast)).toThrow(/float16 is not given out/)
})
