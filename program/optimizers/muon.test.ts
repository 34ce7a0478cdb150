import { InferenceSession, Tensor } from 'onnxruntime-node'
import { expect, test } from 'vitest'
import { drawsAt } from '../../protocol/random.ts'
import { createGraph } from '../graph.ts'
import { encodeModel } from '../onnx/model-proto.ts'
import { elements } from '../operators/operator.ts'
import { layOut, type Parameter, type ParameterTable } from '../parameter-table.ts'
import { gptParameters } from '../presets/gpt-parameters.ts'
import { designOf } from '../presets/gpt-shape.ts'
import { adamW, biasCorrection } from './adamw.ts'
import { defaultMuon, defaultNorMuon, lengthFloor, muon, newtonSchulz, normFloor, takesMuon } from './muon.ts'
import type { Optimizer } from './optimizer.ts'

const parameter = (name: string, shape: number[], decay = true) => ({
  ...{ name, shape, decay },
  init: { kind: 'zeros' } as const,
})

/** A tall, a wide and a square matrix, and two side by side, with parameters of AdamW before, between and behind them. */
const table = layOut([
  parameter('token_embedding', [6, 3]),
  parameter('wide', [3, 8]),
  parameter('tall', [8, 3]),
  parameter('head', [3, 6]),
  parameter('square', [4, 4]),
  { ...parameter('joined', [3, 6]), joined: [4, 2] },
  parameter('bias', [5], false),
])

type State = Record<'params' | 'adam_m' | 'adam_v', Float32Array>
type Step = (state: State, gradient: Float32Array, step: number) => Promise<State & { norm: number }>
const learningRate = 0.02

async function optimizer(table: ParameterTable, { append }: Optimizer) {
  const graph = createGraph()
  const params = graph.input('params', 'float32', [table.count])
  append(graph, params, graph.input('gradient', 'float32', [table.count]), table)
  const session = await InferenceSession.create(encodeModel(graph.model(new Map())), { intraOpNumThreads: 1 })
  const vector = (data: Float32Array) => new Tensor('float32', data, [table.count])
  const scalar = (value: number) => new Tensor('float32', Float32Array.of(value), [])
  const step: Step = async (state, gradient, at) => {
    const out = await session.run({
      params: vector(state.params),
      adam_m: vector(state.adam_m),
      adam_v: vector(state.adam_v),
      gradient: vector(gradient),
      learning_rate: scalar(learningRate),
      bias1: scalar(biasCorrection(defaultMuon.beta1, at)),
      bias2: scalar(biasCorrection(defaultMuon.beta2, at)),
    })
    const data = (name: string) => out[name]!.data as Float32Array
    return {
      ...{ params: data('next_params'), adam_m: data('next_adam_m'), adam_v: data('next_adam_v') },
      norm: data('grad_norm')[0]!,
    }
  }
  return { step, release: () => session.release() }
}

const draw = drawsAt(1, 'simulation', [0, 0])
const random = (size: number) =>
  Float32Array.from({ length: table.count }, () => (draw() / 2 ** 31 - 1) * size)
const fresh = (count: number, params = new Float32Array(count)): State => ({
  ...{ params, adam_m: new Float32Array(count), adam_v: new Float32Array(count) },
})

/** Row-major product of an n × k and a k × m matrix. */
function product(a: readonly number[], b: readonly number[], [n, k, m]: readonly [number, number, number]) {
  return Array.from({ length: n * m }, (_, index) => {
    const [row, column] = [Math.floor(index / m), index % m]
    let sum = 0
    for (let inner = 0; inner < k; inner++) sum += a[row * k + inner]! * b[inner * m + column]!
    return sum
  })
}

/** The iteration as it is printed, X ← aX + (bA + cA²)X with A = XXᵀ, on a matrix that is turned to be wide. */
function orthogonalized(matrix: readonly number[], rows: number, columns: number): number[] {
  const turned = (of: readonly number[], n: number, m: number) =>
    Array.from({ length: n * m }, (_, index) => of[(index % n) * m + Math.floor(index / n)]!)
  if (rows > columns)
    return turned(orthogonalized(turned(matrix, rows, columns), columns, rows), columns, rows)
  const [a, b, c] = newtonSchulz
  const norm = Math.sqrt(matrix.reduce((sum, x) => sum + x * x, 0)) + normFloor
  let x = matrix.map((value) => value / norm)
  for (let iteration = 0; iteration < defaultMuon.iterations; iteration++) {
    const square = product(x, turned(x, rows, columns), [rows, columns, rows])
    const fourth = product(square, square, [rows, rows, rows])
    const polynomial = square.map((value, index) => b * value + c * fourth[index]!)
    const moved = product(polynomial, x, [rows, rows, columns])
    x = x.map((value, index) => a * value + moved[index]!)
  }
  return x
}

