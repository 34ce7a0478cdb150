import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { afterAll, beforeAll, expect, test, vi } from 'vitest'
import { readHuggingFaceFolder } from '../checkpoints/hugging-face/folder.ts'
import { readSafetensors } from '../checkpoints/safetensors.ts'
import { openStore } from '../checkpoints/store.ts'
import { floatTensor, writeOnnx } from '../program/import/fixtures/write-onnx.ts'
import { elements } from '../program/operators/operator.ts'
import { designOf } from '../program/presets/gpt-shape.ts'
import { contentId } from '../protocol/content-id.ts'
import { type CidText, cidText, runId } from '../protocol/ids.ts'
import { parseRunFile } from '../protocol/run-spec.ts'
import { tinyRunFile } from '../test/tiny-run.ts'
import { exportCommand } from './checkpoint-commands.ts'
import { evalCommand } from './eval-command.ts'
import { said } from './fixtures/said.ts'
import { headFolder } from './home.ts'
import { sampleCommand } from './sample-command.ts'
import { type PreparedRun, prepareRun } from './submit.ts'

/* Heads’ stores with the checkpoints of a run that nobody trained: an epoch’s weights are those of a seed of its own. */

const drawing = { count: '12', temperature: '0', topK: '1', seed: '0', prompt: 'Call' }

let home: string
/** Of a head with all epochs, of one that took over before the third, of one that was away for the second. */
let homes: { readonly all: string; readonly late: string; readonly gap: string }
let prepared: PreparedRun
/** By epoch. */
let written: readonly CidText[]
let thetas: readonly Float32Array[]
/** A checkpoint that is not of that chain, and has the mean of its last three as its weights. */
let twin: CidText

type Write = (theta: Float32Array, epoch: number, parent: CidText | null) => Promise<CidText>

/** All that a run has goes to the first store, to the others no more than a mean needs. */
async function inStore<T>(
  of: string,
  { run, spec, blocks, model }: PreparedRun,
  work: (write: Write) => Promise<T>,
): Promise<T> {
  const store = await openStore(headFolder(of))
  for (const [cid, bytes] of blocks) {
    const needed = of === homes.all || cid === cidText(run) || cid === spec.programs.training
    if (needed) await store.blocks.put(cid, bytes)
  }
  const links = { run, program: spec.programs.training, data: spec.data }
  const result = await work(async (theta, epoch, parent) => {
    const place = { ...links, round: 2 * epoch + 1, epoch, parent }
    return (await store.writeCheckpoint({ theta, vectors: [] }, model.table, place)).manifestCid
  })
  await store.close()
  return result
}

beforeAll(async () => {
  home = await mkdtemp(path.join(tmpdir(), 'murmur-average-'))
  homes = { all: path.join(home, 'all'), late: path.join(home, 'late'), gap: path.join(home, 'gap') }
  prepared = await prepareRun(await tinyRunFile(home, { train: { freeze: ['token_embedding'] } }), 'test')
  const { model } = prepared
  thetas = Array.from({ length: 5 }, (_, seed) => {
    const theta = model.initialWeights(seed)
    theta.set(model.initialWeights(0).subarray(model.movingCount), model.movingCount)
    return theta
  })
  written = await inStore(homes.all, prepared, async (write) => {
    const cids: CidText[] = []
    for (const [epoch, theta] of thetas.entries()) cids.push(await write(theta, epoch, cids.at(-1) ?? null))
    twin = await write(meanOf(thetas.slice(2)), 9, null)
    return cids
  })
  const kept = [
    [homes.late, [2, 3, 4]],
    [homes.gap, [0, 2, 3, 4]],
  ] as const
  for (const [of, epochs] of kept) {
    await inStore(of, prepared, async (write) => {
      for (const epoch of epochs) await write(thetas[epoch]!, epoch, written[epoch - 1] ?? null)
    })
  }
})
afterAll(() => rm(home, { recursive: true }))

function meanOf(vectors: readonly Float32Array[]): Float32Array {
  return vectors[0]!.map((_, index) => {
    let sum = 0
    for (const vector of vectors) sum += vector[index]!
    return sum / vectors.length
  })
}

const exported = (cid: string, out: string, average: string, of = homes.all) =>
  exportCommand(cid, { out: path.join(home, out), format: 'safetensors', average, home: of })
