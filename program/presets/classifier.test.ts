import { expect, test } from 'vitest'
import { drawsAt } from '../../protocol/random.ts'
import { ortCpuEngine } from '../../worker/engine/ort-cpu.ts'
import { initialWeights } from '../initial-weights.ts'
import { buildTrainingProgram } from '../training-program.ts'
import { type ClassifierShape, classifierParameters } from './classifier.ts'

const classes = 4
const image = { channels: 1, height: 9, width: 8 } as const
const features = 72
const shapes: readonly ClassifierShape[] = [
  { preset: 'linear', features, classes },
  { preset: 'mlp', features, classes, hidden: [24, 16] },
  { preset: 'cnn', ...image, classes, filters: [6, 8] },
]
const batch = 24

/** Noise with a bright bar: the label says which way it runs and in which half of the image it lies. */
function labelledImages(seed: number) {
  const draw = drawsAt(seed, 'simulation', [1, 0])
  const labels = Array.from({ length: batch }, () => draw() % classes)
  const rows = Float32Array.from({ length: batch * features }, () => draw() / 2 ** 33)
  labels.forEach((label, row) => {
    const [upright, half] = [label % 2 === 1, label >> 1]
    const at = half * 4 + (draw() % 4)
    for (let along = 0; along < 8; along++) {
      const [y, x] = upright ? [along, at] : [at, along]
      rows[row * features + y * image.width + x]! += 1
    }
  })
  return { inputs: rows, targets: BigInt64Array.from(labels, BigInt) }
}

test.each(shapes)('$preset learns to tell labelled images apart', async (shape) => {
  const { training, evaluation, table } = buildTrainingProgram({ ...shape, batch })
  const engine = ortCpuEngine()
  const session = await engine.loadTraining(training)
  const zeros = () => new Float32Array(table.count)
  await session.writeState({ params: initialWeights(table, 1), optimizer: [zeros(), zeros()], step: 0 })
  const losses: number[] = []
  for (let step = 1; step <= 60; step++) {
    losses.push((await session.step(labelledImages(step), { learningRate: 0.01 })).lossNats)
  }
  expect(losses[0]!).toBeGreaterThan(0.9)
  const { params } = await session.readState()
  await session.close()
  const measure = await engine.loadEvaluation(evaluation)
  const { lossNats, accuracy } = await measure.evaluate(params, labelledImages(99))
  await measure.close()
  expect(lossNats).toBeLessThan(0.35)
  expect(accuracy).toBeGreaterThan(0.9)
  expect(accuracy! * batch).toBeCloseTo(Math.round(accuracy! * batch), 4)
})

test('the parameters of each preset are counted', () => {
  expect(shapes.map((shape) => classifierParameters(shape).count)).toEqual([
    72 * 4 + 4,
    72 * 24 + 24 + 24 * 16 + 16 + 16 * 4 + 4,
    6 * 9 + 6 + 8 * 6 * 9 + 8 + 8 * 2 * 2 * 4 + 4,
  ])
})

test.each<[string, ClassifierShape]>([
  ['no classes', { preset: 'linear', features, classes: 0 }],
  ['a fractional width', { preset: 'mlp', features, classes, hidden: [1.5] }],
  ['too many layers', { preset: 'mlp', features, classes, hidden: Array.from({ length: 99 }, () => 1) }],
  ['no blocks', { preset: 'cnn', ...image, classes, filters: [] }],
  ['more blocks than the image can be halved', { preset: 'cnn', ...image, classes, filters: [2, 2, 2, 2] }],
])('%s is refused', (_, shape) => {
  expect(() => classifierParameters(shape)).toThrow(
    expect.objectContaining({ code: 'MODEL_INVALID', exit: 'usage' }),
  )
})
