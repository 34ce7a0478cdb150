import { readFileSync } from 'node:fs'
import { InferenceSession, Tensor } from 'onnxruntime-node'
import { expect, test } from 'vitest'
import { ortCpuEngine } from '../../worker/engine/ort-cpu.ts'
import { createGraph } from '../graph.ts'
import { initialWeights } from '../initial-weights.ts'
import { encodeModel } from '../onnx/model-proto.ts'
import { layOut } from '../parameter-table.ts'
import { readRunModel } from '../run-model.ts'
import { buildTrainingProgram } from '../training-program.ts'
import { biasCorrection } from './adamw.ts'
import { type InnerOptimizer, innerOptimizer, type OptimizerConstants } from './inner-optimizer.ts'
import type { Optimizer } from './optimizer.ts'

/** Made by ../fixtures/optimizers.py. */
interface Golden {
  readonly decayed: number
  readonly start: readonly number[]
  readonly gradients: readonly (readonly number[])[]
  readonly cases: readonly {
    readonly optimizer: InnerOptimizer
    readonly constants: OptimizerConstants
    readonly learningRate: number
    readonly end: readonly number[]
  }[]
}

const golden: Golden = JSON.parse(
  readFileSync(new URL('../fixtures/optimizers.json', import.meta.url), 'utf8'),
)
const { start, gradients, decayed, cases } = golden
const zeros = { kind: 'zeros' } as const
const table = layOut([
  { name: 'w', shape: [decayed / 2, 2], init: zeros, decay: true },
  { name: 'b', shape: [start.length - decayed], init: zeros, decay: false },
])

/** Where the gradients lead. */
async function trained(optimizer: Optimizer, learningRate: number): Promise<Float32Array> {
  const graph = createGraph()
  const params = graph.input('params', 'float32', [table.count])
  optimizer.append(graph, params, graph.input('gradient', 'float32', [table.count]), table)
  const session = await InferenceSession.create(encodeModel(graph.model(new Map())), { intraOpNumThreads: 1 })
  const vector = (data: ArrayLike<number>) => new Tensor('float32', Float32Array.from(data), [table.count])
  const scalar = (value: number) => new Tensor('float32', Float32Array.of(value), [])
  let state = new Map<string, Tensor>([['params', vector(start)]])
  for (const slot of optimizer.slots) state.set(slot, vector(new Float32Array(table.count)))
  for (const [index, gradient] of gradients.entries()) {
    const out = await session.run({
      ...Object.fromEntries(state),
      gradient: vector(gradient),
      learning_rate: scalar(learningRate),
      ...Object.fromEntries(
        optimizer.betas.map((beta, at) => [`bias${at + 1}`, scalar(biasCorrection(beta, index + 1))]),
      ),
    })
    const norm = Math.sqrt(gradient.reduce((sum, g) => sum + g * g, 0))
    expect((out.grad_norm!.data as Float32Array)[0]).toBeCloseTo(norm, 4)
    state = new Map([...state.keys()].map((name) => [name, out[`next_${name}`] as Tensor]))
  }
  await session.release()
  return state.get('params')!.data as Float32Array
}

test.each(cases)('$optimizer with $constants leads where PyTorch does', async (one) => {
  const end = await trained(innerOptimizer(one.optimizer, one.constants), one.learningRate)
  for (const [index, value] of one.end.entries()) expect(end[index]).toBeCloseTo(value, 5)
})

test('a constant that is null or absent is the default, one that an optimizer lacks is not read', () => {
  const said = (name: InnerOptimizer, constants?: OptimizerConstants) => {
    const { slots, betas } = innerOptimizer(name, constants)
    return [slots, betas]
  }
  expect(said('adamw', { beta1: 0.8, beta2: null, momentum: 0 })).toEqual([
    ['adam_m', 'adam_v'],
    [0.8, 0.95],
  ])
  expect(said('sgd', { momentum: null })).toEqual([['momentum'], []])
  expect(said('sgd', { momentum: 0 })).toEqual([[], []])
  expect(said('lion')).toEqual([['momentum'], []])
  expect(() => said('sgd', { momentum: 0, nesterov: true })).toThrow(
    expect.objectContaining({ code: 'MODEL_INVALID' }),
  )
})

test.each([
  ['sgd', 0, { momentum: 0 }, 0.5],
  ['sgd', 1, { nesterov: true }, 0.1],
  ['lion', 1, {}, 0.01],
  ['muon', 2, { weightDecay: 0 }, 0.02],
  ['normuon', 2, { weightDecay: 0 }, 0.02],
] as const)('%s with %i vectors trains a program', async (name, moments, constants, learningRate) => {
  const spec = { preset: 'mlp', features: 2, hidden: [8], classes: 2, batch: 4 } as const
  const { training, table } = buildTrainingProgram(spec, { innerOptimizer: name, optimizer: constants })
  expect(readRunModel(training).moments).toBe(moments)
  const session = await ortCpuEngine().loadTraining(training)
  const optimizer = session.info.optimizerSlots.map(() => new Float32Array(table.count))
  await session.writeState({ params: initialWeights(table, 1), optimizer, step: 0 })
  const batch = {
    inputs: Float32Array.of(0, 0, 0, 1, 1, 0, 1, 1),
    targets: BigInt64Array.of(0n, 1n, 1n, 0n),
  }
  let loss = Number.POSITIVE_INFINITY
  for (let step = 0; step < 400; step++) loss = (await session.step(batch, { learningRate })).lossNats
  expect(loss).toBeLessThan(0.1)
  expect((await session.readState()).optimizer).toHaveLength(moments)
  await session.close()
})
