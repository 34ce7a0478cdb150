import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { readHuggingFaceFolder, writeHuggingFaceFolder } from '../checkpoints/hugging-face/folder.ts'
import { startingWeights } from '../checkpoints/starting-weights.ts'
import { openStore } from '../checkpoints/store.ts'
import { mergedWeights } from '../program/lora/merge.ts'
import { gptParameters } from '../program/presets/gpt-parameters.ts'
import { designOf } from '../program/presets/gpt-shape.ts'
import { readRunModel } from '../program/run-model.ts'
import { tinyRunFile } from '../test/tiny-run.ts'
import { evalCommand } from './eval-command.ts'
import { exportHuggingFace } from './export-hugging-face.ts'
import { said } from './fixtures/said.ts'
import { headFolder } from './home.ts'
import { sampleCommand } from './sample-command.ts'
import { prepareRun } from './submit.ts'

const model = { layers: 1, width: 16, heads: 2, context: 16, style: 'gpt2' } as const
const lora = { rank: 4, alpha: 8, targets: null }
const design = designOf(model)

let home: string
beforeAll(async () => {
  home = await mkdtemp(path.join(tmpdir(), 'murmur-lora-'))
})
afterAll(() => rm(home, { recursive: true }))

test('factors beside a folder’s weights: started from it, measured, sampled, and exported as another folder', async () => {
  const folder = path.join(home, 'pretrained')
  const own = gptParameters(design)
  const pretrained = Float32Array.from({ length: own.count }, (_, index) => ((index * 37) % 19) / 100 - 0.09)
  await writeHuggingFaceFolder(folder, { theta: pretrained, table: own.parameters, design, tokenizer: null })
  const file = await tinyRunFile(home, { model, train: { lora } })
  const { run, spec, blocks } = await prepareRun({ ...file, init: { from: folder } })
  const program = readRunModel(blocks.get(spec.programs.training)!)
  const theta = await startingWeights(spec, program, async (cid) => blocks.get(cid)!)
  const seeded = program.initialWeights(file.train.seed).subarray(0, program.movingCount)
  expect(theta.subarray(0, program.movingCount)).toEqual(seeded)

  theta.fill(0.25, 0, program.movingCount)
  const store = await openStore(headFolder(home))
  for (const [cid, bytes] of blocks) await store.blocks.put(cid, bytes)
  const links = { run, program: spec.programs.training, data: spec.data, round: 0, epoch: 0, parent: null }
  const { manifestCid } = await store.writeCheckpoint({ theta, vectors: [] }, program.table, links)
  await store.close()
  const measured = JSON.parse(await said(() => evalCommand(undefined, { batches: '2', home, json: true })))
  expect(measured.lossNats).toBeGreaterThan(0)
  const drawing = { count: '8', temperature: '0.8', topK: '40', seed: '0', prompt: 'Call', home }
  expect(await said(() => sampleCommand(undefined, drawing))).toMatch(/^Call/)

  const exported = path.join(home, 'exported')
  await exportHuggingFace(manifestCid, exported, { home, overwrite: false })
  const merged = mergedWeights(theta, program.table, lora)
  expect(await readHuggingFaceFolder(exported, design, merged.table)).toEqual(merged.theta)
  const was = await readHuggingFaceFolder(folder, design, merged.table)
  expect(merged.theta).not.toEqual(was)
})
