import { createHash } from 'node:crypto'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { describe, expect, test } from 'vitest'
import { buildDecodingPrograms } from '../../program/decoding-programs.ts'
import { initialWeights } from '../../program/initial-weights.ts'
import type { ModelSpec } from '../../program/model-spec.ts'
import { buildTrainingProgram, type TrainingProgram } from '../../program/training-program.ts'
import { drawsAt } from '../../protocol/random.ts'
import { boundaryHash } from '../../verification/trace.ts'
import type { Batch, Engine, TrainingSession, TrainState } from './engine.ts'
import { ortWasmEngine } from './ort-wasm.ts'

/** What every engine is held to, beside the reference. */
export interface Promises {
  /** Largest ‖Δ − Δ_reference‖ / ‖Δ_reference‖ of the parameters' way over 20 steps, and relative difference of a loss. */
  readonly tolerance: number
}

export const presets = {
  gpt: { preset: 'gpt', layers: 1, width: 16, heads: 2, context: 8, batch: 4 },
  mlp: { preset: 'mlp', features: 16, hidden: [24], classes: 5, batch: 8 },
  cnn: { preset: 'cnn', channels: 1, height: 8, width: 8, filters: [4, 6], classes: 5, batch: 8 },
} as const satisfies Record<string, ModelSpec>

const programs = new Map<ModelSpec, TrainingProgram>()
const programOf = (spec: ModelSpec): TrainingProgram => {
  const built = programs.get(spec) ?? buildTrainingProgram(spec)
  programs.set(spec, built)
  return built
}

export const learningRate = 3e-3

/** Rows that repeat after four steps, so that there is something to learn. */
export function batchOf({ info }: Pick<TrainingSession, 'info'>, step: number): Batch {
  const draw = drawsAt(1, 'batch', [0, step % 4])
  const { inputs, targets, logits } = info
  const count = (shape: readonly number[]) => shape.reduce((product, size) => product * size, 1)
  const labels = (length: number) => BigInt64Array.from({ length }, () => BigInt(draw() % logits.at(-1)!))
  return {
    inputs:
      inputs.type === 'int64'
        ? labels(count(inputs.shape))
        : Float32Array.from({ length: count(inputs.shape) }, () => draw() / 2 ** 31 - 1),
    targets: labels(count(targets.shape)),
  }
}

export function freshState({ table }: Pick<TrainingProgram, 'table'>): TrainState {
  const zeros = () => new Float32Array(table.count)
  return { params: initialWeights(table, 1), optimizer: [zeros(), zeros()], step: 0 }
}

/** States are compared by hash: a difference of two vectors in full is no help to anyone. */
export const fingerprint = ({ params, optimizer, step }: TrainState): string =>
  [step, ...[params, ...optimizer].map((vector) => createHash('sha256').update(vector).digest('hex'))].join(
    ' ',
  )

async function opened(engine: Engine, spec: ModelSpec, program = programOf(spec).training) {
  const session = await engine.loadTraining(program)
  return { ...session, [Symbol.asyncDispose]: () => session.close() }
}

/** @param program in place of the model's own, over the same table */
export async function trained(
  engine: Engine,
  spec: ModelSpec,
  steps: number,
  from?: TrainState,
  program?: Uint8Array,
) {
  await using session = await opened(engine, spec, program)
  const start = from ?? freshState(programOf(spec))
  await session.writeState(start)
  const losses: number[] = []
  for (let step = start.step; step < start.step + steps; step++)
    losses.push((await session.step(batchOf(session, step), { learningRate })).lossNats)
  return { losses, state: await session.readState() }
}

/** Distance of two ways from the same start, as a share of the second. */
export function distance(spec: ModelSpec, { params }: TrainState, reference: TrainState): number {
  const start = freshState(programOf(spec)).params
  let [apart, way] = [0, 0]
  reference.params.forEach((wanted, index) => {
    apart += (params[index]! - wanted) ** 2
    way += (wanted - start[index]!) ** 2
  })
  return Math.sqrt(apart / way)
}

