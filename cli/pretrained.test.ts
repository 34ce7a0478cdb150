import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { writeHuggingFaceFolder } from '../checkpoints/hugging-face/folder.ts'
import { fetchWeights } from '../checkpoints/weights-file.ts'
import { elements } from '../program/operators/operator.ts'
import { gptParameters } from '../program/presets/gpt-parameters.ts'
import { designOf } from '../program/presets/gpt-shape.ts'
import { readRunModel } from '../program/run-model.ts'
import { tinyRunFile } from '../test/tiny-run.ts'
import { prepareRun } from './submit.ts'

let home: string
let folder: string
const pretrained = designOf({ layers: 1, width: 16, heads: 2, context: 24, style: 'gpt2' })
const { parameters, count } = gptParameters(pretrained)
const theta = Float32Array.from({ length: count }, (_, index) => index / count)

beforeAll(async () => {
  home = await mkdtemp(path.join(tmpdir(), 'murmur-pretrained-'))
  folder = path.join(home, 'gpt2')
  await writeHuggingFaceFolder(folder, { theta, table: parameters, design: pretrained, tokenizer: null })
})
afterAll(() => rm(home, { recursive: true }))

test('a run starts from a folder of transformers: its weights by name, wherever they lie in the vector', async () => {
  const model = { layers: 1, width: 16, heads: 2, context: 16, style: 'gpt2' } as const
  const file = await tinyRunFile(home, { model, train: { freeze: ['*embedding'] } })
  const { spec, blocks } = await prepareRun({ ...file, init: { from: folder } })
  const { table } = readRunModel(blocks.get(spec.programs.training)!)
  const started = await fetchWeights(spec.init!.weights, table, async (cid) => blocks.get(cid)!)
  expect(table.at(-1)!).toMatchObject({ name: 'position_embedding', role: 'frozen' })
  for (const { name, shape, offset } of table) {
    const from = parameters.find((parameter) => parameter.name === name)!.offset
    const values = started.subarray(offset, offset + elements(shape))
    expect(values, name).toEqual(theta.subarray(from, from + elements(shape)))
  }
})

test('a folder of another model is refused by the key that differs', async () => {
  const file = await tinyRunFile(home, {
    model: { layers: 1, width: 16, heads: 4, context: 16, style: 'gpt2' },
  })
  await expect(prepareRun({ ...file, init: { from: folder } })).rejects.toThrow(
    expect.objectContaining({ code: 'PRETRAINED_UNFIT', message: expect.stringContaining('n_head 2') }),
  )
})
