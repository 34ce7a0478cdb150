/**
 * Text made token by token over kept keys and values, against whole passes over the window, in turns in one run: tokens a
 * second of each, and their ratio. The likeliest text from a prompt of a quarter of the context to its end, and to three
 * contexts, where windows begin anew.
 * Usage: node bench/sampling.ts [--engine ort-cpu] [--threads 1] [--turns 5]
 */
import { parseArgs } from 'node:util'
import { buildDecodingPrograms } from '../program/decoding-programs.ts'
import { initialWeights } from '../program/initial-weights.ts'
import type { GptSpec } from '../program/model-spec.ts'
import { buildTrainingProgram } from '../program/training-program.ts'
import { createEngine } from '../worker/engine/create-engine.ts'
import { parseEngine } from '../worker/engine/engine-names.ts'
import { sampleTokens, type TextSession } from '../worker/engine/sampling.ts'

const { values: given } = parseArgs({
  options: {
    engine: { type: 'string', default: 'ort-cpu' },
    threads: { type: 'string', default: '1' },
    turns: { type: 'string', default: '5' },
  },
})

const models: readonly (readonly [string, GptSpec])[] = [
  ['gpt-0.9M', { preset: 'gpt', layers: 4, width: 128, heads: 4, context: 64 }],
  ['gpt-11M', { preset: 'gpt', layers: 6, width: 384, heads: 6, context: 256 }],
  ['modern-11M', { preset: 'gpt', style: 'modern', layers: 6, width: 384, heads: 6, context: 256 }],
]

const name = parseEngine(given.engine)
if (name === 'auto') throw new Error('name one engine')
const engine = await createEngine(name, { threads: Number(given.threads) })
const median = (values: readonly number[]) => values.toSorted((a, b) => a - b)[values.length >> 1]!

for (const [model, spec] of models) {
  const { sampling, table } = buildTrainingProgram({ ...spec, batch: 1 })
  const params = initialWeights(table, 1)
  const sessions: readonly (readonly [string, TextSession])[] = [
    ['whole passes', await engine.loadSampling(sampling)],
    ['kept keys and values', await engine.loadDecoding(buildDecodingPrograms(spec, table))],
  ]
  for (const [what, factor] of [
    ['within the context', 1],
    ['to three contexts', 3],
  ] as const) {
    const prompt = Array.from({ length: spec.context / 4 }, (_, index) => 97 + (index % 26))
    const count = factor * spec.context - prompt.length
    const rates = new Map(sessions.map(([way]) => [way, [] as number[]]))
    for (let turn = 0; turn < Number(given.turns); turn++) {
      for (const [way, session] of sessions) {
        // Whole passes take as long at any place.
        const made = 'prefill' in session ? count : Math.min(count, 32)
        const start = performance.now()
        await sampleTokens(session, params, prompt, { count: made, temperature: 0, topK: 1, seed: 0 })
        rates.get(way)!.push((1000 * made) / (performance.now() - start))
      }
    }
    const [whole, kept] = sessions.map(([way]) => median(rates.get(way)!)) as [number, number]
    console.log(
      `${model}, ${table.count.toLocaleString('en')} parameters, ${what}: ${whole.toFixed(0)} tokens/s by whole passes, ${kept.toFixed(0)} with keys and values kept: ${(kept / whole).toFixed(1)} ×`,
    )
  }
  for (const [, session] of sessions) await session.close()
}
