import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { openStore } from '../checkpoints/store.ts'
import { parseRunFile } from '../protocol/run-spec.ts'
import { evalCommand } from './eval-command.ts'
import { said } from './fixtures/said.ts'
import { headFolder } from './home.ts'
import { sampleCommand } from './sample-command.ts'
import { prepareRun } from './submit.ts'

/* A head's store with the weights that runs of rows, and of tokens, begin with. */

let home: string
const fixture = (name: string) => path.join(import.meta.dirname, '../worker/data/fixtures', name)

const table = { file: fixture('table.parquet'), features: ['width', 'height'], heldOut: 0.4 }
const runs = [
  { name: 'kinds', data: { ...table, target: 'kind' }, model: { preset: 'linear' } },
  { name: 'counts', data: { ...table, target: 'count', task: 'regression' }, model: { preset: 'linear' } },
  {
    name: 'words',
    data: { file: fixture('tokenizer.py'), tokenizer: fixture('tokenizer.json'), format: 'text' },
    model: { layers: 1, width: 16, heads: 2, context: 8 },
  },
]

beforeAll(async () => {
  home = await mkdtemp(path.join(tmpdir(), 'murmur-eval-'))
  const store = await openStore(headFolder(home))
  for (const run of runs) {
    const file = parseRunFile({ ...run, train: { batch: 4 } }, run.name)
    const { run: id, spec, blocks, model } = await prepareRun(file, 'test')
    for (const [cid, bytes] of blocks) await store.blocks.put(cid, bytes)
    const links = {
      run: id,
      program: spec.programs.training,
      data: spec.data,
      round: 0,
      epoch: 0,
      parent: null,
    }
    await store.writeCheckpoint({ theta: model.initialWeights(0), vectors: [] }, model.table, links)
  }
  await store.close()
})
afterAll(() => rm(home, { recursive: true }))

const measured = async (name: string, data?: string) =>
  JSON.parse(await said(() => evalCommand(name, { batches: '32', home, json: true, data })))

test('a classifier is measured in rows that it tells right, on its held-out part or on a file of the same columns', async () => {
  const held = await measured('kinds')
  expect(held).toMatchObject({ task: 'classification', rows: 16, lossNats: expect.any(Number) })
  expect(held.accuracy * 16).toBeCloseTo(Math.round(held.accuracy * 16), 5)
  const other = path.join(home, 'other.csv')
  const rows = Array.from({ length: 9 }, (_, row) => `${row},elsewhere,${row / 8},oak`)
  await writeFile(other, ['height,more,width,kind', ...rows, ''].join('\n'))
  expect(await measured('kinds', other)).toMatchObject({ rows: 8 })
  expect(await said(() => evalCommand('kinds', { batches: '32', home, data: other }))).toMatch(
    /^\d+\.\d\d % right, \d\.\d{4} nats a row, on 8 rows of .*other\.csv\n$/,
  )
  await writeFile(other, 'height,width,kind\n1,2,elm\n')
  await expect(measured('kinds', other)).rejects.toMatchObject({
    code: 'DATA_VALUE_INVALID',
    message: expect.stringMatching(/row 1, kind: "elm" is not one of the 3 classes/),
  })
})

test('a regression is measured by its squared error, of the variance and in its own units', async () => {
  const held = await measured('counts')
  expect(held).toMatchObject({ task: 'regression', standardized: true, rows: 16 })
  // Counts of 40 rows in a row have a deviation of about 11.
  expect(held.rootMeanSquaredError / Math.sqrt(held.meanSquaredError)).toBeGreaterThan(8)
  expect(held.rootMeanSquaredError / Math.sqrt(held.meanSquaredError)).toBeLessThan(15)
  expect(await said(() => evalCommand('counts', { batches: '32', home }))).toMatch(
    /^mean squared error .* of the variance, off by .* on 16 rows of the held-out part\n$/,
  )
})

test('a GPT of tokens is measured and sampled in tokens', async () => {
  const held = await measured('words')
  expect(held).toMatchObject({ task: 'language', bitsPerByte: null })
  expect(Math.abs(held.lossNats - Math.log(400))).toBeLessThan(1)
  expect(await measured('words', fixture('tables.py'))).toMatchObject({ task: 'language' })
  const drawing = { count: '5', temperature: '0', topK: '1', seed: '0', home }
  const text = await said(() => sampleCommand('words', { ...drawing, prompt: 'from' }))
  expect(text.startsWith('from')).toBe(true)
  const { text: made } = JSON.parse(
    await said(() => sampleCommand('words', { ...drawing, prompt: 'from', json: true })),
  )
  // Control characters do not reach a terminal.
  expect(text).toBe(`from${made.replace(/[^\P{Cc}\n\t]/gu, '')}\n`)
})

test('there is no text to be had of a classifier', async () => {
  const drawing = { count: '5', temperature: '0', topK: '1', seed: '0', prompt: 'x', home }
  await expect(said(() => sampleCommand('kinds', drawing))).rejects.toMatchObject({
    code: 'NOT_A_LANGUAGE_MODEL',
    exit: 'usage',
  })
})
