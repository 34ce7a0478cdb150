import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { readHuggingFaceFolder } from '../checkpoints/hugging-face/folder.ts'
import { openStore } from '../checkpoints/store.ts'
import { designOf } from '../program/presets/gpt-shape.ts'
import { readRunModel } from '../program/run-model.ts'
import type { CidText } from '../protocol/ids.ts'
import { tinyRunFile } from '../test/tiny-run.ts'
import { exportHuggingFace } from './export-hugging-face.ts'
import { headFolder } from './home.ts'
import { prepareRun } from './submit.ts'

let home: string
beforeAll(async () => {
  home = await mkdtemp(path.join(tmpdir(), 'murmur-export-'))
})
afterAll(() => rm(home, { recursive: true }))

test('a checkpoint of a modern GPT becomes a folder whose weights are the same', async () => {
  const shape = { layers: 1, width: 16, heads: 2, context: 16, style: 'modern' } as const
  const { run, spec, blocks } = await prepareRun(await tinyRunFile(home, { model: shape }))
  const store = await openStore(headFolder(home))
  for (const [cid, bytes] of blocks) await store.blocks.put(cid, bytes)
  const { table, parameterCount } = readRunModel(blocks.get(spec.programs.training)!)
  const theta = Float32Array.from({ length: parameterCount }, (_, index) => index / parameterCount)
  const links = { run, program: spec.programs.training, data: spec.data, round: 0, epoch: 0, parent: null }
  const { manifestCid } = await store.writeCheckpoint({ theta, vectors: [] }, table, links)
  await store.close()

  const folder = path.join(home, 'exported')
  const paths = await exportHuggingFace(manifestCid as CidText, folder, { home, overwrite: false })
  expect(paths.map((file) => path.basename(file)).sort()).toEqual([
    'config.json',
    'model.safetensors',
    'tokenizer.json',
    'tokenizer_config.json',
  ])
  expect(JSON.parse(await readFile(path.join(folder, 'config.json'), 'utf8'))).toMatchObject({
    ...{ model_type: 'qwen3', vocab_size: 256, num_key_value_heads: 1 },
  })
  expect(await readHuggingFaceFolder(folder, designOf(shape))).toEqual(theta)
})