const measured = async (name: string, average?: string, of = homes.all) =>
  JSON.parse(await said(() => evalCommand(name, { batches: '4', average, home: of, json: true })))
const sampled = (name: string | undefined, average?: string, json = false, of = homes.all) =>
  said(() => sampleCommand(name, { ...drawing, average, home: of, json }))

/** What a command writes to standard error. */
async function told(work: () => Promise<unknown>): Promise<string> {
  const stderr = vi.spyOn(process.stderr, 'write').mockImplementation(() => true)
  try {
    await work()
    return stderr.mock.calls.map(([part]) => String(part)).join('')
  } finally {
    stderr.mockRestore()
  }
}

test('export writes the mean of the last three, says so, and gives the same bytes from another store', async () => {
  let printed = ''
  const note = await told(async () => {
    printed = await said(() => exported(written[4]!, 'mean', '3'))
  })
  expect(printed).toBe(`${path.join(home, 'mean', 'model.safetensors')}\n`)
  expect(note).toBe('the mean of 3 checkpoints, epochs 3 to 5\n')
  const file = await readFile(path.join(home, 'mean', 'model.safetensors'))
  const { tensors, metadata } = readSafetensors(file)
  const last = [written[4], written[3], written[2]]
  expect(Object.fromEntries(metadata)).toEqual({ format: 'pt', averaged: last.join(' ') })
  const mean = meanOf(thetas.slice(2))
  const { table } = prepared.model
  expect([...tensors.keys()]).toEqual(table.map(({ name }) => name))
  for (const { name, shape, offset, role } of table) {
    const values = new Float32Array(Uint8Array.from(tensors.get(name)!.bytes).buffer)
    const place = [offset, offset + elements(shape)] as const
    expect(values, name).toEqual(mean.slice(...place))
    if (role === 'frozen') expect(values, name).toEqual(thetas[4]!.slice(...place))
  }
  expect(table.filter(({ role }) => role === 'frozen').map(({ name }) => name)).toEqual(['token_embedding'])

  const description = JSON.parse(await readFile(path.join(home, 'mean', 'checkpoint.json'), 'utf8'))
  expect(description.averaged).toMatchObject([
    { checkpoint: last[0], epoch: 4, round: 9 },
    { checkpoint: last[1], epoch: 3, round: 7 },
    { checkpoint: last[2], epoch: 2, round: 5 },
  ])
  expect(description).toMatchObject({ run: prepared.run, parameters: mean.length })
  expect(description).not.toHaveProperty('stateRoot')

  await told(() => said(() => exported(written[4]!, 'again', '3', homes.late)))
  expect(await readFile(path.join(home, 'again', 'model.safetensors'))).toEqual(file)
  await expect(exported(written[4]!, 'mean', '2')).rejects.toMatchObject({ code: 'EXPORT_EXISTS' })
})

test('eval and sample run the mean, and name what it is of', async () => {
  const { checkpoint, averaged, ...evaluation } = await measured(written[4]!, '3')
  expect([checkpoint, averaged]).toEqual([written[4], [written[4], written[3], written[2]]])
  expect(await measured(twin)).toEqual({ checkpoint: twin, ...evaluation })
  expect((await measured(written[4]!)).lossNats).not.toBe(evaluation.lossNats)
  const text = await said(() =>
    evalCommand(written[4]!, { batches: '1', average: '3', home: homes.all, json: false }),
  )
  expect(text).toMatch(/ of the held-out part, by the mean of 3 checkpoints, epochs 3 to 5\n$/)

  const drawn = JSON.parse(await sampled(written[4]!, '3', true))
  expect(drawn).toMatchObject({ checkpoint: written[4], averaged })
  expect(drawn.text).toBe(JSON.parse(await sampled(twin, undefined, true)).text)
  expect(await told(() => sampled(written[4]!, '3'))).toBe('the mean of 3 checkpoints, epochs 3 to 5\n')
})

test('the count reaches back to the first epoch', async () => {
  expect((await measured(written[4]!, '5')).averaged).toEqual(written.toReversed())
})

