import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { openStore } from '../checkpoints/store.ts'
import { readRunModel } from '../program/run-model.ts'
import type { CidText } from '../protocol/ids.ts'
import { tinyRunFile } from '../test/tiny-run.ts'
import { evalCommand } from './eval-command.ts'
import { said } from './fixtures/said.ts'
import { headFolder } from './home.ts'
import { sampleCommand } from './sample-command.ts'
import { prepareRun } from './submit.ts'

/* A head's store with one checkpoint: the weights that a tiny run begins with. */

let home: string
let checkpoint: CidText
const untrained = Math.log(256)
const drawing = { count: '12', temperature: '0.8', topK: '40', seed: '0' }

beforeAll(async () => {
  home = await mkdtemp(path.join(tmpdir(), 'murmur-model-'))
  const { run, spec, blocks } = await prepareRun(await tinyRunFile(home))
  const store = await openStore(headFolder(home))
  for (const [cid, bytes] of blocks) await store.blocks.put(cid, bytes)
  const model = readRunModel(blocks.get(spec.programs.training)!)
  const links = { run, program: spec.programs.training, data: spec.data, round: 0, epoch: 0, parent: null }
  const state = { theta: model.initialWeights(0), vectors: [] }
  checkpoint = (await store.writeCheckpoint(state, model.table, links)).manifestCid
  await store.close()
})
afterAll(() => rm(home, { recursive: true }))

test('sample continues a prompt as it goes, the same for the same seed; by CID, by name, or the newest', async () => {
  const text = await said(() => sampleCommand('tiny', { ...drawing, prompt: 'Call', home }))
  expect(text.startsWith('Call')).toBe(true)
  expect(text.endsWith('\n')).toBe(true)
  const named = async (name?: string, seed = '0') =>
    JSON.parse(await said(() => sampleCommand(name, { ...drawing, seed, prompt: 'Call', home, json: true })))
  const first = await named()
  expect(first).toEqual({ checkpoint, prompt: 'Call', text: expect.any(String) })
  expect(await named(checkpoint)).toEqual(first)
  expect((await named('tiny', '1')).text).not.toBe(first.text)
})

test('eval measures the held-out text, or a file; weights that know nothing take eight bits a byte', async () => {
  const measured = JSON.parse(await said(() => evalCommand('tiny', { batches: '4', home, json: true })))
  expect(measured).toMatchObject({ checkpoint, tokens: 4 * 2 * 16 })
  expect(Math.abs(measured.lossNats - untrained)).toBeLessThan(0.8)
  expect(measured.bitsPerByte).toBeCloseTo(measured.lossNats / Math.LN2, 10)
  const data = path.join(home, 'other.txt')
  await writeFile(data, 'a text of somebody else’s, which is longer than one window of the model')
  expect(await said(() => evalCommand(undefined, { batches: '4', data, home }))).toMatch(
    /^\d\.\d{4} nats a byte, \d\.\d{4} bits a byte, perplexity .* bytes of .*other\.txt\n$/,
  )
})

test.each<[string, () => Promise<void>, string]>([
  ['another run', () => evalCommand('none', { batches: '1', home }), 'CHECKPOINT_NOT_FOUND'],
  ['an empty prompt', () => sampleCommand('tiny', { ...drawing, prompt: '', home }), 'PROMPT_EMPTY'],
  [
    'no temperature',
    () => sampleCommand('tiny', { ...drawing, temperature: 'hot', prompt: 'x', home }),
    'TEMPERATURE_INVALID',
  ],
  ['no bytes', () => sampleCommand('tiny', { ...drawing, count: '0', prompt: 'x', home }), 'COUNT_INVALID'],
  ['another folder', () => evalCommand('tiny', { batches: '1', home: '/nowhere' }), 'STATE_MISSING'],
])('%s is told', async (_, work, code) => {
  await expect(said(work)).rejects.toMatchObject({ code, exit: 'usage' })
})

test('a text shorter than a window cannot be measured', async () => {
  const data = path.join(home, 'short.txt')
  await writeFile(data, 'short')
  await expect(said(() => evalCommand('tiny', { batches: '1', data, home }))).rejects.toMatchObject({
    code: 'DATA_TOO_SHORT',
  })
})
