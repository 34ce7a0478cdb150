import { createHash } from 'node:crypto'
import { expect, test } from 'vitest'
import { initialWeights } from './initial-weights.ts'
import { gptParameterCount } from './memory.ts'
import { defaultModel } from './model-spec.ts'
import { buildTrainingProgram } from './training-program.ts'

const sha256 = (bytes: Uint8Array) => createHash('sha256').update(bytes).digest('hex')
const tiny = { preset: 'gpt', layers: 2, width: 8, heads: 2, context: 4, batch: 2 } as const

test('equal specs give equal bytes, and these are the golden ones', () => {
  const [first, second] = [buildTrainingProgram(defaultModel), buildTrainingProgram({ ...defaultModel })]
  expect(Buffer.compare(first.training, second.training)).toBe(0)
  expect([first.training, first.evaluation, first.sampling].map(sha256)).toMatchInlineSnapshot(`
    [
      "a0f9bae5f32fd800daa2b7ab8ece99507a624ed7e6bfbad46edb26e75a46f8c2",
      "367bcb231387b6f476e64e58c14a6f3c28fb81fbe53ecf0ba5335fdc540e2ae8",
      "7c1cd96e671fa6ea0ce9f6140900e2f1dc50bf9607d9c6d29041afcbdce73131",
    ]
  `)
})

test('the parameters are counted before they are laid out', () => {
  for (const spec of [tiny, defaultModel]) {
    expect(gptParameterCount(spec)).toBe(buildTrainingProgram(spec).table.count)
  }
})

test('initial weights are a pure function of table and seed, to the bit', () => {
  const { table } = buildTrainingProgram(tiny)
  const weights = initialWeights(table, 7)
  expect(initialWeights(table, 7)).toEqual(weights)
  expect(initialWeights(table, 8)).not.toEqual(weights)
  expect(sha256(new Uint8Array(weights.buffer))).toMatchInlineSnapshot(
    `"a9833ea22458761996ccb1d80cc05a01cdc83e46663fb4f0c05b3c0afa46a867"`,
  )
})

test('initial matrices have the deviation that their table names, vectors are zeros or ones', () => {
  const { table } = buildTrainingProgram(defaultModel)
  const weights = initialWeights(table, 1)
  for (const { name, shape, offset, init } of table.parameters) {
    const values = weights.subarray(offset, offset + shape.reduce((a, b) => a * b, 1))
    if (init.kind !== 'normal') {
      expect(values.every((value) => value === (init.kind === 'ones' ? 1 : 0))).toBe(true)
      continue
    }
    const deviation = Math.sqrt(values.reduce((sum, value) => sum + value * value, 0) / values.length)
    expect(Math.abs(deviation / init.std - 1), name).toBeLessThan(0.03)
  }
})

test.each([
  ['no layers', { layers: 0 }],
  ['a width that its heads do not divide', { heads: 3 }],
  ['a fractional context', { context: 4.5 }],
  ['no batch', { batch: Number.NaN }],
])('%s is refused', (_, change) => {
  expect(() => buildTrainingProgram({ ...tiny, ...change })).toThrow(
    expect.objectContaining({ code: 'MODEL_INVALID', exit: 'usage' }),
  )
})

test.each([
  ['a billion layers', { layers: 1e9 }],
  ['an absurd width', { width: 2 ** 50, heads: 1 }],
  ['a batch that does not fit', { batch: 1e9 }],
])('%s is refused before anything is built', (_, change) => {
  expect(() => buildTrainingProgram({ ...tiny, ...change })).toThrow(
    expect.objectContaining({
      code: 'MODEL_TOO_BIG',
      exit: 'infeasible',
      message: expect.stringContaining('GiB'),
    }),
  )
})
