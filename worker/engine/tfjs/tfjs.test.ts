import { expect, test } from 'vitest'
import { operators } from '../../../program/operators/table.ts'
import { buildTrainingProgram } from '../../../program/training-program.ts'
import { complies } from '../compliance.ts'
import { openBackend, restoreUtil } from './backend.ts'
import { rules } from './interpret.ts'
import { tfjsEngine } from './tfjs.ts'

complies(await tfjsEngine(), { tolerance: 1e-4 })

test('it reads every operator that programs may use', () => {
  expect([...rules.keys()].sort()).toEqual([...operators.keys()].sort())
})

test('products in float16 are refused when the program is loaded', async () => {
  const mlp = { preset: 'mlp', features: 4, hidden: [3], classes: 2, batch: 2 } as const
  const { training } = buildTrainingProgram(mlp, { compute: 'f16' })
  await expect((await tfjsEngine()).loadTraining(training)).rejects.toMatchObject({
    code: 'ENGINE_LACKS_F16',
    next: expect.stringContaining('train.compute f32'),
  })
})

test('steps leave no tensor behind', async () => {
  const tf = await openBackend()
  expect(tf.getBackend()).toBe('wasm')
  expect(tf.memory().numTensors).toBe(0)
})

test('native kernels come first, those for cards before the others, and what Node took from util is put back', async () => {
  const native = { ready: async () => {} }
  const asked: string[] = []
  const found = await openBackend((name) => {
    asked.push(name)
    if (name === '@tensorflow/tfjs-node') return native
    throw new Error('not installed')
  })
  expect(found).toBe(native)
  expect(asked).toEqual(['@tensorflow/tfjs-node-gpu', '@tensorflow/tfjs-node'])
  const util: Parameters<typeof restoreUtil>[0] = {}
  restoreUtil(util)
  expect(util.isNullOrUndefined!(null)).toBe(true)
  expect(util.isArray!([])).toBe(true)
})
