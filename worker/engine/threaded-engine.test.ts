import { Worker } from 'node:worker_threads'
import { expect, test, vi } from 'vitest'
import { initialWeights } from '../../program/initial-weights.ts'
import { buildTrainingProgram } from '../../program/training-program.ts'
import { boundaryHash } from '../../verification/trace.ts'
import { ortCpuEngine } from './ort-cpu.ts'
import { threadedEngine } from './threaded-engine.ts'

const spec = { preset: 'gpt', layers: 1, width: 16, heads: 2, context: 8, batch: 2 } as const
const programs = buildTrainingProgram(spec)
const zeros = () => new Float32Array(programs.table.count)
const start = () => ({ params: initialWeights(programs.table, 1), optimizer: [zeros(), zeros()], step: 0 })
const tokens = BigInt64Array.from({ length: spec.batch * spec.context }, (_, index) => BigInt(index % 7))
const batch = { inputs: tokens, targets: tokens }

test('a thread gives the same class and the same bits as the engine itself', async () => {
  const [here, there] = [ortCpuEngine(), threadedEngine('ort-cpu')]
  expect(there.engineClass).toBe(here.engineClass)
  const states = []
  for (const engine of [here, there]) {
    const session = await engine.loadTraining(programs.training)
    await session.writeState(start())
    const { lossNats } = await session.step(batch, { learningRate: 1e-3 })
    states.push({ lossNats, state: await session.readState(), info: session.info.parameterCount })
    await session.close()
  }
  expect(states[1]).toEqual(states[0])
})

test('threads end by themselves once their session is closed, that of the digests too', async () => {
  const ended = -1
  const terminated: number[] = []
  const terminate = vi.spyOn(Worker.prototype, 'terminate').mockImplementation(async function (this: Worker) {
    terminated.push(this.threadId)
    return 0
  })
  try {
    const session = await threadedEngine('ort-cpu').loadTraining(programs.training)
    await session.writeState(start())
    await session.digest()
    await session.close()
  } finally {
    terminate.mockRestore()
  }
  expect(terminated).toEqual([ended])
})

test('errors keep their code across the thread, and a closed session refuses', async () => {
  const engine = threadedEngine('ort-cpu')
  await expect(engine.loadTraining(programs.evaluation)).rejects.toMatchObject({ code: 'PROGRAM_KIND' })
  const session = await engine.loadTraining(programs.training)
  await expect(session.writeState({ ...start(), params: new Float32Array(1) })).rejects.toMatchObject({
    code: 'STATE_SHAPE_INVALID',
  })
  await session.close()
  await session.close()
  await expect(session.readState()).rejects.toMatchObject({ code: 'ENGINE_CLOSED' })
})

test('a step is aborted on a thread too: not taken, and the session goes on', async () => {
  const session = await threadedEngine('ort-wasm').loadTraining(programs.training)
  await session.writeState(start())
  const controller = new AbortController()
  const stepping = session.step(batch, { learningRate: 1e-3, signal: controller.signal })
  controller.abort(new Error('enough'))
  await expect(stepping).rejects.toThrow('enough')
  expect(await session.readState()).toEqual(start())
  await session.step(batch, { learningRate: 1e-3 })
  expect((await session.readState()).step).toBe(1)
  await session.close()
})

test('a state that is written stays the caller’s, wherever it lies, and one that is read is a thing of its own', async () => {
  const session = await threadedEngine('ort-cpu').loadTraining(programs.training)
  const large = new WebAssembly.Memory({ initial: 4, maximum: 4 })
  const { params, optimizer, step } = start()
  const inMemory = new Float32Array(large.buffer, 64, params.length)
  inMemory.set(params)
  await session.writeState({ params: inMemory, optimizer, step })
  expect([inMemory, ...optimizer].map(({ length }) => length)).toEqual(Array(3).fill(params.length))
  const read = await session.readState()
  expect(read).toEqual(start())
  expect(read.params.buffer.byteLength).toBe(4 * params.length)
  expect(await session.digest()).toBe(boundaryHash(0, [params, ...optimizer]))
  await session.close()
})