/** What a matrix moves by, row-major, at rate 1 and step size 1. */
function direction(
  matrix: readonly number[],
  [rows, columns]: readonly [number, number],
  normalized: boolean,
) {
  const plain = orthogonalized(matrix, rows, columns)
  if (!normalized) return plain.map((value) => value * Math.sqrt(Math.max(rows, columns)))
  const lineOf = (index: number) => (rows > columns ? Math.floor(index / columns) : index % columns)
  const lengths = Array.from({ length: Math.max(rows, columns) }, () => 0)
  for (const [index, value] of plain.entries()) lengths[lineOf(index)]! += value * value
  return plain.map(
    (value, index) =>
      (value * Math.sqrt(Math.min(rows, columns))) / (Math.sqrt(lengths[lineOf(index)]!) + lengthFloor),
  )
}

/** The same for matrices that lie side by side. */
function directions(matrix: readonly number[], rows: number, widths: readonly number[], normalized: boolean) {
  const width = widths.reduce((sum, each) => sum + each, 0)
  const out = [...matrix]
  let from = 0
  for (const columns of widths) {
    const places = Array.from(
      { length: rows * columns },
      (_, index) => Math.floor(index / columns) * width + from + (index % columns),
    )
    const piece = direction(
      places.map((at) => matrix[at]!),
      [rows, columns],
      normalized,
    )
    for (const [index, at] of places.entries()) out[at] = piece[index]!
    from += columns
  }
  return out
}

test.each([
  ['Muon', 'below the clipping norm', 0.05, defaultMuon],
  ['Muon', 'above the clipping norm', 5, defaultMuon],
  ['NorMuon', 'below the clipping norm', 0.05, defaultNorMuon],
  ['NorMuon', 'above the clipping norm', 5, defaultNorMuon],
] as const)(
  'ten steps of %s with gradients %s match a plain twin in doubles',
  async (_, __, size, options) => {
    const { momentum, beta1, beta2, epsilon, weightDecay, clipNorm, stepSize, normalized } = options
    const ours = await optimizer(table, muon(options))
    let state = fresh(table.count, random(size))
    const [theta, m, v] = [[...state.params], [...state.adam_m], [...state.adam_v]]
    for (let step = 1; step <= 10; step++) {
      const gradient = random(size)
      const norm = Math.sqrt(gradient.reduce((sum, g) => sum + g * g, 0))
      const clipped = [...gradient].map((g) => g * Math.min(1, clipNorm / norm))
      for (const one of table.parameters) {
        const { offset, shape, decay, joined } = one
        const places = Array.from({ length: elements(shape) }, (_, index) => offset + index)
        const kept = decay ? 1 - learningRate * weightDecay : 1
        if (takesMuon(one)) {
          for (const at of places) m[at] = momentum * m[at]! + clipped[at]!
          const ahead = places.map((at) => clipped[at]! + momentum * m[at]!)
          const widths = (normalized ? joined : undefined) ?? [shape[1]!]
          const by = directions(ahead, shape[0]!, widths, normalized)
          for (const [index, at] of places.entries())
            theta[at] = theta[at]! * kept - learningRate * stepSize * by[index]!
        } else {
          for (const at of places) {
            const g = clipped[at]!
            m[at] = beta1 * m[at]! + (1 - beta1) * g
            v[at] = beta2 * v[at]! + (1 - beta2) * g * g
            const [mean, square] = [m[at]! / (1 - beta1 ** step), v[at]! / (1 - beta2 ** step)]
            theta[at] = theta[at]! * kept - (learningRate * mean) / (Math.sqrt(square) + epsilon)
          }
        }
      }
      const out = await ours.step(state, gradient, step)
      expect(out.norm).toBeCloseTo(norm, 4)
      state = out
    }
    for (let index = 0; index < table.count; index++) {
      expect(state.params[index]).toBeCloseTo(theta[index]!, 4)
      expect(state.adam_m[index]).toBeCloseTo(m[index]!, 4)
      expect(state.adam_v[index]).toBeCloseTo(v[index]!, 5)
    }
    await ours.release()
  },
)

