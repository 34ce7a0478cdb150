import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { initialWeights } from '../../program/initial-weights.ts'
import { gptParameters } from '../../program/presets/gpt-parameters.ts'
import { designOf, type GptShape } from '../../program/presets/gpt-shape.ts'
import { checkConfig } from './config.ts'
import { readHuggingFaceFolder, writeHuggingFaceFolder } from './folder.ts'

const sizes = { layers: 1, width: 8, heads: 2, context: 6 } as const
let folder: string
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'murmur-hf-'))
})
afterAll(() => rm(folder, { recursive: true }))

const modelOf = (shape: GptShape) => {
  const design = designOf(shape)
  const table = gptParameters(design)
  return { theta: initialWeights(table, 1), table: table.parameters, design, tokenizer: null }
}

test.each(['default', 'gpt2', 'modern'] as const)(
  'a folder of style %s is read back whole',
  async (style) => {
    const model = modelOf({ ...sizes, style })
    const own = join(folder, style)
    const paths = await writeHuggingFaceFolder(own, model)
    expect(paths.at(-1)).toBe(join(own, 'config.json'))
    expect(await readHuggingFaceFolder(own, model.design)).toEqual(model.theta)
  },
)

test("tokens are bytes in byte-level BPE's characters, each once", async () => {
  const own = join(folder, 'tokenizer')
  await writeHuggingFaceFolder(own, modelOf(sizes))
  const { model } = JSON.parse(await readFile(join(own, 'tokenizer.json'), 'utf8'))
  expect(Object.values<number>(model.vocab).sort((a, b) => a - b)).toEqual(
    Array.from({ length: 256 }, (_, byte) => byte),
  )
  // As GPT-2's vocabulary writes them.
  expect([model.vocab.A, model.vocab.Ġ, model.vocab.Ċ, model.vocab.Ń, model.vocab.ÿ]).toEqual([
    65, 32, 10, 173, 255,
  ])
})

test("a run's own tokenizer is written as it is", async () => {
  const own = join(folder, 'own-tokenizer')
  const tokenizer = Buffer.from('{"model":{}}')
  await writeHuggingFaceFolder(own, { ...modelOf({ ...sizes, vocabulary: 30 }), tokenizer })
  expect(await readFile(join(own, 'tokenizer.json'))).toEqual(tokenizer)
})

test('what is there is not overwritten unasked', async () => {
  const own = join(folder, 'twice')
  await writeHuggingFaceFolder(own, modelOf(sizes))
  await expect(writeHuggingFaceFolder(own, modelOf(sizes))).rejects.toThrow(
    expect.objectContaining({ code: 'EXPORT_EXISTS' }),
  )
  await writeHuggingFaceFolder(own, modelOf(sizes), { overwrite: true })
})

test.each([
  ['nothing', {}, /cannot read/],
  ['no JSON', { 'config.json': '{' }, /not JSON/],
  ['no object', { 'config.json': '[]' }, /not an object/],
])('a folder with %s is refused', async (name, files, reason) => {
  const own = await mkdtemp(join(folder, `${name.replaceAll(' ', '-')}-`))
  for (const [file, text] of Object.entries(files)) await writeFile(join(own, file), text as string)
  await expect(readHuggingFaceFolder(own, designOf(sizes))).rejects.toThrow(reason)
})

const gpt2 = {
  model_type: 'gpt2',
  vocab_size: 50257,
  n_positions: 1024,
  n_embd: 768,
  n_layer: 12,
  n_head: 12,
}
const small: GptShape = { style: 'gpt2', layers: 12, width: 768, heads: 12, context: 256, vocabulary: 50257 }
const smol = {
  ...{ model_type: 'llama', vocab_size: 64, max_position_embeddings: 128, hidden_size: 48 },
  ...{ intermediate_size: 128, num_hidden_layers: 2, num_attention_heads: 4, num_key_value_heads: 2 },
  tie_word_embeddings: true,
}
const llama: GptShape = {
  ...{ style: 'modern', layers: 2, width: 48, heads: 4, context: 64, vocabulary: 64, qkNorm: false },
}

test('what a config leaves out is as transformers fills it in', () => {
  checkConfig(gpt2, designOf(small))
  checkConfig({ ...gpt2, activation_function: 'gelu_pytorch_tanh', n_inner: null }, designOf(small))
  checkConfig(smol, designOf(llama))
  checkConfig({ ...smol, rope_parameters: { rope_type: 'default', rope_theta: 10000 } }, designOf(llama))
})

test.each([
  ['another activation', { ...gpt2, activation_function: 'gelu' }, small, /activation_function/],
  ['other heads', { ...gpt2, n_head: 16 }, small, /n_head 16/],
  ['a context that is too short', { ...gpt2, n_positions: 128 }, small, /n_positions 128/],
  ['another family', { ...gpt2, model_type: 'gpt_neo' }, small, /gpt_neo/],
  ['a scale of each layer', { ...gpt2, scale_attn_by_inverse_layer_idx: true }, small, /scale_attn_by/],
  ['another epsilon', { ...smol, rms_norm_eps: 1e-5 }, llama, /rms_norm_eps/],
  ['another base', { ...smol, rope_theta: 500_000 }, llama, /rope_theta/],
  ['stretched positions', { ...smol, rope_scaling: { type: 'linear' } }, llama, /rope_scaling/],
  ['newly stretched positions', { ...smol, rope_parameters: { rope_type: 'llama3' } }, llama, /rope_scaling/],
  ['as many keys as heads', { ...smol, num_key_value_heads: null }, llama, /num_key_value_heads/],
])('%s in config.json is refused by its key', (_, config, shape, reason) => {
  expect(() => checkConfig(config, designOf(shape))).toThrow(
    expect.objectContaining({ code: 'PRETRAINED_UNFIT', message: expect.stringMatching(reason) }),
  )
})