/** Registers the suite for an engine that is available here. */
export function complies(engine: Engine, { tolerance }: Promises): void {
  const { gpt, mlp } = presets
  describe(engine.name, () => {
    test.each(Object.entries(presets))('20 steps of %s agree with the reference', async (_, spec) => {
      const reference = await trained(ortWasmEngine(), spec, 20)
      const { losses, state } = await trained(engine, spec, 20)
      expect(state.step).toBe(20)
      losses.forEach((loss, step) => {
        expect(Math.abs(loss / reference.losses[step]! - 1), `step ${step}`).toBeLessThanOrEqual(tolerance)
      })
      expect(losses.at(-1)).toBeLessThan(losses[0]!)
      expect(distance(spec, state, reference.state)).toBeLessThanOrEqual(tolerance)
    })

    test('a state read mid-run and written elsewhere goes on as if nothing had happened', async () => {
      const whole = await trained(engine, gpt, 6)
      const half = await trained(engine, gpt, 3)
      expect(half.state.step).toBe(3)
      const resumed = await trained(engine, gpt, 3, half.state)
      if (engine.exact) expect(fingerprint(resumed.state)).toBe(fingerprint(whole.state))
      expect(distance(gpt, resumed.state, whole.state)).toBeLessThanOrEqual(tolerance)
    })

    test.runIf(engine.exact)('the same seed twice gives identical bytes', async () => {
      for (const spec of Object.values(presets)) {
        const [first, second] = [await trained(engine, spec, 5), await trained(engine, spec, 5)]
        expect(second.losses).toEqual(first.losses)
        expect(fingerprint(second.state)).toBe(fingerprint(first.state))
      }
    })

    test('the digest of a state is the boundary hash of what is read', async () => {
      await using session = await opened(engine, mlp)
      await session.writeState(freshState(programOf(mlp)))
      const digests = [await session.digest()]
      await session.step(batchOf(session, 0), { learningRate })
      digests.push(await session.digest())
      const { params, optimizer, step } = await session.readState()
      expect(digests[1]).toBe(boundaryHash(step, [params, ...optimizer]))
      expect(digests[0]).not.toBe(digests[1])
    })

    test('a state that was read does not change under later steps', async () => {
      await using session = await opened(engine, mlp)
      await session.writeState(freshState(programOf(mlp)))
      await session.step(batchOf(session, 0), { learningRate })
      const read = await session.readState()
      const before = fingerprint(read)
      for (let step = 1; step < 4; step++) await session.step(batchOf(session, step), { learningRate })
      expect(fingerprint(read)).toBe(before)
    })

    test('an aborted step has not been taken', async () => {
      await using session = await opened(engine, gpt)
      const state = freshState(programOf(gpt))
      await session.writeState(state)
      const batch = batchOf(session, 0)
      const early = AbortSignal.abort(new Error('early'))
      await expect(session.step(batch, { learningRate, signal: early })).rejects.toThrow('early')
      const controller = new AbortController()
      const stepping = session.step(batch, { learningRate, signal: controller.signal })
      setImmediate(() => controller.abort(new Error('midway')))
      await expect(stepping).rejects.toThrow('midway')
      expect(fingerprint(await session.readState())).toBe(fingerprint(state))
      const patient = new AbortController().signal
      const { lossNats } = await session.step(batch, { learningRate, signal: patient })
      expect(lossNats).toBeGreaterThan(0)
      expect((await session.readState()).step).toBe(1)
    })

    test('a step that diverges says so and leaves the state as it was', async () => {
      await using session = await opened(engine, mlp)
      const state = freshState(programOf(mlp))
      // A bias of the head: shaders may take a Relu of what is not a number to be zero.
      state.params[state.params.length - 1] = Number.NaN
      await session.writeState(state)
      await expect(session.step(batchOf(session, 0), { learningRate })).rejects.toMatchObject({
        code: 'TRAINING_DIVERGED',
      })
      expect(fingerprint(await session.readState())).toBe(fingerprint(state))
    })

    test('evaluation and training agree on the loss, and sampling gives logits', async () => {
      const { evaluation, sampling, ...built } = programOf(mlp)
      const { params } = freshState(built)
      const { losses } = await trained(engine, mlp, 1)
      const evaluating = await engine.loadEvaluation(evaluation)
      const told = await evaluating.evaluate(params, batchOf(evaluating, 0))
      expect(Math.abs(told.lossNats / losses[0]! - 1)).toBeLessThanOrEqual(tolerance)
      expect((told.accuracy! * mlp.batch) % 1).toBeCloseTo(0, 5)
      const sampler = await engine.loadSampling(sampling)
      const logits = await sampler.logits(params, new Float32Array(mlp.features).fill(1))
      expect(logits).toHaveLength(mlp.classes)
      expect(logits.every((logit) => Number.isFinite(logit) && logit !== 0)).toBe(true)
      await Promise.all([evaluating.close(), sampler.close()])
    })

    test('tokens decoded one by one have the logits of a whole pass', async () => {
      const { sampling, table, ...built } = programOf(gpt)
      const { params } = freshState({ table, ...built })
      const tokens = [3, 141, 59, 26, 53, 58, 97, 93]
      const sampler = await engine.loadSampling(sampling)
      const whole = await sampler.logits(params, BigInt64Array.from(tokens, BigInt))
      const decoding = await engine.loadDecoding(buildDecodingPrograms(gpt, table))
      await decoding.writeParameters(params)
      for (const [position, token] of tokens.entries()) {
        const logits =
          position < 3 ? await decoding.prefill(tokens.slice(0, position + 1)) : await decoding.next(token)
        const wanted = whole.subarray(position * 256, (position + 1) * 256)
        const apart = logits.map((logit, index) => Math.abs(logit - wanted[index]!))
        expect(Math.max(...apart), `position ${position}`).toBeLessThan(1e-4)
      }
      await Promise.all([sampler.close(), decoding.close()])
    })

    test('what does not fit is refused with a code, and a closed session refuses', async () => {
      const { training, evaluation } = programOf(mlp)
      await expect(engine.loadTraining(evaluation)).rejects.toMatchObject({ code: 'PROGRAM_KIND' })
      const session = await engine.loadTraining(training)
      const short = { inputs: new Float32Array(3), targets: new BigInt64Array(3) }
      await expect(session.step(short, { learningRate })).rejects.toMatchObject({
        code: 'BATCH_SHAPE_INVALID',
      })
      const state = { ...freshState(programOf(mlp)), params: new Float32Array(2) }
      await expect(session.writeState(state)).rejects.toMatchObject({ code: 'STATE_SHAPE_INVALID' })
      await session.close()
      await session.close()
      await expect(session.readState()).rejects.toMatchObject({ code: 'ENGINE_CLOSED' })
    })

    test('300 steps leak nothing', async () => {
      setFlagsFromString('--expose-gc')
      const collect: () => void = runInNewContext('gc')
      await using session = await opened(engine, mlp)
      await session.writeState(freshState(programOf(mlp)))
      const run = async (steps: number) => {
        for (let step = 0; step < steps; step++) await session.step(batchOf(session, step), { learningRate })
        // Native buffers are freed by finalizers that run some turns of the event loop after the collection.
        let least = Number.POSITIVE_INFINITY
        for (let turn = 0; turn < 5; turn++) {
          collect()
          await new Promise(setImmediate)
          least = Math.min(least, process.memoryUsage().arrayBuffers)
        }
        return least
      }
      const before = await run(20)
      // Keeping the parameters alone of each step would take 640 kB.
      expect((await run(300)) - before).toBeLessThan(200_000)
    })
  })
}