test.each([
  ['all', '6', 'AVERAGE_TOO_FEW', /of 6 .* 5 in a row up to epoch 5 are here: there is none before them$/],
  ['late', '5', 'AVERAGE_TOO_FEW', /of 5 .* 3 in a row .* that of epoch 2 \(baf\w+\) is not here$/],
  ['gap', '4', 'AVERAGE_GAP', /lacks the checkpoint of epoch 2 \(baf\w+\), though it has earlier ones$/],
] as const)('of the store %s, %s are refused: %s', async (of, average, code, message) => {
  const next = expect.stringContaining(`give --average ${of === 'all' ? 5 : 3}, or fewer`)
  const refused = { code, exit: 'usage', message: expect.stringMatching(message), next }
  await expect(exported(written[4]!, 'refused', average, homes[of])).rejects.toMatchObject(refused)
  await expect(measured(written[4]!, average, homes[of])).rejects.toMatchObject(refused)
  await expect(sampled(written[4]!, average, true, homes[of])).rejects.toMatchObject(refused)
  await expect(readFile(path.join(home, 'refused', 'model.safetensors'))).rejects.toThrow('ENOENT')
})

test('a parent that is named here and whose files are not is as one that is missing', async () => {
  const of = path.join(home, 'cut-off')
  await inStore(of, prepared, async (write) => {
    for (const epoch of [3, 4]) await write(thetas[epoch]!, epoch, written[epoch - 1]!)
  })
  const [whole, cutOff] = [await openStore(headFolder(homes.all)), await openStore(headFolder(of))]
  await cutOff.blocks.put(written[2]!, (await whole.blocks.get(written[2]!))!)
  await Promise.all([whole.close(), cutOff.close()])
  await expect(measured(written[4]!, '3', of)).rejects.toMatchObject({
    ...{ code: 'AVERAGE_TOO_FEW', next: 'give --average 2, or fewer' },
    message: expect.stringMatching(/of epoch 3 \(baf\w+\) is not all here$/),
  })
})

test('a checkpoint of a run that this version cannot read keeps nobody from those of others', async () => {
  const of = path.join(home, 'foreign')
  const { blocks, model, run, spec } = prepared
  const unread = new TextEncoder().encode('of another version')
  const another = runId(contentId(unread, 'dag-cbor'))
  const store = await openStore(headFolder(of))
  for (const [cid, bytes] of [...blocks, [cidText(another), unread] as const])
    await store.blocks.put(cid, bytes)
  const links = { program: spec.programs.training, data: spec.data, parent: null }
  const state = { theta: thetas[0]!, vectors: [] }
  const place = { ...links, run, round: 1, epoch: 0 }
  const { manifestCid } = await store.writeCheckpoint(state, model.table, place)
  await store.writeCheckpoint(state, model.table, { ...place, run: another, round: 15, epoch: 7 })
  await store.close()
  const text = await sampled(spec.name, undefined, true, of)
  expect(JSON.parse(text)).toMatchObject({ checkpoint: manifestCid })
})

test('the first epoch alone has no mean', async () => {
  const refused = { code: 'AVERAGE_TOO_FEW', next: 'leave --average out' }
  await expect(measured(written[0]!, '2')).rejects.toMatchObject(refused)
})

test('the oldest is added first', async () => {
  const { model } = prepared
  const cid = await inStore(homes.late, prepared, async (write) => {
    let newest: CidText | null = null
    for (const [epoch, value] of [2 ** 100, -(2 ** 100), 1].entries())
      newest = await write(new Float32Array(model.parameterCount).fill(value, 0, 1), epoch, newest)
    return newest!
  })
  await told(() => said(() => exported(cid, 'ordered', '3', homes.late)))
  const { tensors } = readSafetensors(await readFile(path.join(home, 'ordered', 'model.safetensors')))
  const { bytes } = tensors.get(model.table[0]!.name)!
  expect(new Float32Array(Uint8Array.from(bytes).buffer)[0]).toBe(Math.fround(1 / 3))
})