test('a step uses all directions of a matrix alike: its singular values lie near each other', async () => {
  const one = layOut([parameter('w', [2, 2])])
  const ours = await optimizer(one, muon(defaultMuon))
  // Singular values 1 and 0.1; a gradient step would keep that ratio.
  const { params } = await ours.step(fresh(4), Float32Array.of(1, 0, 0, 0.1), 1)
  const [first, second] = [params[0]!, params[3]!].map((value) => -value / (learningRate * 0.2 * Math.SQRT2))
  for (const value of [first!, second!]) expect(Math.abs(value - 0.95)).toBeLessThan(0.3)
  await ours.release()
})

test.each([
  ['rows of a tall', [6, 2]],
  ['columns of a wide', [2, 6]],
] as const)(
  'NorMuon moves all %s matrix as far, however small their gradient',
  async (_, [rows, columns]) => {
    const one = layOut([parameter('w', [rows, columns])])
    const ours = await optimizer(one, muon(defaultNorMuon))
    const gradient = Float32Array.from({ length: 12 }, () => draw() / 2 ** 31 - 1)
    const { params } = await ours.step(fresh(12), gradient, 1)
    const lineOf = (index: number) => (rows > columns ? Math.floor(index / columns) : index % columns)
    const squares = Array.from({ length: 6 }, () => 0)
    for (const [index, value] of params.entries()) squares[lineOf(index)]! += value * value
    for (const square of squares) {
      const far = Math.sqrt(square / 2) / (learningRate * defaultNorMuon.stepSize)
      expect(far).toBeGreaterThan(0.97)
      expect(far).toBeLessThan(1.0001)
    }
    await ours.release()
  },
)

test.each([defaultMuon, defaultNorMuon])(
  'a matrix without a gradient stays as it is, but for its decay (normalized: $normalized)',
  async (options) => {
    const ours = await optimizer(table, muon(options))
    const start = random(1)
    const out = await ours.step(fresh(table.count, start), new Float32Array(table.count), 1)
    const kept = 1 - learningRate * defaultMuon.weightDecay
    for (let index = 0; index < table.decayedCount; index++)
      expect(out.params[index]).toBeCloseTo(start[index]! * kept, 6)
    await ours.release()
  },
)

test('without hidden matrices it is AdamW', async () => {
  const plain = layOut([parameter('token_embedding', [6, 3]), parameter('bias', [5], false)])
  const [ours, theirs] = [
    await optimizer(plain, muon(defaultMuon)),
    await optimizer(plain, adamW(defaultMuon)),
  ]
  const [state, gradient] = [
    fresh(plain.count, random(1).slice(0, plain.count)),
    random(1).slice(0, plain.count),
  ]
  expect(await ours.step(state, gradient, 1)).toEqual(await theirs.step(state, gradient, 1))
  await Promise.all([ours.release(), theirs.release()])
})

test("a GPT's hidden matrices are Muon's, embeddings, head, norms and biases are not", () => {
  const { parameters } = gptParameters(designOf({ layers: 1, width: 8, heads: 2, context: 4 }))
  const names = (of: readonly Parameter[]) => of.map(({ name }) => name)
  expect(names(parameters.filter(takesMuon))).toEqual([
    'layer0.attention.qkv',
    'layer0.attention.out',
    'layer0.mlp.up',
    'layer0.mlp.down',
  ])
  expect(parameters.some((parameter) => takesMuon({ ...parameter, role: 'frozen' }))).toBe(false)
  const named = (name: string) => takesMuon({ ...parameters[0]!, role: undefined, name, shape: [4, 4] })
  const ends = [
    'head',
    'head.weight',
    'lm_head.weight',
    'wte.weight',
    'transformer.wpe.weight',
    'token_embedding',
  ]
  expect([...ends, 'embed_tokens.weight', 'embeddings.weight'].filter(named)).toEqual([])
  expect(['layer0.weight', 'attention.head_mix', 'forehead.weight', 'embedder'].filter(named)).toHaveLength(4)
})
