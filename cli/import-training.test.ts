import { copyFile, mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { unixfs } from '@helia/unixfs'
import type { CID } from 'multiformats/cid'
import { afterAll, beforeAll, expect, test, vi } from 'vitest'
import { readParameterFile, writeParameterFile } from '../checkpoints/parameter-file.ts'
import { startingWeights } from '../checkpoints/starting-weights.ts'
import { storedFile } from '../checkpoints/stored-file.ts'
import { unixfsFileOptions } from '../checkpoints/unixfs-file.ts'
import { checkProgram } from '../program/check-program.ts'
import { floatTensor, writeOnnx } from '../program/import/fixtures/write-onnx.ts'
import { MurmurError } from '../protocol/errors.ts'
import type { CidText } from '../protocol/ids.ts'
import { decodeRunSpec, encodeRunSpec, parseRunFile } from '../protocol/run-spec.ts'
import { importOnnx } from './import-onnx.ts'
import { prepareRun, readRunFile } from './submit.ts'

const fixtures = path.join(import.meta.dirname, '../program/import/fixtures')
let folder: string

beforeAll(async () => {
  folder = await mkdtemp(path.join(tmpdir(), 'murmur-import-'))
  await writeFile(path.join(folder, 'text.txt'), 'the quick brown fox jumps over the lazy dog. '.repeat(60))
  await writeFile(
    path.join(folder, 'rows.csv'),
    [
      'a,b,c,d,label',
      ...Array.from({ length: 60 }, (_, row) => `${row},${row % 7},${row % 3},${row / 8},${row % 2}`),
    ].join('\n'),
  )
})
afterAll(() => rm(folder, { recursive: true }))

const run = (model: object, more: object = {}) =>
  parseRunFile(
    { model, data: { file: path.join(folder, 'text.txt') }, train: { batch: 4 }, ...more },
    'run.yaml',
  )
const transformer = path.join(fixtures, 'transformer-legacy.onnx')

test('a run of an ONNX file starts from its weights, wherever it is rebuilt', async () => {
  const { spec, blocks, model } = await prepareRun(
    run({ onnx: transformer, tied: { 'head.weight': 'tokens.weight' } }),
  )
  expect(spec.model).toEqual({ preset: 'onnx', loss: null, tied: { 'head.weight': 'tokens.weight' } })
  expect(decodeRunSpec(encodeRunSpec(spec))).toEqual(spec)
  expect(model).toMatchObject({ task: 'language', inputs: { shape: [4, 16] } })
  const fetch = async (cid: CidText) => blocks.get(cid)!
  const { table, weights } = await importOnnx(transformer, {})
  const start = await startingWeights(spec, model, fetch)
  expect(start).toEqual(weights())
  expect(model.table).toEqual(table.parameters)
  expect(await startingWeights({ ...spec, init: null }, model, fetch)).not.toEqual(start)
})

test('a run starts from a file of its own parameters, or from one that the cluster has', async () => {
  const { weights, table } = await importOnnx(transformer, {})
  const other = weights().map((value) => value / 2)
  await writeFile(path.join(folder, 'other.safetensors'), writeParameterFile(other, table.parameters))
  await copyFile(transformer, path.join(folder, 'model.onnx'))
  const yaml = path.join(folder, 'run.yaml')
  await writeFile(
    yaml,
    'model: {onnx: model.onnx}\ndata: {file: text.txt}\ninit: {from: other.safetensors}\n',
  )
  const prepared = await prepareRun(await readRunFile(yaml))
  const fetch = async (cid: CidText) => prepared.blocks.get(cid)!
  expect(await startingWeights(prepared.spec, prepared.model, fetch)).toEqual(other)
  const from = prepared.spec.init!.weights
  const again = await prepareRun(await readRunFile(yaml, [`init.from=${from}`]))
  expect(again.spec.init).toEqual({ weights: from })
  expect(again.blocks.has(from)).toBe(false)
})

/** A file as the blocks of whatever put it on IPFS. */
async function stored(bytes: Uint8Array) {
  const blocks = new Map<string, Uint8Array>()
  const put = async (cid: CID, block: Uint8Array) => {
    blocks.set(cid.toString(), block)
    return cid
  }
  const blockstore = { put } as unknown as Parameters<typeof unixfs>[0]['blockstore']
  async function* chunker() {
    for (let at = 0; at < bytes.length; at += 20_000) yield bytes.subarray(at, at + 20_000)
  }
  const cid = await unixfs({ blockstore }).addBytes(bytes, { ...unixfsFileOptions, chunker })
  const fetch = async (wanted: CidText) => blocks.get(wanted) ?? expect.fail(`${wanted} is not here`)
  return { cid: cid.toString(), blocks, fetch }
}

test('a model that the cluster has, named by its CID, makes the same run as its file', async () => {
  const { cid, blocks, fetch } = await stored(await readFile(transformer))
  expect(blocks.size).toBeGreaterThan(3)
  const yaml = path.join(folder, 'by-cid.yaml')
  await writeFile(yaml, 'data: {file: text.txt}\ntrain: {batch: 4}\n')
  const file = await readRunFile(yaml, [`model.onnx=${cid}`])
  expect(file.model).toMatchObject({ onnx: cid })
  const fromFile = await prepareRun(run({ onnx: transformer }), 'same')
  expect((await prepareRun({ ...file, init: null }, 'same', fetch)).run).toBe(fromFile.run)
})

test('a model by CID is refused where a block is another, is too long, or cannot be had', async () => {
  const { cid, blocks, fetch } = await stored(await readFile(transformer))
  const prepared = (from?: typeof fetch) => prepareRun(run({ onnx: cid }), 'refused', from)
  await expect(prepared()).rejects.toMatchObject({ code: 'ONNX_UNREADABLE', exit: 'usage' })
  const leaf = [...blocks].find(([name]) => name !== cid)![0]
  const forged = async (wanted: CidText) =>
    wanted === leaf ? blocks.get(leaf)!.with(0, 1 ^ blocks.get(leaf)![0]!) : await fetch(wanted)
  await expect(prepared(forged)).rejects.toThrow(/other bytes came/)
  const lost = new MurmurError('NOT_FOUND', { message: 'no block here', next: 'none' })
  await expect(prepared(() => Promise.reject(lost))).rejects.toBe(lost)
  const parts = storedFile(cid as CidText, {
    maxBytes: 30_000,
    fetch,
    refuse: (why) => new MurmurError('ONNX_UNREADABLE', { message: why, next: '' }),
  })
  const drain = async () => {
    for await (const _ of parts);
  }
  await expect(drain()).rejects.toThrow(/longer than 30000/)
})

test('a model by CID keeps all in itself', async () => {
  const { cid, fetch } = await stored(await readFile(path.join(fixtures, 'recurrent-loss.onnx')))
  await expect(importOnnx(cid, { loss: 'mse' }, fetch)).rejects.toMatchObject({
    code: 'ONNX_UNSUPPORTED',
    message: expect.stringContaining('in another file'),
  })
})

test('the parameters of a program are laid out as its table says, frozen ones last', async () => {
  const { spec, blocks, model } = await prepareRun(
    run({ onnx: transformer }, { train: { batch: 4, freeze: ['tokens.*'] } }),
  )
  expect(checkProgram(blocks.get(spec.programs.training)!).table.parameters.at(-1)!.name).toBe(
    'tokens.weight',
  )
  const start = await startingWeights(spec, model, async (cid) => blocks.get(cid)!)
  const { table, weights } = await importOnnx(transformer, {})
  const file = writeParameterFile(weights(), table.parameters)
  expect(start).toEqual(readParameterFile(file, model.table))
})

test('the loss follows from what the data says', async () => {
  const rows = { file: path.join(folder, 'rows.csv'), target: 'label', features: ['a', 'b', 'c'] }
  const linear = path.join(folder, 'linear.onnx')
  const gemm = { op: 'Gemm', from: ['x', 'w'], to: ['y'] }
  await writeFile(
    linear,
    writeOnnx({ nodes: [gemm], initializers: [floatTensor('w', [3, 2], [1, 2, 3, 4, 5, 6])] }),
  )
  const classified = await prepareRun(run({ onnx: linear }, { data: { ...rows, task: 'classification' } }))
  expect(classified.model).toMatchObject({ task: 'classification', inputs: { shape: [4, 3] } })
  const values = { file: rows.file, target: ['d', 'label'], features: ['a', 'b', 'c'], task: 'regression' }
  const regressed = await prepareRun(run({ onnx: linear }, { data: values }))
  expect(regressed.model).toMatchObject({ task: 'regression', targets: { shape: [4, 2] } })
})

test.each<[string, () => Promise<unknown>, object]>([
  [
    'a file that is not there',
    () => prepareRun(run({ onnx: path.join(folder, 'absent.onnx') })),
    { code: 'ONNX_UNREADABLE' },
  ],
  [
    'a file that is no model',
    () => prepareRun(run({ onnx: path.join(folder, 'text.txt') })),
    { code: 'ONNX_MALFORMED' },
  ],
  [
    'rows for a model of text',
    () =>
      prepareRun(
        run({ onnx: transformer }, { data: { file: path.join(folder, 'rows.csv'), target: 'label' } }),
      ),
    { exit: 'usage' },
  ],
  [
    'text for a model of values',
    () => prepareRun(run({ onnx: path.join(fixtures, 'recurrent-legacy.onnx'), loss: 'mse' })),
    { code: 'MODEL_DATA_MISFIT' },
  ],
  [
    'a name that is tied to nothing',
    () => prepareRun(run({ onnx: transformer, tied: { 'head.weight': 'absent' } })),
    { code: 'MODEL_DATA_MISFIT' },
  ],
  [
    'a parameter that is tied to another',
    () => prepareRun(run({ onnx: transformer, tied: { 'positions.weight': 'tokens.weight' } })),
    { code: 'MODEL_DATA_MISFIT' },
  ],
])('%s is refused', async (_, prepare, error) => {
  await expect(prepare()).rejects.toMatchObject(error)
})

test('that a mask of −∞ became one of finite numbers is said', async () => {
  const told = vi.spyOn(process.stderr, 'write').mockReturnValue(true)
  const file = path.join(fixtures, 'masked-dynamo.onnx')
  const { model } = await prepareRun(run({ onnx: file }))
  expect(told.mock.calls).toEqual([
    [`${file}: "mask" has -1e+30 for -Infinity and is frozen: it is not trained\n`],
  ])
  told.mockRestore()
  expect(model.parameterCount - model.movingCount).toBe(16 * 16)
})

test('a file of a fixed batch asks for that batch', async () => {
  const file = path.join(folder, 'fixed.onnx')
  const gemm = { op: 'Gemm', from: ['x', 'w'], to: ['y'] }
  const inputs = [['x', 1, [5, 3]]] as const
  const initializers = [floatTensor('w', [3, 2], [1, 2, 3, 4, 5, 6])]
  await writeFile(file, writeOnnx({ nodes: [gemm], initializers, inputs }))
  const data = { file: path.join(folder, 'rows.csv'), target: 'label', features: ['a', 'b', 'c'] }
  await expect(prepareRun(run({ onnx: file }, { data }))).rejects.toMatchObject({
    code: 'MODEL_DATA_MISFIT',
    next: expect.stringContaining('set train.batch to 5'),
  })
})

test('data beside a file is read from its folder only', async () => {
  const loss = { loss: 'mse' } as const
  await expect(importOnnx(path.join(fixtures, 'recurrent-loss.onnx'), {})).resolves.toMatchObject({
    batch: null,
  })
  const alone = path.join(folder, 'recurrent-loss.onnx')
  await copyFile(path.join(fixtures, 'recurrent-loss.onnx'), alone)
  await expect(importOnnx(alone, loss)).rejects.toMatchObject({ code: 'ONNX_UNREADABLE' })
  await symlink(
    path.join(fixtures, 'recurrent-loss.onnx.data'),
    path.join(folder, 'recurrent-loss.onnx.data'),
  )
  await expect(importOnnx(alone, loss)).rejects.toThrow(/leads out of the folder/)
})
