import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import type { DataSection } from '../../protocol/data-section.ts'
import { isText, loadRows, loadText, rowsOf, textOf } from './load-data.ts'
import { folderTexts, joined } from './texts.ts'

let folder: string
const at = (name: string) => path.join(folder, name)
const fixture = (name: string) => path.join(import.meta.dirname, 'fixtures', name)
beforeAll(async () => {
  folder = await mkdtemp(path.join(tmpdir(), 'murmur-load-'))
  await mkdir(at('texts/deeper'), { recursive: true })
  await mkdir(at('empty'))
  await mkdir(at('binary'))
  await writeFile(at('texts/b.txt'), 'second')
  await writeFile(at('texts/B.md'), 'first: capitals come before')
  await writeFile(at('texts/é.txt'), 'third')
  await writeFile(at('texts/.hidden'), 'no')
  await writeFile(at('texts/deeper/c.txt'), 'no')
  await writeFile(at('binary/a.txt'), Buffer.of(65, 0, 66))
  await writeFile(
    at('rows.jsonl'),
    '{"text":"naïve","x":1,"kind":"a"}\n{"text":"","x":2,"kind":"b"}\n{"text":"last","x":3,"kind":"a"}\n',
  )
  await writeFile(at('rows.csv'), 'x,kind\n1,a\n2,b\n3,a\n')
  await writeFile(at('book.txt'), 'a book')
})
afterAll(() => rm(folder, { recursive: true }))

const text = async (data: DataSection) => Buffer.from(await textOf(data)).toString()

test('text of a file, of a folder in the order of names, of a field', async () => {
  expect(await text({ file: at('book.txt') })).toBe('a book')
  expect(await text({ folder: at('texts') })).toBe('first: capitals come before\n\nsecond\n\nthird')
  expect(await text({ file: at('rows.jsonl'), field: 'text' })).toBe('naïve\n\n\n\nlast')
  const notes = await text({ file: fixture('table.parquet'), field: 'note' })
  expect(notes.split('\n\n')).toHaveLength(40)
  expect(notes.endsWith('note 39, naïve')).toBe(true)
  expect(await text({ file: at('rows.csv'), format: 'text' })).toBe('x,kind\n1,a\n2,b\n3,a\n')
  expect((await text({ builtin: 'moby-dick' })).length).toBeGreaterThan(1_000_000)
})

test('what a section says is text', () => {
  const cases: [DataSection, boolean][] = [
    [{ builtin: 'moby-dick' }, true],
    [{ builtin: 'mnist' }, false],
    [{ folder: 'x' }, true],
    [{ file: 'book' }, true],
    [{ file: 'x.CSV' }, false],
    [{ file: 'x.csv', format: 'text' }, true],
    [{ file: 'x.parquet', field: 'text' }, true],
    [{ file: 'x.ndjson' }, false],
    [{ file: 'train-images-idx3-ubyte' }, false],
    [{ file: 'x.txt', task: 'classification' }, false],
  ]
  for (const [data, is] of cases) expect(isText(data), JSON.stringify(data)).toBe(is)
})

test('rows of every format', async () => {
  const shape = async (data: DataSection) => (await rowsOf(data)).shape
  expect(await shape({ file: at('rows.csv'), target: 'kind' })).toEqual([1])
  expect(await shape({ file: at('rows.jsonl'), target: 'kind', features: ['x'] })).toEqual([1])
  expect(
    await shape({ file: fixture('table.parquet'), target: ['kind'], features: ['width', 'height'] }),
  ).toEqual([2])
  expect(await shape({ file: fixture('values.npy'), labels: fixture('labels.npy') })).toEqual([1, 2, 3])
  expect(await shape({ builtin: 'mnist' })).toEqual([1, 28, 28])
})

test('columns are standardized and arrays are not, unless the section says so', async () => {
  const scale = async (data: DataSection) => {
    const { format } = (await loadRows(data)).manifest
    return format.kind === 'rows' ? format.features?.means.length : undefined
  }
  const table = { file: fixture('table.parquet'), target: 'kind', features: ['width', 'count'] }
  expect(await scale(table)).toBe(2)
  expect(await scale({ ...table, standardize: false })).toBeUndefined()
  const array = { file: fixture('values.npy'), labels: fixture('labels.npy') }
  expect(await scale(array)).toBeUndefined()
  expect(await scale({ ...array, standardize: true })).toBe(6)
})