test('a parent of another epoch than the one before is a gap, one of another run or with other parameters is refused', async () => {
  const file = await tinyRunFile(home, { train: { freeze: ['token_embedding'] } })
  const other = await prepareRun(file, 'another')
  const theta = thetas[0]!
  const leap = await inStore(homes.late, prepared, (write) => write(theta, 7, written[4]!))
  await expect(exported(leap, 'refused', '2', homes.late)).rejects.toMatchObject({
    ...{ code: 'AVERAGE_GAP', message: expect.stringContaining('epoch 7: the one before is of 5') },
  })
  const stray = await inStore(homes.late, other, (write) => write(theta, 5, written[4]!))
  const table = prepared.model.table.map((place) => ({ ...place, name: `${place.name}.other` }))
  const renamed = { ...prepared, model: { ...prepared.model, table } }
  const unlike = await inStore(homes.late, renamed, (write) => write(theta, 5, written[4]!))
  for (const cid of [stray, unlike])
    await expect(exported(cid, 'refused', '2', homes.late)).rejects.toMatchObject({
      code: 'CHECKPOINT_MISMATCH',
    })
})

test('low-rank factors are refused', async () => {
  const lora = { rank: 2, alpha: 4, targets: null }
  const run = await prepareRun(await tinyRunFile(home, { train: { lora } }))
  const cid = await inStore(homes.late, run, (write) => write(run.model.initialWeights(0), 0, null))
  await expect(exported(cid, 'refused', '2', homes.late)).rejects.toMatchObject({
    ...{ code: 'AVERAGE_UNFIT', exit: 'usage', message: expect.stringContaining('low-rank factors') },
  })
})

test('running statistics are refused', async () => {
  const three = (name: string, value: number) => floatTensor(name, [3], [value, value, value])
  const nodes = [
    { op: 'BatchNormalization', from: ['x', 's', 'b', 'm', 'v'], to: ['h'] },
    { op: 'Gemm', from: ['h', 'w'], to: ['y'] },
  ]
  const weight = floatTensor('w', [3, 2], [1, 2, 3, 4, 5, 6])
  const initializers = [weight, three('s', 1), three('b', 0), three('m', 0), three('v', 1)]
  const onnx = path.join(home, 'normalized.onnx')
  await writeFile(onnx, writeOnnx({ nodes, initializers }))
  const file = path.join(home, 'rows.csv')
  const rows = Array.from({ length: 60 }, (_, row) => `${row},${row % 7},${row % 3},${row % 2}`)
  await writeFile(file, ['a,b,c,label', ...rows].join('\n'))
  const data = { file, target: 'label', task: 'classification' }
  const averaging = { compressor: 'int8' }
  const run = await prepareRun(
    parseRunFile({ model: { onnx }, data, averaging, train: { batch: 4 } }, 'run.yaml'),
  )
  const cid = await inStore(homes.late, run, (write) => write(run.model.initialWeights(0), 0, null))
  await expect(exported(cid, 'refused', '2', homes.late)).rejects.toMatchObject({
    ...{ code: 'AVERAGE_UNFIT', exit: 'usage', message: expect.stringContaining('BatchNorm') },
  })
})

test.each(['1', '65', '2.5', '-2', 'all', ''])('--average "%s" is no count', async (average) => {
  const refused = { code: 'COUNT_INVALID', exit: 'usage' }
  await expect(exported(written[4]!, 'refused', average)).rejects.toMatchObject(refused)
  await expect(measured(written[4]!, average)).rejects.toMatchObject(refused)
  await expect(sampled(written[4]!, average)).rejects.toMatchObject(refused)
})

test('a Hugging Face folder of a mean has its weights, and says so', async () => {
  const model = { layers: 1, width: 16, heads: 2, context: 16, style: 'gpt2' } as const
  const run = await prepareRun(await tinyRunFile(home, { model }))
  const both = [run.model.initialWeights(0), run.model.initialWeights(1)] as const
  const [first, second] = await inStore(homes.all, run, async (write) => {
    const cid = await write(both[0], 0, null)
    return [cid, await write(both[1], 1, cid)] as const
  })
  const out = path.join(home, 'folder')
  const options = { out, format: 'hugging-face', average: '2', home: homes.all }
  expect(await told(() => said(() => exportCommand(second, options)))).toBe(
    'the mean of 2 checkpoints, epochs 1 to 2\n',
  )
  const { metadata } = readSafetensors(await readFile(path.join(out, 'model.safetensors')))
  expect(Object.fromEntries(metadata)).toEqual({ format: 'pt', averaged: `${second} ${first}` })
  const weights = await readHuggingFaceFolder(out, designOf(model), run.model.table)
  expect(weights).toEqual(meanOf(both))
})
