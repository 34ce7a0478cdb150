import fc from 'fast-check'
import { afterAll, expect, test } from 'vitest'
import { checkProgram } from '../../program/check-program.ts'
import { buildDecodingPrograms } from '../../program/decoding-programs.ts'
import { initialWeights } from '../../program/initial-weights.ts'
import { buildTrainingProgram } from '../../program/training-program.ts'
import { createDecodingSession } from './decoding-session.ts'
import { ortCpuEngine } from './ort-cpu.ts'
import type { Runner, Tensors } from './runner.ts'
import { sampleTokens, windowStart } from './sampling.ts'
import { threadedEngine } from './threaded-engine.ts'

const context = 8
const model = { preset: 'gpt', style: 'modern', layers: 2, width: 16, heads: 4, context, batch: 1 } as const
const { sampling, table } = buildTrainingProgram(model)
const programs = buildDecodingPrograms(model, table)
const params = initialWeights(table, 3)
const engine = ortCpuEngine()
const [whole, decoding] = [await engine.loadSampling(sampling), await engine.loadDecoding(programs)]
afterAll(() => Promise.all([whole.close(), decoding.close()]))

/** The likeliest tokens by whole passes over the windows that a decoding session sees. */
async function greedily(prompt: readonly number[], count: number): Promise<number[]> {
  const text = [...prompt]
  while (text.length < prompt.length + count) {
    const seen = text.slice(windowStart(text.length, context))
    const tokens = BigInt64Array.from({ length: context }, (_, index) => BigInt(seen[index] ?? 0))
    const logits = (await whole.logits(params, tokens)).subarray((seen.length - 1) * 256, seen.length * 256)
    text.push(logits.indexOf(Math.max(...logits)))
  }
  return text.slice(prompt.length)
}

const greedy = { temperature: 0, topK: 1, seed: 0 }
const prompt = [...Buffer.from('Call me Ishmael')]

test('the likeliest text is that of whole passes, within the context and four times beyond it', async () => {
  for (const length of [1, 3, context, prompt.length]) {
    const begun = prompt.slice(0, length)
    expect(await sampleTokens(decoding, params, begun, { ...greedy, count: 32 })).toEqual(
      await greedily(begun, 32),
    )
  }
})

test('within the context, an equal seed draws the same text by either session', async () => {
  const drawing = { count: context - 1, temperature: 1, topK: 40, seed: 9 }
  const begun = prompt.slice(0, 1)
  expect(await sampleTokens(decoding, params, begun, drawing)).toEqual(
    await sampleTokens(whole, params, begun, drawing),
  )
})

test('a thread decodes the same, and a window that is full or was not begun is refused', async () => {
  const session = await threadedEngine('ort-cpu').loadDecoding(programs)
  await session.writeParameters(params)
  await decoding.writeParameters(params)
  for (const side of [session, decoding]) {
    await expect(side.next(1)).rejects.toMatchObject({ code: 'BATCH_SHAPE_INVALID' })
    await expect(side.prefill([])).rejects.toMatchObject({ code: 'BATCH_SHAPE_INVALID' })
    await expect(side.prefill(prompt)).rejects.toMatchObject({ code: 'BATCH_SHAPE_INVALID' })
  }
  expect(await session.prefill(prompt.slice(0, 7))).toEqual(await decoding.prefill(prompt.slice(0, 7)))
  expect(await session.next(97)).toEqual(await decoding.next(97))
  await expect(session.next(97)).rejects.toMatchObject({ code: 'BATCH_SHAPE_INVALID' })
  expect(session.context).toBe(context)
  await session.close()
  await expect(engine.loadDecoding({ ...programs, step: sampling })).rejects.toMatchObject({
    code: 'PROGRAM_KIND',
  })
  const short = buildDecodingPrograms({ ...model, context: 4 }, table)
  await expect(engine.loadDecoding({ ...programs, step: short.step })).rejects.toMatchObject({
    code: 'PROGRAM_INVALID',
  })
  await expect(decoding.writeParameters(new Float32Array(2))).rejects.toMatchObject({
    code: 'STATE_SHAPE_INVALID',
  })
})

test('a step is given zeros for every token that is not there yet', async () => {
  const seen: number[] = []
  const pass = (program: Uint8Array, run: Runner['run']): Runner => ({
    ...{ program: checkProgram(program), run },
    assertOpen: () => {},
    close: async () => {},
  })
  const [, heads, , width] = decoding.info.cache!
  const fill = async (_: Tensors, results: Tensors) => {
    for (const { data } of Object.values(results)) data.fill(1 as never)
  }
  const session = createDecodingSession(
    pass(programs.prefill, fill),
    pass(programs.step, async (feeds, results) => {
      for (const name of ['keys0', 'values1'])
        seen.push([...(feeds[name]!.data as Float32Array)].filter((value) => value !== 0).length)
      await fill(feeds, results)
    }),
  )
  await session.writeParameters(params)
  await session.prefill([1, 2, 3])
  await session.next(4)
  await session.next(5)
  expect(seen).toEqual([3, 3, 4, 4].map((tokens) => tokens * heads * width))
})

test('a window begins so that it fits and, beyond the first, is at least half full', () => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 5000 }), fc.integer({ min: 1, max: 600 }), (length, tokens) => {
      const start = windowStart(length, tokens)
      const seen = length - start
      expect(seen).toBeGreaterThan(0)
      expect(seen).toBeLessThanOrEqual(tokens)
      if (start > 0) expect(seen).toBeGreaterThanOrEqual(tokens / 2)
      else expect(seen).toBe(length)
      expect(windowStart(length + 1, tokens)).toBeGreaterThanOrEqual(start)
    }),
  )
})
