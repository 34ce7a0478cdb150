import { mkdtemp, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import fc from 'fast-check'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { initialWeights } from '../../program/initial-weights.ts'
import { gptParameters } from '../../program/presets/gpt-parameters.ts'
import { designOf } from '../../program/presets/gpt-shape.ts'
import { type Tensor, writeSafetensors } from '../safetensors.ts'
import { readHuggingFaceFolder, writeHuggingFaceFolder } from './folder.ts'
import { folderTensors } from './shards.ts'

let folder: string
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'murmur-shards-'))
})
afterAll(() => rm(folder, { recursive: true }))

const tensorOf = (...values: readonly number[]): Tensor => ({
  ...{ dtype: 'F32', shape: [values.length] },
  bytes: new Uint8Array(Float32Array.from(values).buffer),
})
const fileOf = (tensors: Readonly<Record<string, Tensor>>) =>
  writeSafetensors({ tensors: new Map(Object.entries(tensors)), metadata: new Map() })
const two = { 'a.safetensors': fileOf({ x: tensorOf(1) }), 'b.safetensors': fileOf({ y: tensorOf(2, 3) }) }
const indexOf = (weightMap: object) => JSON.stringify({ metadata: { total_size: 12 }, weight_map: weightMap })
const good = indexOf({ x: 'a.safetensors', y: 'b.safetensors' })

async function folderOf(files: Readonly<Record<string, string | Uint8Array>>): Promise<string> {
  const own = await mkdtemp(join(folder, 'model-'))
  for (const [name, content] of Object.entries(files)) await writeFile(join(own, name), content)
  return own
}

test('the shards of an index are one model', async () => {
  const design = designOf({ layers: 1, width: 8, heads: 2, context: 6, style: 'gpt2' })
  const { parameters: table } = gptParameters(design)
  const theta = initialWeights(gptParameters(design), 1)
  const own = await folderOf({})
  await writeHuggingFaceFolder(own, { theta, table, design, tokenizer: null })
  const whole = [...(await folderTensors(own))]
  await rm(join(own, 'model.safetensors'))
  const halves = [whole.slice(0, 5), whole.slice(5)]
  const names = halves.map((_, part) => `model-0000${part + 1}-of-00002.safetensors`)
  for (const [part, half] of halves.entries())
    await writeFile(join(own, names[part]!), fileOf(Object.fromEntries(half)))
  const map = halves.flatMap((half, part) => half.map(([name]) => [name, names[part]!]))
  await writeFile(join(own, 'model.safetensors.index.json'), indexOf(Object.fromEntries(map)))
  expect(await readHuggingFaceFolder(own, design)).toEqual(theta)
})

test('one file goes before an index', async () => {
  const whole = { 'model.safetensors': fileOf({ z: tensorOf(7) }) }
  const own = await folderOf({ ...whole, 'model.safetensors.index.json': good })
  expect([...(await folderTensors(own)).keys()]).toEqual(['z'])
})

test('an index is read or refused, whatever it holds, and nothing outside of the folder with it', async () => {
  const own = await folderOf(two)
  const name = fc.constantFrom('x', 'y', '__proto__', 'constructor')
  const place = fc.oneof(
    fc.constantFrom('a.safetensors', 'b.safetensors', '../a.safetensors', '/a.safetensors', ''),
    fc.string({ maxLength: 30 }),
    fc.jsonValue({ maxDepth: 1 }),
  )
  const map = fc.array(fc.tuple(name, place), { maxLength: 4 })
  const text = fc.oneof(
    map.map(
      (entries) =>
        `{"weight_map": {${entries.map((pair) => pair.map((part) => JSON.stringify(part)).join(':')).join()}}}`,
    ),
    fc.json({ maxDepth: 2 }),
    fc.string({ maxLength: 60 }),
  )
  let taken = 0
  const property = fc.asyncProperty(text, async (index) => {
    await writeFile(join(own, 'model.safetensors.index.json'), index)
    try {
      const tensors = await folderTensors(own)
      expect([...tensors.keys()].every((key) => ['x', 'y'].includes(key))).toBe(true)
      taken++
    } catch (error) {
      expect(error).toMatchObject({ code: expect.stringMatching(/^PRETRAINED_/), exit: 'usage' })
    }
  })
  const [a, b] = [JSON.stringify('a.safetensors'), JSON.stringify('b.safetensors')]
  const examples: [string][] = [[`{"weight_map": {"x": ${a}, "y": ${b}}}`]]
  await fc.assert(property, { numRuns: 300, seed: 1, examples })
  expect(taken).toBeGreaterThan(0)
})

