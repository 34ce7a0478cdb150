import { readFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import { ortCpuEngine } from '../../worker/engine/ort-cpu.ts'
import { checkProgram } from '../check-program.ts'
import { createGraph } from '../graph.ts'
import { decodeOnnx } from '../import/decode-onnx.ts'
import { importModel } from '../import/import-model.ts'
import { initialWeights } from '../initial-weights.ts'
import { type ModelSpec, modelOf } from '../model-spec.ts'
import { decodeModel } from '../onnx/decode-model.ts'
import { elements } from '../operators/operator.ts'
import type { TensorSignature } from '../program-info.ts'
import { buildPrograms, type ProgramOptions, type TrainingProgram } from '../training-program.ts'
import { activationsOf, segmentsOf } from './segments.ts'

const gpt = { preset: 'gpt', layers: 2, width: 16, heads: 2, context: 16, batch: 4 } as const

const drawn = ({ type, shape }: TensorSignature, below: number) =>
  type === 'int64'
    ? BigInt64Array.from({ length: elements(shape) }, (_, index) => BigInt((index * 7) % below))
    : Float32Array.from({ length: elements(shape) }, (_, index) => ((index * 37) % 19) / 10 - 0.9)

/** What three steps make of the parameters, and the losses on the way. */
async function trained({ training, table }: TrainingProgram) {
  const session = await ortCpuEngine().loadTraining(training)
  const { inputs, targets, optimizerSlots } = session.info
  const optimizer = optimizerSlots.map(() => new Float32Array(table.movingCount))
  await session.writeState({ params: initialWeights(table, 1), optimizer, step: 0 })
  const losses: number[] = []
  for (let step = 0; step < 3; step++) {
    const batch = { inputs: drawn(inputs, 50), targets: drawn(targets, 4) }
    losses.push((await session.step(batch, { learningRate: 0.01 })).lossNats)
  }
  const { params } = await session.readState()
  await session.close()
  return { params, losses }
}

const presets: readonly (readonly [string, ModelSpec, ProgramOptions])[] = [
  ['a GPT', gpt, {}],
  ['a GPT-2 in two parts', { ...gpt, style: 'gpt2' }, { accumulate: 2 }],
  ['a modern GPT with low-rank factors', { ...gpt, style: 'modern' }, { lora: { rank: 2, alpha: 4 } }],
  ['a deep MLP', { preset: 'mlp', features: 6, hidden: [32, 32, 32, 32, 32], classes: 4, batch: 64 }, {}],
  [
    'a CNN',
    { preset: 'cnn', channels: 1, height: 16, width: 16, filters: [4, 6, 8], classes: 4, batch: 4 },
    {},
  ],
]

test.each(presets)('%s makes the same steps to the bit, and holds less at once', async (_, spec, options) => {
  const build = (recompute: boolean) =>
    buildPrograms((batch) => modelOf({ ...spec, batch }), spec.batch, { ...options, recompute })
  const [kept, again] = [build(false), build(true)]
  expect(checkProgram(again.training).peakBytes).toBeLessThan(checkProgram(kept.training).peakBytes)
  expect(checkProgram(again.training).nodes).toBeGreaterThan(checkProgram(kept.training).nodes)
  expect(await trained(again)).toEqual(await trained(kept))
  expect(again.evaluation).toEqual(kept.evaluation)
})

test('so does an imported transformer, but for what an engine fuses where nothing else reads it', async () => {
  const bytes = readFileSync(new URL('../import/fixtures/transformer-legacy.onnx', import.meta.url))
  const { modelOf } = importModel(decodeOnnx(bytes), { loss: 'cross_entropy' })
  const build = (recompute: boolean) => buildPrograms(modelOf, 4, { recompute })
  const [kept, again] = [build(false), build(true)]
  expect(checkProgram(again.training).peakBytes).toBeLessThan(checkProgram(kept.training).peakBytes)
  const [wanted, made] = [await trained(kept), await trained(again)]
  for (const [step, loss] of wanted.losses.entries())
    expect(Math.abs(made.losses[step]! / loss - 1), `step ${step}`).toBeLessThan(1e-6)
})

test('nothing in a copy can be taken for the original: each waits for a gradient', () => {
  const { training } = buildPrograms((batch) => modelOf({ ...gpt, batch }), gpt.batch, { recompute: true })
  const { nodes } = decodeModel(training, 2 ** 24)
  // As an engine finds common subexpressions: by operator, attributes and what its inputs are, not what they are called.
  const values = new Map<string, string>()
  const known = new Map<string, number>()
  let products = 0
  for (const { opType, inputs, outputs, attributes } of nodes) {
    const key = JSON.stringify([opType, inputs.map((name) => values.get(name) ?? name), [...attributes]])
    const again = known.get(key)
    if (again === undefined) known.set(key, known.size)
    outputs.forEach((name, index) => {
      values.set(name, `${known.get(key)}.${index}`)
    })
    if (opType !== 'MatMul' && opType !== 'Softmax') continue
    products++
    expect(again, key).toBeUndefined()
  }
  expect(products).toBeGreaterThan(10)
})

test('a GPT is run again block by block', () => {
  const graph = createGraph()
  const model = modelOf(gpt)
  const parameters = new Map(
    model.table.parameters.map(({ name, shape }) => [name, graph.input(`p ${name}`, 'float32', shape)]),
  )
  const given = graph.input('inputs', 'int64', model.inputs.shape)
  const logits = model.logits(graph, given, (name) => parameters.get(name)!)
  const loss = model.loss(graph, logits, graph.input('targets', 'int64', model.targets.shape))
  const segments = segmentsOf(graph, { given, logits }, activationsOf(graph, { given, logits }, loss))
  expect(segments.length).toBe(gpt.layers)
  for (const [index, { first, last }] of segments.entries()) {
    expect(last).toBeGreaterThan(first)
    if (index > 0) expect(first).toBe(segments[index - 1]!.last + 1)
  }
})

test('a model without parts is refused', () => {
  const linear = { preset: 'linear', features: 6, classes: 4, batch: 2 } as const
  expect(() => buildPrograms((batch) => modelOf({ ...linear, batch }), 2, { recompute: true })).toThrow(
    expect.objectContaining({ code: 'MODEL_INVALID', exit: 'usage' }),
  )
})
