import { readFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import type { Batch } from '../../worker/engine/engine.ts'
import { ortCpuEngine } from '../../worker/engine/ort-cpu.ts'
import { initialWeights } from '../initial-weights.ts'
import { elements } from '../operators/operator.ts'
import type { ParameterTable } from '../parameter-table.ts'
import { buildTrainingProgram } from '../training-program.ts'
import { designOf, type GptShape } from './gpt-shape.ts'

/** Made by ../fixtures/gpt-training.py. */
interface Golden {
  readonly batch: number
  readonly learningRate: number
  readonly cases: readonly {
    readonly name: string
    readonly shape: GptShape
    readonly losses: readonly number[]
    readonly norms: readonly number[]
  }[]
}

const golden: Golden = JSON.parse(
  readFileSync(new URL('../fixtures/gpt-training.json', import.meta.url), 'utf8'),
)

/** The minimal standard generator (Park & Miller 1988), as the fixture's script has it. */
function draws(seed: number): () => number {
  let state = seed
  return () => {
    state = (state * 48271) % 2147483647
    return state
  }
}

function weightsOf({ parameters, count }: ParameterTable, draw: () => number): Float32Array {
  const flat = new Float32Array(count)
  for (const { name, shape, offset } of parameters) {
    const around = /(scale|_norm)$/.test(name) ? 1 : 0
    for (let index = 0; index < elements(shape); index++)
      flat[offset + index] = around + ((draw() % 33) - 16) / 64
  }
  return flat
}

function batchOf(rows: readonly (readonly number[])[]): Batch {
  const flat = (from: number, to: number | undefined) =>
    BigInt64Array.from(rows.flatMap((row) => row.slice(from, to).map(BigInt)))
  return { inputs: flat(0, -1), targets: flat(1, undefined) }
}

test.each(golden.cases)('$name: ten steps give the losses and gradients of PyTorch', async (one) => {
  const { batch, learningRate } = golden
  const { vocabulary, context } = designOf(one.shape)
  const { training, table } = buildTrainingProgram({ preset: 'gpt', ...one.shape, batch })
  const session = await ortCpuEngine().loadTraining(training)
  const draw = draws(7)
  const params = weightsOf(table, draw)
  const optimizer = session.info.optimizerSlots.map(() => new Float32Array(table.count))
  await session.writeState({ params, optimizer, step: 0 })
  for (const [step, loss] of one.losses.entries()) {
    const rows = Array.from({ length: batch }, () =>
      Array.from({ length: context + 1 }, () => draw() % vocabulary),
    )
    const result = await session.step(batchOf(rows), { learningRate })
    expect(Math.abs(result.lossNats - loss), `loss of step ${step}`).toBeLessThan(2e-5 * loss)
    const norm = one.norms[step]!
    expect(Math.abs(result.gradNorm - norm), `norm of step ${step}`).toBeLessThan(2e-4 * norm)
  }
  await session.close()
})

test.each(['gpt2', 'modern'] as const)('a GPT of style %s learns a text by heart', async (style) => {
  const shape = { preset: 'gpt', style, layers: 1, width: 32, heads: 4, context: 32, batch: 4 } as const
  const { training, table } = buildTrainingProgram(shape)
  const session = await ortCpuEngine().loadTraining(training)
  const optimizer = session.info.optimizerSlots.map(() => new Float32Array(table.count))
  await session.writeState({ params: initialWeights(table, 1), optimizer, step: 0 })
  const text = [
    ...Buffer.from('It was the best of times, it was the worst of times, it was the age of wisdom.'),
  ]
  const losses: number[] = []
  for (let step = 0; step < 100; step++) {
    const rows = [0, 1, 2, 3].map((row) => {
      const start = (step * 7 + row * 13) % (text.length - shape.context - 1)
      return text.slice(start, start + shape.context + 1)
    })
    losses.push((await session.step(batchOf(rows), { learningRate: 5e-3 })).lossNats)
  }
  expect(losses[0]).toBeGreaterThan(5)
  expect(losses.at(-1)).toBeLessThan(1)
  await session.close()
})

test('a style is a shorthand: single keys override it, null and absent are the same', () => {
  const sizes = { layers: 2, width: 48, heads: 4, context: 8 }
  expect(designOf({ ...sizes, style: null, norm: null, vocabulary: null })).toEqual(designOf(sizes))
  expect(designOf({ ...sizes, style: 'modern' })).toMatchObject({
    ...{ norm: 'rms', positions: 'rotary', activation: 'swiglu', keyValueHeads: 2, mlpWidth: 128 },
    ...{ tied: true, qkNorm: true, biases: 'none', vocabulary: 256 },
  })
  expect(designOf({ ...sizes, style: 'modern', keyValueHeads: 4, tied: false })).toMatchObject({
    ...{ keyValueHeads: 4, tied: false, norm: 'rms' },
  })
  expect(designOf({ ...sizes, style: 'gpt2' })).toMatchObject({
    activation: 'gelu',
    biases: 'all',
    mlpWidth: 192,
  })
})

test.each([
  ['keys that the heads do not share evenly', { keyValueHeads: 3 }],
  ['no keys', { keyValueHeads: 0 }],
  ['pairs of an odd head', { width: 12, positions: 'rotary' as const }],
  ['no vocabulary', { vocabulary: 0 }],
  ['a fractional MLP', { mlpWidth: 1.5 }],
])('%s is refused', (_, change) => {
  expect(() => designOf({ layers: 1, width: 16, heads: 4, context: 4, ...change })).toThrow(
    expect.objectContaining({ code: 'MODEL_INVALID', exit: 'usage' }),
  )
})
