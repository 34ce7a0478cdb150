import { truncateSync } from 'node:fs'
import { mkdtemp, open, readFile, rm, truncate, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { Command } from 'commander'
import { afterAll, beforeAll, expect, test, vi } from 'vitest'
import { writeParameterFile } from '../checkpoints/parameter-file.ts'
import { storedFile } from '../checkpoints/stored-file.ts'
import { contentId, parseCid } from '../protocol/content-id.ts'
import { maxStateBlockBytes } from '../protocol/limits.ts'
import { said } from './fixtures/said.ts'
import { headBlocks } from './head-blocks.ts'
import { type HeadProcess, startHead } from './head-process.ts'
import { importOnnx } from './import-onnx.ts'
import { addModel } from './model.ts'
import { tellSent } from './model-put-command.ts'
import { prepareRun, readRunFile } from './submit.ts'

// Of a superuser's tests no file can keep itself from being read.
vi.mock('node:fs/promises', async (original) => {
  const actual = await original<typeof import('node:fs/promises')>()
  return { ...actual, open: vi.fn(actual.open) }
})

const transformer = path.join(import.meta.dirname, '../program/import/fixtures/transformer-legacy.onnx')
const told: string[] = []
let home: string
let head: HeadProcess

beforeAll(async () => {
  vi.spyOn(process.stderr, 'write').mockImplementation((text) => told.push(String(text)) > 0)
  home = await mkdtemp(path.join(tmpdir(), 'murmur-put-'))
  const listen = ['/ip4/127.0.0.1/tcp/0']
  head = await startHead({ home, listen, apiPort: 0, token: '', devnet: false, chain: null })
})
afterAll(async () => {
  await head.stop()
  vi.restoreAllMocks()
  await rm(home, { recursive: true })
})

const put = (file: string, ...more: readonly string[]) =>
  said(async () => {
    const program = new Command('murmur').exitOverride()
    addModel(program)
    await program.parseAsync(['model', 'put', file, '--home', home, ...more], { from: 'user' })
  })

const unreadable = (why: string, advice: string) => ({
  ...{ code: 'MODEL_FILE_UNREADABLE', exit: 'usage' },
  message: expect.stringContaining(why),
  next: expect.stringContaining(advice),
})
const never = (why: string) => expect.fail(why)

test('what was put is a run’s model and its weights, by the CIDs that were printed', async () => {
  const onnx = (await put(transformer)).trim()
  const { weights, table } = await importOnnx(transformer, {})
  const other = path.join(home, 'other.safetensors')
  await writeFile(
    other,
    writeParameterFile(
      weights().map((value) => value / 2),
      table.parameters,
    ),
  )
  const from = JSON.parse(await put(other, '--json'))
  expect(from).toMatchObject({ bytes: (await readFile(other)).length, blocks: 1 })
  const yaml = path.join(home, 'run.yaml')
  await writeFile(path.join(home, 'text.txt'), 'the quick brown fox jumps over the lazy dog. '.repeat(60))
  await writeFile(yaml, 'data: {file: text.txt}\ntrain: {batch: 4}\n')
  const byCid = await readRunFile(yaml, [`model.onnx=${onnx}`, `init.from=${from.cid}`])
  const byPath = await readRunFile(yaml, [`model.onnx=${transformer}`, `init.from=${from.cid}`])
  const { run } = await prepareRun(byCid, 'same', headBlocks(home))
  expect(run).toBe((await prepareRun(byPath, 'same')).run)
})

test('a file of many blocks comes back as it was, and says how far it is', async () => {
  const large = path.join(home, 'large.safetensors')
  await writeFile(large, 'its beginning')
  // The rest are zeros, one block for the head.
  await truncate(large, 9 * 2 ** 20 + 5)
  told.length = 0
  const { cid, bytes, blocks } = JSON.parse(await put(large, '--json'))
  expect([bytes, blocks]).toEqual([9 * 2 ** 20 + 5, 11])
  expect(told).toEqual(['8.4 MB of 9.4 MB\n'])
  const options = { maxBytes: bytes, fetch: headBlocks(home), refuse: never }
  const parts: Uint8Array[] = []
  for await (const part of storedFile(parseCid(cid), options)) parts.push(part)
  expect(Buffer.compare(Buffer.concat(parts), await readFile(large))).toBe(0)
})

test('of a file of several nodes, what was sent of it is told without them', () => {
  const lines: string[] = []
  const sent = tellSent(30e6, (line) => lines.push(line))
  const [leaf, node] = [contentId(Buffer.of(1), 'raw'), contentId(Buffer.of(1), 'dag-pb')]
  sent(leaf, 8e6)
  sent(node, 8e6)
  expect(lines).toEqual([])
  for (let block = 0; block < 22; block++) sent(leaf, 1e6)
  expect(lines).toEqual(['9.0 MB of 30.0 MB\n', '17.0 MB of 30.0 MB\n', '26.0 MB of 30.0 MB\n'])
})

test('a file that becomes shorter while it is read is refused', async () => {
  const file = path.join(home, 'shrinking.onnx')
  await writeFile(file, 'its beginning')
  await truncate(file, 24 * 2 ** 20)
  vi.mocked(process.stderr.write).mockImplementationOnce(() => {
    truncateSync(file, 5)
    return true
  })
  await expect(put(file)).rejects.toMatchObject({ code: 'MODEL_FILE_CHANGED', exit: 'usage' })
})

test('a file that is not there, or is none that a run could name, is refused before anything is sent', async () => {
  const [empty, vast] = [path.join(home, 'empty.onnx'), path.join(home, 'vast.onnx')]
  await writeFile(empty, '')
  await writeFile(vast, '')
  await truncate(vast, maxStateBlockBytes + 1)
  await expect(put(path.join(home, 'none.onnx'))).rejects.toMatchObject({
    code: 'MODEL_FILE_MISSING',
    exit: 'usage',
  })
  for (const [file, why, advice] of [
    [home, 'it is not a file', 'give one ONNX file'],
    [empty, 'it is empty', 'write the file again'],
    [vast, `the limit is ${maxStateBlockBytes}`, 'a smaller model'],
  ] as const)
    await expect(put(file)).rejects.toMatchObject(unreadable(why, advice))
})

test('one that this account may not read is told from one of the wrong kind', async () => {
  vi.mocked(open).mockRejectedValueOnce(Object.assign(new Error(), { code: 'EACCES' }))
  await expect(put(transformer)).rejects.toMatchObject(unreadable('EACCES', 'let this account read it'))
  vi.mocked(open).mockRejectedValueOnce(Object.assign(new Error(), { code: 'EISDIR' }))
  await expect(put(transformer)).rejects.toMatchObject(unreadable('EISDIR', 'give one ONNX file'))
})

test('without a head it says so', async () => {
  const nowhere = path.join(home, 'nowhere')
  await expect(put(transformer, '--home', nowhere)).rejects.toMatchObject({ exit: 'unreachable' })
  const missing = put(path.join(home, 'none.onnx'), '--home', nowhere)
  await expect(missing).rejects.toMatchObject({ code: 'MODEL_FILE_MISSING' })
})
