import { describe, expect, test } from 'vitest'
import { rounded } from '../../program/half/fixtures/rounded.ts'
import type { ModelSpec } from '../../program/model-spec.ts'
import { decodeModel } from '../../program/onnx/decode-model.ts'
import { encodeModel } from '../../program/onnx/model-proto.ts'
import { buildTrainingProgram } from '../../program/training-program.ts'
import { batchOf, distance, fingerprint, freshState, learningRate, presets, trained } from './compliance.ts'
import type { Engine } from './engine.ts'

/** What rounding to float16's 11 bits leaves open of a value, as a share of it. */
const rounding = 2 ** -11

/** A product rounds two operands and itself; at worst, what it is off by in each of 20 steps adds up. */
const apart = 20 * 3 * rounding

/** Of a loss, which the parameters' way moves little: twice what was measured. */
const lossApart = 5 * rounding

const inHalf = (spec: ModelSpec) => buildTrainingProgram(spec, { compute: 'f16' })

async function expectClose(engine: Engine, spec: ModelSpec, program: Uint8Array): Promise<number> {
  const single = await trained(engine, spec, 20)
  const half = await trained(engine, spec, 20, undefined, program)
  half.losses.forEach((loss, step) => {
    expect(Math.abs(loss / single.losses[step]! - 1), `step ${step}`).toBeLessThan(lossApart)
  })
  const way = distance(spec, half.state, single.state)
  expect(way).toBeLessThan(apart)
  return way
}

/** Registers what an engine is held to that takes programs with products in float16. */
export function compliesInHalf(engine: Engine): void {
  describe(`${engine.name}, products in float16`, () => {
    test.each(Object.entries(presets))('20 steps of %s are close to those in float32', async (_, spec) => {
      await expectClose(engine, spec, inHalf(spec).training)
    })

    test.runIf(engine.exact)('the same seed twice gives identical bytes', async () => {
      for (const spec of Object.values(presets)) {
        const run = () => trained(engine, spec, 5, undefined, inHalf(spec).training)
        expect(fingerprint((await run()).state)).toBe(fingerprint((await run()).state))
      }
    })

    test('a step that diverges names the end of float16', async () => {
      const { training, table } = inHalf(presets.mlp)
      const session = await engine.loadTraining(training)
      const state = freshState({ table })
      state.params[state.params.length - 1] = Number.NaN
      await session.writeState(state)
      await expect(session.step(batchOf(session, 0), { learningRate })).rejects.toMatchObject({
        code: 'TRAINING_DIVERGED',
        message: expect.stringContaining('65,504'),
        next: expect.stringContaining('train.compute'),
      })
      await session.close()
    })
  })
}

/** The same where an engine leaves the casts out, of programs that round instead. */
export function compliesRounded(engine: Engine): void {
  test.each(Object.entries(presets))(
    '20 steps of %s, products rounded to 11 bits, are close',
    async (_, spec) => {
      const program = encodeModel(rounded(decodeModel(inHalf(spec).training)))
      expect(await expectClose(engine, spec, program)).toBeGreaterThan(rounding)
    },
  )
}