test.each<[string, () => Promise<unknown>, string]>([
  ['a folder that is not there', () => textOf({ folder: at('none') }), 'DATA_MISSING'],
  ['a folder without files', () => textOf({ folder: at('empty') }), 'DATA_EMPTY'],
  ['a folder with a file that is no text', () => textOf({ folder: at('binary') }), 'DATA_NOT_TEXT'],
  [
    'more text than memory is to hold',
    async () => joined(await folderTexts(at('texts')), 40),
    'DATA_TOO_LARGE',
  ],
  ['a field that is not named', () => textOf({ file: at('rows.jsonl') }), 'DATA_FIELD_MISSING'],
  ['a field of numbers', () => textOf({ file: at('rows.jsonl'), field: 'x' }), 'DATA_VALUE_INVALID'],
  [
    'a field that there is not',
    () => textOf({ file: at('rows.jsonl'), field: 'txt' }),
    'DATA_COLUMN_MISSING',
  ],
  ['text of a table', () => textOf({ file: at('rows.csv') }), 'DATA_NOT_TEXT'],
  ['rows of a book', () => rowsOf({ file: at('book.txt') }), 'DATA_NOT_ROWS'],
  ['rows of a folder', () => rowsOf({ folder: at('texts') }), 'DATA_NOT_ROWS'],
  ['rows without a target', () => rowsOf({ file: at('rows.csv') }), 'DATA_TARGET_MISSING'],
  ['an array without labels', () => rowsOf({ file: fixture('values.npy') }), 'DATA_TARGET_MISSING'],
])('%s: refused', async (_, read, code) => {
  await expect(read()).rejects.toMatchObject({ code, exit: 'usage' })
})

test('blank lines among rows of JSON are no rows', async () => {
  const rows = Array.from({ length: 20 }, (_, row) => JSON.stringify({ x: row, kind: row % 2 }))
  await writeFile(at('blank.jsonl'), rows.join('\n\n'))
  const { manifest } = await loadRows({ file: at('blank.jsonl'), target: 'kind' })
  expect(manifest.trainCount + manifest.heldOutCount).toBe(20)
})

const wordy: DataSection = {
  target: 'x',
  features: ['x'],
  labels: 'x',
  standardize: true,
  split: 'by-label',
  shards: 100,
  seed: 3,
}
const array = { file: fixture('values.npy'), labels: fixture('labels.npy') }
const table = { file: fixture('table.parquet'), target: 'kind', features: ['width'] }
const asText = (data: DataSection) => loadText(data, null, 1)

test.each<[string, (data: DataSection) => Promise<unknown>, DataSection, readonly string[]]>([
  ['all keys of rows, of a built-in text', asText, { builtin: 'moby-dick', ...wordy }, Object.keys(wordy)],
  ['all keys of rows, of a book', asText, { file: 'book.txt', ...wordy }, Object.keys(wordy)],
  ['a field of a book', asText, { file: 'book.txt', field: 'text' }, ['field']],
  ['classes of a book', asText, { file: 'book.txt', task: 'classification' }, ['task']],
  ['columns of an array', loadRows, { ...array, target: 'x', features: ['x'] }, ['target', 'features']],
  ['labels of a table', loadRows, { ...table, labels: 'x' }, ['labels']],
  ['a tokenizer of digits', loadRows, { builtin: 'mnist', tokenizer: 'x' }, ['tokenizer']],
  ['a language of rows', loadRows, { ...table, task: 'language' }, ['task']],
])('%s: refused, for it would change nothing', async (_, load, data, keys) => {
  const here = data.file === 'book.txt' ? { ...data, file: at('book.txt') } : data
  const refused = await load(here).catch((error: unknown) => error)
  expect(refused).toMatchObject({ code: 'DATA_KEY_UNUSED', exit: 'usage' })
  for (const key of keys) expect(String(refused)).toContain(`data.${key}: `)
})
