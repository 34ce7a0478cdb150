import { expect, test } from 'vitest'
import { ortCpuEngine } from '../worker/engine/ort-cpu.ts'
import { buildDecodingPrograms, decodingProgramsOf } from './decoding-programs.ts'
import type { LoraOptions } from './lora/adapters.ts'
import { decodeModel } from './onnx/decode-model.ts'
import { encodeModel } from './onnx/model-proto.ts'
import { elements } from './operators/operator.ts'
import type { ParameterTable } from './parameter-table.ts'
import type { GptShape } from './presets/gpt-shape.ts'
import { buildTrainingProgram } from './training-program.ts'

const sizes = { layers: 2, width: 24, heads: 4, context: 12, vocabulary: 40 } as const
interface Case {
  readonly name: string
  readonly shape: GptShape
  readonly lora?: LoraOptions
}

const cases: readonly Case[] = [
  { name: 'default', shape: sizes },
  { name: 'gpt2', shape: { ...sizes, style: 'gpt2' } },
  { name: 'modern', shape: { ...sizes, width: 32, style: 'modern' } },
  {
    name: 'modern with one key head, untied',
    shape: { ...sizes, width: 32, style: 'modern', keyValueHeads: 1, tied: false },
  },
  { name: 'rotary beside layer norms', shape: { ...sizes, width: 32, positions: 'rotary' } },
  { name: 'grouped, normalized queries', shape: { ...sizes, keyValueHeads: 2, qkNorm: true } },
  { name: 'low-rank factors', shape: { ...sizes, style: 'gpt2' }, lora: { rank: 3, alpha: 2 } },
]

/** Weights large enough that attention is not even and logits are apart. */
function weightsOf({ parameters, count }: ParameterTable): Float32Array {
  let state = 11
  const flat = new Float32Array(count)
  for (const { name, shape, offset } of parameters) {
    const around = /(scale|_norm)$/.test(name) ? 1 : 0
    for (let index = 0; index < elements(shape); index++) {
      state = (state * 48271) % 2147483647
      flat[offset + index] = around + ((state % 33) - 16) / 40
    }
  }
  return flat
}

const tokens = Array.from({ length: sizes.context }, (_, index) => (index * 17 + 5) % sizes.vocabulary)

test.each(cases)(
  '$name: each token’s logits are those of a pass over the whole window',
  async ({ shape, lora = null }) => {
    const { sampling, table } = buildTrainingProgram({ preset: 'gpt', ...shape, batch: 2 }, { lora })
    const programs = decodingProgramsOf(sampling, { model: { preset: 'gpt', ...shape }, lora })
    const engine = ortCpuEngine()
    const whole = await engine.loadSampling(sampling)
    const decoding = await engine.loadDecoding(programs!)
    const params = weightsOf(table)
    const all = await whole.logits(params, BigInt64Array.from(tokens, BigInt))
    const expected = (position: number) =>
      all.subarray(position * sizes.vocabulary, (position + 1) * sizes.vocabulary)
    const apart = (given: Float32Array, position: number) =>
      Math.max(...given.map((logit, index) => Math.abs(logit - expected(position)[index]!)))
    await decoding.writeParameters(params)
    for (const first of [1, 5, sizes.context]) {
      expect(apart(await decoding.prefill(tokens.slice(0, first)), first - 1)).toBeLessThan(1e-4)
      for (let position = first; position < sizes.context; position++)
        expect(apart(await decoding.next(tokens[position]!), position)).toBeLessThan(1e-4)
    }
    expect(Math.max(...all) - Math.min(...all)).toBeGreaterThan(2)
    await whole.close()
    await decoding.close()
  },
)

test('only the program that a model stands for is decoded; what is frozen only lies elsewhere', () => {
  const model = { preset: 'gpt', ...sizes } as const
  const { sampling } = buildTrainingProgram({ ...model, batch: 2 })
  const of = (program: Uint8Array, changes: object, lora: LoraOptions | null = null) =>
    decodingProgramsOf(program, { model: { ...model, ...changes }, lora })
  expect(of(sampling, {})).not.toBeNull()
  const changed = decodeModel(sampling)
  const nodes = changed.nodes.map((node) => (node.opType === 'Relu' ? { ...node, opType: 'Sigmoid' } : node))
  expect(of(encodeModel({ ...changed, nodes }), {})).toBeNull()
  for (const other of [
    { style: 'gpt2' },
    { layers: 1_000_000 },
    { layers: 1 },
    { keyValueHeads: 3 },
    { preset: 'onnx' },
  ])
    expect(of(sampling, other)).toBeNull()
  expect(of(sampling, {}, { rank: 2, alpha: 1 })).toBeNull()
  expect(of(sampling, {}, { rank: 2000, alpha: 1 })).toBeNull()
  const frozen = buildTrainingProgram({ ...model, batch: 2 }, { freeze: ['layer0.*'] })
  expect(of(frozen.sampling, {})).toEqual(buildDecodingPrograms(model, frozen.table))
})