test.each<[string, Readonly<Record<string, string | Uint8Array>>, string, RegExp]>([
  ['neither', {}, 'PRETRAINED_UNREADABLE', /model\.safetensors/],
  ['an index that is no JSON', { ...two, index: '{' }, 'PRETRAINED_UNFIT', /weight_map/],
  ['an index of numbers', { ...two, index: indexOf({ x: 1 }) }, 'PRETRAINED_UNFIT', /weight_map/],
  ['an empty index', { ...two, index: indexOf({}) }, 'PRETRAINED_UNFIT', /0 files/],
  [
    'too many files',
    { index: indexOf(Object.fromEntries(Array.from({ length: 1001 }, (_, n) => [n, `${n}.safetensors`]))) },
    'PRETRAINED_UNFIT',
    /1001 files/,
  ],
  [
    'a file that is not there',
    { 'a.safetensors': two['a.safetensors'], index: good },
    'PRETRAINED_UNREADABLE',
    /b\.safetensors/,
  ],
  [
    'a tensor that the index puts elsewhere',
    { ...two, index: indexOf({ x: 'b.safetensors', y: 'b.safetensors' }) },
    'PRETRAINED_UNFIT',
    /b\.safetensors does not hold "x"/,
  ],
  [
    'a tensor that the index does not name',
    { ...two, 'a.safetensors': fileOf({ x: tensorOf(1), extra: tensorOf(1) }), index: good },
    'PRETRAINED_UNFIT',
    /"extra", which the index does not say/,
  ],
  [
    'a shard that is cut',
    { ...two, 'b.safetensors': two['b.safetensors'].subarray(0, -1), index: good },
    'SAFETENSORS_MALFORMED',
    /./,
  ],
  ...[
    '../secret.safetensors',
    '/etc/a.safetensors',
    'a/b.safetensors',
    'a\\b.safetensors',
    '..',
    '.a.safetensors',
    'a.bin',
    'a\0.safetensors',
  ].map((name): [string, Readonly<Record<string, string>>, string, RegExp] => [
    `the place ${JSON.stringify(name)}`,
    { index: indexOf({ x: name }) },
    'PRETRAINED_UNFIT',
    /no file of its folder/,
  ]),
])('%s is refused', async (_, { index, ...files }, code, message) => {
  const own = await folderOf({
    ...files,
    ...(index === undefined ? {} : { 'model.safetensors.index.json': index }),
  })
  await expect(folderTensors(own)).rejects.toMatchObject({ code, message: expect.stringMatching(message) })
})

test('all shards together have a limit, and a cache’s links to its files are followed', async () => {
  const own = await folderOf({ ...two, 'model.safetensors.index.json': good })
  const bytes = two['a.safetensors'].length + two['b.safetensors'].length
  expect((await folderTensors(own, bytes)).size).toBe(2)
  await expect(folderTensors(own, bytes - 1)).rejects.toMatchObject({ code: 'PRETRAINED_UNREADABLE' })
  const linked = await folderOf({ 'model.safetensors.index.json': good })
  for (const name of Object.keys(two)) await symlink(join(own, name), join(linked, name))
  expect((await folderTensors(linked)).size).toBe(2)
})
