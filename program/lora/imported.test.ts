import { readFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import { ortCpuEngine } from '../../worker/engine/ort-cpu.ts'
import { decodeOnnx } from '../import/decode-onnx.ts'
import { importModel } from '../import/import-model.ts'
import { initialWeights } from '../initial-weights.ts'
import { elements } from '../operators/operator.ts'
import type { TensorSignature } from '../program-info.ts'
import { buildPrograms } from '../training-program.ts'
import { mergedWeights } from './merge.ts'

const lora = { rank: 2, alpha: 6 }
const fixtures = new URL('../import/fixtures/', import.meta.url)
const beside = (location: string, offset: number, length: number) =>
  readFileSync(new URL(location, fixtures)).subarray(offset, offset + length)

const drawn = ({ type, shape }: TensorSignature, below: number) =>
  type === 'int64'
    ? BigInt64Array.from({ length: elements(shape) }, (_, index) => BigInt((index * 7) % below))
    : Float32Array.from({ length: elements(shape) }, (_, index) => ((index * 37) % 19) / 10 - 0.9)

test.each([
  ['transformer-legacy.onnx', 4, 'cross_entropy'],
  ['transformer-dynamo.onnx', 4, 'cross_entropy'],
  ['recurrent-legacy.onnx', 8, 'mse'],
  ['resnet-legacy.onnx', 6, 'cross_entropy'],
] as const)('%s learns by its factors, and merged they say the same', async (file, batch, loss) => {
  const { modelOf, weights } = importModel(decodeOnnx(readFileSync(new URL(file, fixtures)), beside), {
    loss,
  })
  const adapted = buildPrograms(modelOf, batch, { lora })
  const { movingCount, parameters } = adapted.table
  const trained = parameters.filter(({ role }) => role === undefined).map(({ name }) => name)
  // torch.nn.Linear has [outputs, inputs]: PEFT's names.
  expect(trained.some((name) => /\.lora_A\.weight$/.test(name))).toBe(true)
  const theta = weights(adapted.table)
  theta.set(initialWeights(adapted.table, 1).subarray(0, movingCount))

  const engine = ortCpuEngine()
  const session = await engine.loadTraining(adapted.training)
  const { inputs, targets } = session.info
  const data = { inputs: drawn(inputs, 8), targets: drawn(targets, 4) }
  const zeros = () => new Float32Array(movingCount)
  await session.writeState({ params: theta, optimizer: [zeros(), zeros()], step: 0 })
  const losses: number[] = []
  for (let step = 0; step < 8; step++)
    losses.push((await session.step(data, { learningRate: 0.03 })).lossNats)
  const after = (await session.readState()).params
  await session.close()
  expect(losses.at(-1)).toBeLessThan(losses[0]!)
  expect(after.subarray(movingCount)).toEqual(theta.subarray(movingCount))

  const own = buildPrograms(modelOf, batch)
  const merged = mergedWeights(after, parameters, lora)
  const flat = new Float32Array(own.table.count)
  for (const { name, shape, offset } of own.table.parameters) {
    const from = merged.table.find((place) => place.name === name)!.offset
    flat.set(merged.theta.subarray(from, from + elements(shape)), offset)
  }
  const measured: number[] = []
  for (const [program, params] of [
    [adapted.evaluation, after],
    [own.evaluation, flat],
    [own.evaluation, weights(own.table)],
  ] as const) {
    const measuring = await engine.loadEvaluation(program)
    measured.push((await measuring.evaluate(params, data)).lossNats)
    await measuring.close()
  }
  expect(Math.abs(measured[0]! - measured[1]!)).toBeLessThan(1e-5)
  expect(measured[1]).not.toBeCloseTo(measured[2]!, 3)
})
