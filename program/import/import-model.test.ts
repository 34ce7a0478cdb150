import { readFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import type { Batch } from '../../worker/engine/engine.ts'
import { ortCpuEngine } from '../../worker/engine/ort-cpu.ts'
import type { TensorSignature } from '../program-info.ts'
import { buildPrograms } from '../training-program.ts'
import { decodeOnnx } from './decode-onnx.ts'
import { importModel } from './import-model.ts'

/** Made by fixtures/export.py: how PyTorch trains each module on four batches in turn. */
interface Recorded {
  readonly state: Readonly<Record<string, readonly number[]>>
  readonly batches: readonly { readonly inputs: readonly number[]; readonly targets: readonly number[] }[]
  readonly losses: readonly number[]
  /** Of the first batch after training, with dropout off and by the running statistics. */
  readonly evaluation: number
}

const fixture = (name: string) => readFileSync(new URL(`fixtures/${name}`, import.meta.url))
const recorded = JSON.parse(fixture('training.json').toString()) as Readonly<Record<string, Recorded>>

const beside = (location: string, offset: number, length: number) =>
  fixture(location).subarray(offset, offset + length)

function imported(file: string) {
  const loss = /^(recurrent|lstm|gru)/.test(file) ? 'mse' : /^resnet/.test(file) ? 'cross_entropy' : undefined
  return importModel(decodeOnnx(fixture(file), beside), { loss })
}

const tensor = ({ type }: TensorSignature, values: readonly number[]) =>
  type === 'int64' ? BigInt64Array.from(values, BigInt) : Float32Array.from(values)

/** Recurrent layers unrolled add up in PyTorch's own order. */
const tolerance = (file: string) => (/^(lstm|gru)/.test(file) ? 1e-5 : 1e-4)

test.each([
  ['lstm-legacy.onnx', 'regression', 8],
  ['lstm-dynamo.onnx', 'regression', 8],
  ['gru-legacy.onnx', 'regression', 8],
  ['gru-dynamo.onnx', 'regression', 8],
  ['transformer-legacy.onnx', 'language', 4],
  ['transformer-dynamo.onnx', 'language', 4],
  ['transformer-loss.onnx', 'language', 4],
  ['masked-legacy.onnx', 'language', 4],
  ['masked-dynamo.onnx', 'language', 4],
  ['resnet-legacy.onnx', 'classification', 6],
  ['resnet-dynamo.onnx', 'classification', 6],
  ['recurrent-legacy.onnx', 'regression', 8],
  ['recurrent-dynamo.onnx', 'regression', 8],
  ['recurrent-loss.onnx', 'regression', 8],
])('%s trains as it does in PyTorch', async (file, task, batch) => {
  const { batches, losses, evaluation } = recorded[file.split('-')[0]!]!
  const { modelOf, weights } = imported(file)
  const programs = buildPrograms(modelOf, batch)
  const engine = ortCpuEngine()
  const session = await engine.loadTraining(programs.training)
  const { info } = session
  expect(info.task).toBe(task)
  const zeros = () => new Float32Array(info.table.movingCount)
  await session.writeState({ params: weights(), optimizer: [zeros(), zeros()], step: 0 })
  const given: readonly Batch[] = batches.map(({ inputs, targets }) => ({
    inputs: tensor(info.inputs, inputs),
    targets: tensor(info.targets, targets),
  }))
  for (const [index, wanted] of losses.entries()) {
    const { lossNats } = await session.step(given[(index + 1) % 4]!, { learningRate: 0.01 })
    expect(Math.abs(lossNats / wanted - 1), `step ${index + 1}`).toBeLessThan(tolerance(file))
  }
  const { params } = await session.readState()
  await session.close()
  const measure = await engine.loadEvaluation(programs.evaluation)
  const { lossNats } = await measure.evaluate(params, given[0]!)
  await measure.close()
  expect(Math.abs(lossNats / evaluation - 1)).toBeLessThan(tolerance(file))
  const sampling = await engine.loadSampling(programs.sampling)
  const row = tensor(sampling.info.inputs, batches[0]!.inputs.slice(0, batches[0]!.inputs.length / batch))
  expect((await sampling.logits(params, row)).every(Number.isFinite)).toBe(true)
  await sampling.close()
})

test.each(['lstm-legacy.onnx', 'lstm-dynamo.onnx', 'gru-legacy.onnx', 'gru-dynamo.onnx'])(
  "%s has the module's own parameters, in their own shapes",
  (file) => {
    const { parameters } = imported(file).table
    const named = Object.fromEntries(parameters.map(({ name, shape }) => [name, shape]))
    expect(named).toEqual(recorded[file.split('-')[0]!]!.state)
  },
)
