import { readFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import { packBf16, unpackBf16 } from '../../aggregation/bf16.ts'
import { packF16, unpackF16 } from '../../aggregation/compressors/f16.ts'
import { floatBytes, floatsOf } from '../../aggregation/float-bytes.ts'
import { gptParameters } from '../../program/presets/gpt-parameters.ts'
import { designOf, type GptShape } from '../../program/presets/gpt-shape.ts'
import { buildTrainingProgram } from '../../program/training-program.ts'
import { ortCpuEngine } from '../../worker/engine/ort-cpu.ts'
import { readSafetensors, type Tensor } from '../safetensors.ts'
import { readHuggingFaceFolder } from './folder.ts'
import { layoutOf } from './layout.ts'
import { tensorsForHuggingFace, weightsFromHuggingFace } from './weights.ts'

const sizes = { layers: 2, width: 8, heads: 2, context: 6, vocabulary: 11 } as const

/** The models of fixtures/make.py. */
const models: readonly (readonly [string, GptShape])[] = [
  ['gpt2', { ...sizes, style: 'gpt2' }],
  ['relu2', { ...sizes, biases: 'all' }],
  ['llama', { ...sizes, style: 'modern', mlpWidth: 12, qkNorm: false, tied: false, biases: 'all' }],
  ['qwen3', { ...sizes, style: 'modern', mlpWidth: 12 }],
]

const fixture = (name: string) => new URL(`fixtures/${name}/`, import.meta.url)
const tensorsOf = (name: string) =>
  readSafetensors(readFileSync(new URL('model.safetensors', fixture(name)))).tensors

test.each(models)(
  '%s: our program says of the imported weights what transformers says',
  async (name, shape) => {
    const recorded = JSON.parse(readFileSync(new URL('logits.json', fixture(name)), 'utf8'))
    const theta = await readHuggingFaceFolder(fixture(name).pathname, designOf(shape))
    const { sampling } = buildTrainingProgram({ preset: 'gpt', ...shape, batch: 1 })
    const session = await ortCpuEngine().loadSampling(sampling)
    const logits = await session.logits(theta, BigInt64Array.from(recorded.tokens.map(BigInt)))
    await session.close()
    expect(logits.length).toBe(recorded.logits.length)
    recorded.logits.forEach((value: number, index: number) => {
      expect(Math.abs(logits[index]! - value)).toBeLessThan(1e-5)
    })
  },
)

test.each(models)('%s: what is exported is what transformers wrote, tensor by tensor', (name, shape) => {
  const [theirs, design] = [tensorsOf(name), designOf(shape)]
  const theta = weightsFromHuggingFace(theirs, design)
  const ours = tensorsForHuggingFace(theta, gptParameters(design).parameters, design)
  const plain = (tensors: ReadonlyMap<string, Tensor>) =>
    Object.fromEntries(
      [...tensors].map(([key, { shape, bytes }]) => [
        key,
        { shape: [...shape], values: [...floatsOf(bytes)] },
      ]),
    )
  expect(plain(ours)).toEqual(plain(theirs))
})

test('biases that a model of ours lacks are written as zeros, and only zeros are read for them', () => {
  const design = designOf(sizes)
  const { parameters, count } = gptParameters(design)
  const theta = Float32Array.from({ length: count }, (_, index) => index + 1)
  const tensors = new Map(tensorsForHuggingFace(theta, parameters, design))
  const name = 'transformer.h.1.attn.c_attn.bias'
  expect([...floatsOf(tensors.get(name)!.bytes)]).toEqual(new Array(24).fill(0))
  expect(weightsFromHuggingFace(tensors, design)).toEqual(theta)
  tensors.set(name, { dtype: 'F32', shape: [24], bytes: floatBytes(new Float32Array(24).fill(1)) })
  expect(() => weightsFromHuggingFace(tensors, design)).toThrow(
    expect.objectContaining({ code: 'PRETRAINED_UNFIT', message: expect.stringContaining(name) }),
  )
})

test("GPT-2's own file: no prefix, masks beside the weights, half precision, more places than are used", () => {
  const design = designOf({ ...sizes, style: 'gpt2' })
  const theirs = new Map(
    [...tensorsOf('gpt2')].map(([name, tensor]) => [name.replace('transformer.', ''), tensor]),
  )
  const mask: Tensor = { dtype: 'F32', shape: [1, 1, 6, 6], bytes: new Uint8Array(144) }
  for (const layer of [0, 1]) theirs.set(`h.${layer}.attn.bias`, mask)
  theirs.set('lm_head.weight', theirs.get('wte.weight')!)
  const theta = weightsFromHuggingFace(theirs, design)
  expect(theta).toEqual(weightsFromHuggingFace(tensorsOf('gpt2'), design))

  const embedding = gptParameters(design).parameters.find(({ name }) => name === 'position_embedding')!
  const shorter = weightsFromHuggingFace(theirs, designOf({ ...sizes, style: 'gpt2', context: 4 }))
  expect(shorter.subarray(embedding.offset, embedding.offset + 32)).toEqual(
    theta.subarray(embedding.offset, embedding.offset + 32),
  )
  for (const [dtype, pack, unpack] of [
    ['BF16', packBf16, unpackBf16],
    ['F16', packF16, unpackF16],
  ] as const) {
    const halved = new Map(
      [...theirs].map(([name, { shape, bytes }]) => [name, { dtype, shape, bytes: pack(floatsOf(bytes)) }]),
    )
    expect(weightsFromHuggingFace(halved, design)).toEqual(unpack(pack(theta)))
  }
})

test.each<[string, (tensors: Map<string, Tensor>) => void, RegExp]>([
  ['a missing tensor', (tensors) => tensors.delete('transformer.ln_f.bias'), /ln_f\.bias/],
  [
    'one too many',
    (tensors) => tensors.set('score.weight', tensors.get('transformer.ln_f.bias')!),
    /score\.weight/,
  ],
  [
    'another shape',
    (tensors) =>
      tensors.set('transformer.ln_f.bias', { dtype: 'F32', shape: [4], bytes: new Uint8Array(16) }),
    /\[4\].*\[8\]/,
  ],
  [
    'whole numbers',
    (tensors) =>
      tensors.set('transformer.ln_f.bias', { dtype: 'I32', shape: [8], bytes: new Uint8Array(32) }),
    /I32/,
  ],
  [
    'infinities',
    (tensors) => {
      const bytes = floatBytes(new Float32Array(8).fill(Number.POSITIVE_INFINITY))
      tensors.set('transformer.ln_f.bias', { dtype: 'F32', shape: [8], bytes })
    },
    /not finite/,
  ],
])('%s is refused by name', (_, change, reason) => {
  const tensors = new Map(tensorsOf('gpt2'))
  change(tensors)
  expect(() => weightsFromHuggingFace(tensors, designOf({ ...sizes, style: 'gpt2' }))).toThrow(
    expect.objectContaining({
      code: 'PRETRAINED_UNFIT',
      exit: 'usage',
      message: expect.stringMatching(reason),
    }),
  )
})

test.each<[string, Partial<GptShape>]>([
  ['rotary positions with a layer norm', { positions: 'rotary' }],
  ['grouped keys in a GPT-2', { keyValueHeads: 1 }],
  ['squared ReLU in a modern model', { style: 'modern', activation: 'squared-relu' }],
  ['normalized keys with biases', { style: 'modern', biases: 'all' }],
])('%s is no architecture of transformers', (_, change) => {
  expect(() => layoutOf(designOf({ ...sizes, ...change }))).toThrow(
    expect.objectContaining({ code: 'ARCHITECTURE_UNKNOWN', exit: 'usage' }),
  )
})
