import { expect, test } from 'vitest'
import { ortCpuEngine } from '../worker/engine/ort-cpu.ts'
import { checkProgram } from './check-program.ts'
import { crossEntropy } from './losses.ts'
import type { Model } from './model.ts'
import { encodeTable, layOut, parseTable } from './parameter-table.ts'
import { buildPrograms } from './training-program.ts'

const vector = (name: string, role?: 'statistic') => ({
  ...({ name, shape: [2], init: { kind: 'ones' }, decay: false } as const),
  ...(role === undefined ? {} : { role }),
})
const matrix = { name: 'w', shape: [3, 2], init: { kind: 'normal', std: 1 }, decay: true } as const
const table = layOut([vector('mean', 'statistic'), vector('kept', 'statistic'), vector('bias'), matrix])

/** logits = x·w + bias + kept; the statistic `mean` becomes half of itself plus one. */
const model: Model = {
  ...{ task: 'classification', tokensPerStep: 4, table, memory: null },
  inputs: { type: 'float32', shape: [4, 3] },
  targets: { type: 'int64', shape: [4] },
  logits(graph, x, parameter) {
    const shifted = graph.node('Add', [parameter('bias'), parameter('kept')])
    return graph.node('Gemm', [x, parameter('w'), shifted])
  },
  trainingLogits(graph, x, parameter) {
    const half = graph.node('Mul', [parameter('mean'), graph.scalar(0.5)])
    const mean = graph.node('Add', [half, graph.scalar(1)])
    return { logits: model.logits(graph, x, parameter), statistics: new Map([['mean', mean]]) }
  },
  loss: crossEntropy,
}

test('a table lays statistics behind what is trained, and keeps their role', () => {
  expect(table.parameters.map(({ name }) => name)).toEqual(['w', 'bias', 'mean', 'kept'])
  expect([table.decayedCount, table.trainedCount, table.count]).toEqual([6, 8, 12])
  expect(parseTable(encodeTable(table))).toEqual(table)
  const [first, second, ...others] = JSON.parse(encodeTable(table))
  expect(() => parseTable(JSON.stringify([{ ...first, role: 'statistic' }, second, ...others]))).toThrow(
    /parameter table/,
  )
  expect(() => parseTable(JSON.stringify([first, { ...second, role: 'weight' }, ...others]))).toThrow(
    /parameter table/,
  )
})

test.each(['adamw', 'muon', 'normuon'] as const)(
  '%s leaves statistics to the program',
  async (innerOptimizer) => {
    const { training } = buildPrograms(() => model, 4, { innerOptimizer })
    expect(checkProgram(training).table.trainedCount).toBe(8)
    const session = await ortCpuEngine().loadTraining(training)
    const zeros = () => new Float32Array(12)
    const params = Float32Array.of(1, -1, 2, 0, 0.5, 1, 0, 0, 4, 8, 3, 5)
    await session.writeState({ params, optimizer: [zeros(), zeros()], step: 0 })
    const batch = {
      inputs: Float32Array.from({ length: 12 }, (_, index) => (index % 5) - 2),
      targets: BigInt64Array.of(0n, 1n, 1n, 0n),
    }
    await session.step(batch, { learningRate: 0.1 })
    await session.step(batch, { learningRate: 0.1 })
    const after = await session.readState()
    await session.close()
    expect([...after.params.subarray(8)]).toEqual([2.5, 3.5, 3, 5])
    expect(after.params.subarray(0, 8).every((value, index) => value !== params[index])).toBe(true)
    for (const slot of after.optimizer) expect([...slot.subarray(8)]).toEqual([0, 0, 0, 0])
  },
)

test('a statistic that is frozen stays as it is', async () => {
  const { training, table: own } = buildPrograms(() => model, 4, { freeze: ['mean'] })
  expect(own.parameters.find(({ name }) => name === 'mean')?.role).toBe('frozen')
  const session = await ortCpuEngine().loadTraining(training)
  const params = Float32Array.from({ length: 12 }, (_, index) => index)
  const optimizer = [new Float32Array(10), new Float32Array(10)]
  await session.writeState({ params, optimizer, step: 0 })
  const inputs = Float32Array.from({ length: 12 }, (_, index) => index / 12)
  await session.step({ inputs, targets: BigInt64Array.of(0n, 1n, 0n, 1n) }, { learningRate: 0.1 })
  const after = (await session.readState()).params
  await session.close()
  const { offset } = own.parameters.find(({ name }) => name === 'mean')!
  expect(after.subarray(offset, offset + 2)).toEqual(params.subarray(offset, offset + 2))
  expect(after.subarray(0, 6)).not.toEqual(params.subarray(0, 6))
})
