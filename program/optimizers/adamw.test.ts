import { InferenceSession, Tensor } from 'onnxruntime-node'
import { expect, test } from 'vitest'
import { drawsAt } from '../../protocol/random.ts'
import { createGraph } from '../graph.ts'
import { encodeModel } from '../onnx/model-proto.ts'
import { layOut } from '../parameter-table.ts'
import { adamW, biasCorrection, defaultAdamW } from './adamw.ts'

test('bias corrections are 1 − βᵗ', () => {
  for (const step of [1, 2, 3, 10, 1000]) expect(biasCorrection(0.95, step)).toBeCloseTo(1 - 0.95 ** step, 12)
  expect(biasCorrection(0.9, 2 ** 40)).toBe(1)
})

test.each([
  ['below the clipping norm', { size: 0.05, matrix: [3, 4], bias: 5 }],
  ['above the clipping norm', { size: 5, matrix: [3, 4], bias: 5 }],
  ['of parameters that decay in whole rows', { size: 0.05, matrix: [64, 3], bias: 128 }],
])('twenty steps with gradients %s match the textbook in doubles', async (_, { size, matrix, bias }) => {
  const table = layOut([
    { name: 'w', shape: matrix, init: { kind: 'zeros' }, decay: true },
    { name: 'b', shape: [bias], init: { kind: 'zeros' }, decay: false },
  ])
  const graph = createGraph()
  const params = graph.input('params', 'float32', [table.count])
  adamW(defaultAdamW).append(graph, params, graph.input('gradient', 'float32', [table.count]), table)
  const session = await InferenceSession.create(encodeModel(graph.model(new Map())), { intraOpNumThreads: 1 })

  const draw = drawsAt(1, 'simulation', [0, 0])
  const random = () => Float32Array.from({ length: table.count }, () => (draw() / 2 ** 31 - 1) * size)
  const vector = (data: Float32Array) => new Tensor('float32', data, [table.count])
  const scalar = (value: number) => new Tensor('float32', Float32Array.of(value), [])
  const { beta1, beta2, epsilon, weightDecay, clipNorm } = defaultAdamW
  const learningRate = 0.01

  let state: Record<'params' | 'adam_m' | 'adam_v', Float32Array> = {
    params: random(),
    adam_m: new Float32Array(table.count),
    adam_v: new Float32Array(table.count),
  }
  const expected = [...state.params].map((theta) => ({ theta, m: 0, v: 0 }))
  for (let step = 1; step <= 20; step++) {
    const gradient = random()
    const norm = Math.sqrt(gradient.reduce((sum, g) => sum + g * g, 0))
    const clip = Math.min(1, clipNorm / norm)
    expected.forEach((own, index) => {
      const g = gradient[index]! * clip
      own.m = beta1 * own.m + (1 - beta1) * g
      own.v = beta2 * own.v + (1 - beta2) * g * g
      if (index < table.decayedCount) own.theta *= 1 - learningRate * weightDecay
      own.theta -=
        (learningRate * (own.m / (1 - beta1 ** step))) / (Math.sqrt(own.v / (1 - beta2 ** step)) + epsilon)
    })
    const out = await session.run({
      params: vector(state.params),
      adam_m: vector(state.adam_m),
      adam_v: vector(state.adam_v),
      gradient: vector(gradient),
      learning_rate: scalar(learningRate),
      bias1: scalar(biasCorrection(beta1, step)),
      bias2: scalar(biasCorrection(beta2, step)),
    })
    const data = (name: string) => out[name]!.data as Float32Array
    expect(data('grad_norm')[0]).toBeCloseTo(norm, 4)
    state = { params: data('next_params'), adam_m: data('next_adam_m'), adam_v: data('next_adam_v') }
  }
  expected.forEach(({ theta, m, v }, index) => {
    expect(state.params[index]).toBeCloseTo(theta, 5)
    expect(state.adam_m[index]).toBeCloseTo(m, 5)
    expect(state.adam_v[index]).toBeCloseTo(v, 5)
  })
  await session.release()
})
