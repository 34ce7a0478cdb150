import { expect, test } from 'vitest'
import { initialWeights } from '../../program/initial-weights.ts'
import { buildTrainingProgram } from '../../program/training-program.ts'
import { below, drawsAt } from '../../protocol/random.ts'
import { complies, fingerprint } from './compliance.ts'
import type { Batch, TrainState } from './engine.ts'
import { instructionSet } from './engine-class.ts'
import { compliesInHalf, compliesRounded } from './half-compliance.ts'
import { ortCpuEngine } from './ort-cpu.ts'

const spec = { preset: 'gpt', layers: 2, width: 32, heads: 4, context: 16, batch: 4 } as const
const programs = buildTrainingProgram(spec)
const { table } = programs
const engine = ortCpuEngine()
const learningRate = 3e-3

complies(engine, { tolerance: 3e-5 })
compliesInHalf(engine)
compliesRounded(engine)

const text = new TextEncoder().encode(
  'Call me Ishmael. Some years ago, never mind how long precisely, having little or no money in my purse, and ' +
    'nothing particular to interest me on shore, I thought I would sail about a little and see the watery part of the world.',
)

function batchOf(step: number, { batch, context }: { batch: number; context: number } = spec): Batch {
  const draw = drawsAt(1, 'batch', [0, step])
  const starts = Array.from({ length: batch }, () => below(text.length - context - 1, draw()))
  const window = (shift: number) =>
    BigInt64Array.from({ length: batch * context }, (_, index) =>
      BigInt(text[starts[Math.floor(index / context)]! + (index % context) + shift]!),
    )
  return { inputs: window(0), targets: window(1) }
}

const freshState = (seed = 1): TrainState => ({
  params: initialWeights(table, seed),
  optimizer: [new Float32Array(table.count), new Float32Array(table.count)],
  step: 0,
})

async function trained(steps: number, from: TrainState = freshState(), firstBatch = 0) {
  await using session = await loaded(programs.training)
  await session.writeState(from)
  const losses: number[] = []
  for (let step = 0; step < steps; step++) {
    losses.push((await session.step(batchOf(firstBatch + step), { learningRate })).lossNats)
  }
  return { losses, state: await session.readState() }
}

async function loaded(program: Uint8Array) {
  const session = await engine.loadTraining(program)
  return { ...session, [Symbol.asyncDispose]: () => session.close() }
}

test('the loss falls over thirty steps on text', async () => {
  const { losses } = await trained(30)
  expect(losses[0]).toBeGreaterThan(4.5)
  expect(losses.at(-1)).toBeLessThan(3.3)
})

test('the step count of the state drives the bias corrections', async () => {
  const moved = async (step: number) => {
    const { state } = await trained(1, { ...freshState(), step })
    const at = table.parameters.find(({ name }) => name === 'final_norm.bias')!.offset
    return Math.abs(state.params[at]!)
  }
  // From m = v = 0, the first step moves by η; a late one by η (1 − β₁) / √(1 − β₂).
  expect((await moved(0)) / learningRate).toBeCloseTo(1, 3)
  expect((await moved(1_000_000)) / learningRate).toBeCloseTo(0.1 / Math.sqrt(0.05), 3)
})

test('the whole gradient agrees with central differences of the loss', async () => {
  // Plain AdamW hides its gradient in m: with m = 0, no decay and no clipping, m' = (1 − β₁) g.
  const small = { preset: 'gpt', layers: 1, width: 8, heads: 2, context: 4, batch: 2 } as const
  const built = buildTrainingProgram(small, { optimizer: { clipNorm: 1e9 } })
  const training = await engine.loadTraining(built.training)
  const evaluation = await engine.loadEvaluation(built.evaluation)
  // Embeddings start so small that the first normalization bends within any step wide enough for float32.
  const embeddings = (256 + small.context) * small.width
  const params = initialWeights(built.table, 3).map((x, index) => (index < embeddings ? 25 * x : x))
  const zeros = () => new Float32Array(params.length)
  await training.writeState({ params, optimizer: [zeros(), zeros()], step: 0 })
  const batch = batchOf(0, small)
  await training.step(batch, { learningRate })
  const gradient = (await training.readState()).optimizer[0]!.map((m) => m / (1 - 0.9))
  const draw = drawsAt(2, 'simulation', [0, 0])
  const step = 2 ** -6
  for (const { name, shape, offset } of built.table.parameters) {
    const end = offset + shape.reduce((a, b) => a * b, 1)
    // Along the gradient's own signs, a direction in which its values cannot cancel out; half of them left out at random.
    const direction = gradient.map((g, i) => (i >= offset && i < end && draw() % 2 ? Math.sign(g) : 0))
    const scale = step / Math.max(1, Math.sqrt(direction.reduce((sum, d) => sum + Math.abs(d), 0)))
    const lossAt = async (sign: number) => {
      const moved = params.map((x, i) => x + sign * scale * direction[i]!)
      return (await evaluation.evaluate(moved, batch)).lossNats
    }
    const numeric = ((await lossAt(1)) - (await lossAt(-1))) / (2 * scale)
    const expected = gradient.reduce((sum, g, i) => sum + g * direction[i]!, 0)
    expect(Math.abs(numeric - expected), name).toBeLessThan(1e-3 + 0.02 * Math.abs(expected))
  }
  await Promise.all([training.close(), evaluation.close()])
})

test('tokens beyond the vocabulary and bytes that are no program are refused', async () => {
  await using session = await loaded(programs.training)
  const beyond = new BigInt64Array(spec.batch * spec.context).fill(256n)
  await expect(session.step({ inputs: beyond, targets: beyond }, { learningRate })).rejects.toMatchObject({
    code: 'ENGINE_FAILED',
  })
  await expect(engine.loadTraining(programs.training.subarray(1))).rejects.toMatchObject({
    code: 'PROGRAM_MALFORMED',
  })
  await expect(engine.loadTraining(programs.training, AbortSignal.abort())).rejects.toThrow()
})

test('what is asked for at once is done in that order, as one by one', async () => {
  const { losses, state } = await trained(2)
  await using session = await loaded(programs.training)
  const asked = [
    session.writeState(freshState()),
    session.step(batchOf(0), { learningRate }),
    session.step(batchOf(1), { learningRate }),
    session.readState(),
    session.step(batchOf(2), { learningRate }),
  ] as const
  const [, first, second, read] = await Promise.all(asked)
  expect([first.lossNats, second.lossNats]).toEqual(losses)
  expect(fingerprint(read)).toBe(fingerprint(state))
  const late = session.step(batchOf(3), { learningRate })
  await session.close()
  expect((await late).tookMs).toBeGreaterThan(0)
})

test('the engine class names what decides its bits', () => {
  expect(engine.engineClass).toMatch(/^ort-cpu\/1\.30\.0\/extended\/[a-z0-9]+\/[a-z0-9-]+\/threads=1$/)
  expect(ortCpuEngine({ threads: 2 }).engineClass).not.toBe(engine.engineClass)
  expect(instructionSet('flags\t\t: fpu avx avx2 avx512f\n')).toBe('avx512')
  expect(instructionSet('Features\t: fp asimd\n')).toBe('neon')
  // As of a Neoverse N1, whose float16 kernels give other bits than a Cortex-A72 without.
  expect(instructionSet('Features\t: fp asimd fphp asimdhp asimddp\n')).toBe('neon-fp16')
  expect(instructionSet('Features\t: fp asimd fphp asimdhp sve\n')).toBe('sve')
  expect(instructionSet('nothing')).toBeUndefined()
})
