import fc from 'fast-check'
import { expect, test } from 'vitest'
import { ortCpuEngine } from '../worker/engine/ort-cpu.ts'
import { checkProgram } from './check-program.ts'
import { frozen } from './frozen.ts'
import { initialWeights } from './initial-weights.ts'
import { decodeModel } from './onnx/decode-model.ts'
import { elements } from './operators/operator.ts'
import type { InnerOptimizer } from './optimizers/inner-optimizer.ts'
import { layOut, type ParameterTable } from './parameter-table.ts'
import { buildTrainingProgram } from './training-program.ts'

const spec = { preset: 'gpt', layers: 2, width: 8, heads: 2, context: 4, batch: 2 } as const
const freeze = ['token_embedding', 'layer0.*', '*norm.scale']

const batch = {
  inputs: BigInt64Array.of(1n, 2n, 3n, 4n, 5n, 6n, 7n, 8n),
  targets: BigInt64Array.of(2n, 3n, 4n, 5n, 6n, 7n, 8n, 9n),
}

const namesOf = (table: ParameterTable, role?: 'frozen') =>
  table.parameters.filter((parameter) => parameter.role === role).map(({ name }) => name)

test.each<InnerOptimizer>(['adamw', 'muon', 'normuon', 'sgd', 'lion'])(
  'under %s, what is frozen stays as it is to the bit, all else moves',
  async (innerOptimizer) => {
    const { training, evaluation, table } = buildTrainingProgram(spec, { innerOptimizer, freeze })
    expect(checkProgram(training).table).toEqual(table)
    expect(checkProgram(evaluation).table).toEqual(table)
    const session = await ortCpuEngine().loadTraining(training)
    const params = initialWeights(table, 1)
    const optimizer = session.info.optimizerSlots.map(() => new Float32Array(table.movingCount))
    await session.writeState({ params, optimizer, step: 0 })
    for (let step = 0; step < 3; step++) await session.step(batch, { learningRate: 0.01 })
    const after = (await session.readState()).params
    await session.close()
    for (const { name, shape, offset, role } of table.parameters) {
      const [was, is] = [params, after].map((flat) => flat.subarray(offset, offset + elements(shape)))
      if (role === 'frozen') expect(is, name).toEqual(was)
      else expect(is, name).not.toEqual(was)
    }
  },
)

test('the frozen ones are named in the table, behind the trained ones, and do not decay', () => {
  const { table } = buildTrainingProgram(spec, { freeze })
  const names = namesOf(table, 'frozen')
  expect(names).toContain('token_embedding')
  expect(names).toContain('layer0.mlp.up')
  expect(names).toContain('layer1.mlp_norm.scale')
  expect(names).not.toContain('layer1.mlp_norm.bias')
  expect(names.length + namesOf(table).length).toBe(table.parameters.length)
  const tail = table.parameters.slice(-names.length)
  expect(tail.every(({ role, decay }) => role === 'frozen' && !decay)).toBe(true)
  expect(tail[0]!.offset).toBe(table.trainedCount)
})

test('what is frozen lies behind statistics too, and optimizers keep nothing of it', () => {
  const one = (name: string, role?: 'frozen' | 'statistic') => ({
    ...{ name, shape: [2], init: { kind: 'zeros' } as const, decay: false, ...(role && { role }) },
  })
  const parted = layOut([one('a', 'frozen'), one('b', 'statistic'), one('c', 'frozen'), one('d')])
  expect(parted.parameters.map(({ name }) => name)).toEqual(['d', 'b', 'a', 'c'])
  expect(parted).toMatchObject({ trainedCount: 2, movingCount: 4, count: 8 })
  const { training, table } = buildTrainingProgram(spec, { freeze })
  const slots = decodeModel(training, 2 ** 24).inputs.filter(({ name }) => name.startsWith('adam_'))
  expect(slots.map(({ shape }) => shape)).toEqual([[table.movingCount], [table.movingCount]])
})

test('without a pattern the program is the same as ever', () => {
  expect(buildTrainingProgram(spec, { freeze: [] })).toEqual(buildTrainingProgram(spec))
})

test('a pattern matches as the regular expression does that it stands for', () => {
  const text = fc.string({ unit: fc.constantFrom('a', 'b', '.', '*'), maxLength: 8 })
  fc.assert(
    fc.property(text, text, (pattern, given) => {
      const name = given.replaceAll('*', '') || 'a'
      const init = { kind: 'zeros' } as const
      const table = layOut([
        { name, shape: [1], init, decay: true },
        { name: 'other', shape: [1], init, decay: true },
      ])
      const source = pattern.replaceAll('.', '\\.').replaceAll('*', '.*')
      const expected = ['other', name].filter((one) => new RegExp(`^${source}$`).test(one))
      const result = () => namesOf(frozen(table, [pattern]), 'frozen').sort()
      if (expected.length === 1) expect(result()).toEqual(expected)
      else expect(result).toThrow(expect.objectContaining({ code: 'MODEL_INVALID', exit: 'usage' }))
    }),
  )
})
