import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import fc from 'fast-check'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { idxHeader, npyHeader } from './array-header.ts'
import { arrayRows } from './array-rows.ts'
import type { RowSource } from './row-source.ts'

const fixture = (name: string) => path.join(import.meta.dirname, 'fixtures', name)
let folder: string
beforeAll(async () => {
  folder = await mkdtemp(path.join(tmpdir(), 'murmur-array-'))
})
afterAll(() => rm(folder, { recursive: true }))

async function fileOf(name: string, content: Uint8Array): Promise<string> {
  const file = path.join(folder, name)
  await writeFile(file, content)
  return file
}

async function rowsOf(source: RowSource) {
  const rows: [number[], readonly unknown[]][] = []
  await source.read((inputs, targets, row) => {
    expect(row).toBe(rows.length + 1)
    rows.push([Array.from(inputs), targets])
  })
  return rows
}

/** An IDX file of bytes. */
const idx = (shape: readonly number[], values: readonly number[], type = 8) =>
  Buffer.concat([
    Buffer.of(0, 0, type, shape.length),
    ...shape.map((size) => Buffer.of(0, 0, size >> 8, size & 255)),
    Buffer.from(values),
  ])

const npy = (header: string, body = new Uint8Array(), version = 1) =>
  Buffer.concat([
    Buffer.of(0x93, ...Buffer.from('NUMPY'), version, 0, header.length & 255, header.length >> 8),
    Buffer.from(header),
    body,
  ])

test('.npy as NumPy writes it: big-endian floats of an image, 64-bit labels', async () => {
  const source = await arrayRows('npy', fixture('values.npy'), fixture('labels.npy'))
  expect(source).toMatchObject({ shape: [1, 2, 3], type: 'f32', columns: null })
  const rows = await rowsOf(source)
  expect(rows).toHaveLength(40)
  expect(rows[39]).toEqual([[58.5, 58.75, 59, 59.25, 59.5, 59.75], [0]])
  expect(rows[38]![1]).toEqual([2])
})

test('IDX as MNIST is: grey images and a byte for each label', async () => {
  const images = await fileOf('images', idx([3, 2, 2], [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 255]))
  const labels = await fileOf('labels', idx([3], [7, 0, 9]))
  const source = await arrayRows('idx', images, labels)
  expect(source).toMatchObject({ shape: [1, 2, 2], type: 'u8' })
  expect(await rowsOf(source)).toEqual([
    [[0, 1, 2, 3], [7]],
    [[4, 5, 6, 7], [0]],
    [[8, 9, 10, 255], [9]],
  ])
})

test('rows are read in chunks that are shorter than the file', async () => {
  const [rows, width] = [300, 4000]
  const bytes = Uint8Array.from({ length: rows * width }, (_, at) => (at * 7) >> 3)
  const header = `{'descr': '|u1', 'fortran_order': False, 'shape': (${rows}, ${width}), }\n`
  const values = await fileOf('long.npy', npy(header, bytes))
  const labels = await fileOf(
    'long-labels.npy',
    npy(`{'descr': '<f4', 'fortran_order': False, 'shape': (${rows},), }\n`, new Uint8Array(4 * rows)),
  )
  let row = 0
  await (await arrayRows('npy', values, labels)).read((inputs) => {
    const expected = bytes.subarray(row * width, ++row * width)
    expect(Buffer.compare(Uint8Array.from(inputs as ArrayLike<number> & Iterable<number>), expected)).toBe(0)
  })
  expect(row).toBe(rows)
})

const plain = "{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), }\n"
test.each<[string, Uint8Array, RegExp]>([
  ['nothing of NumPy', Buffer.from('not an array at all'), /not a \.npy file/],
  ['a version of the future', npy(plain, undefined, 9), /version 9/],
  ['a header that is cut', npy(plain).subarray(0, 40), /cut or too long/],
  ['objects', npy(plain.replace('<f4', '|O')), /not of plain numbers/],
  ['complex numbers', npy(plain.replace('f4', 'c8')), /type c8/],
  ['records', npy(plain.replace("'<f4'", "[('a', '<f4')]")), /not of plain numbers/],
  ['Fortran order', npy(plain.replace('False', 'True')), /Fortran/],
  ['a shape beyond all', npy(plain.replace('2, 3', '99999999999, 99999999999')), /of shape/],
  ['no rows', npy(plain.replace('2, 3', '0, 3')), /of shape/],
  ['a program', npy("__import__('os')"), /not of plain numbers/],
])('a .npy of %s is refused', (_, bytes, message) => {
  expect(() => npyHeader(bytes, 'x.npy')).toThrow(
    expect.objectContaining({ code: 'DATA_MALFORMED', message: expect.stringMatching(message) }),
  )
})

test('IDX that is compressed, of unknown elements or without dimensions is refused', () => {
  for (const bytes of [Buffer.of(0x1f, 0x8b, 8, 0), idx([2], [1, 2], 7), idx([], []), Buffer.of(0, 0, 8, 3)])
    expect(() => idxHeader(bytes, 'x')).toThrow(expect.objectContaining({ code: 'DATA_MALFORMED' }))
})

test('files that do not belong together, or are not as long as they say', async () => {
  const images = await fileOf('images2', idx([2, 2], [1, 2, 3, 4]))
  const three = await fileOf('labels3', idx([3], [1, 2, 3]))
  await expect(arrayRows('idx', images, three)).rejects.toMatchObject({ code: 'DATA_LABELS_MISFIT' })
  const short = await fileOf('short', idx([2, 2], [1, 2, 3]))
  await expect(arrayRows('idx', short, images)).rejects.toMatchObject({
    code: 'DATA_MALFORMED',
    message: expect.stringContaining('has 15 bytes, its header says 16'),
  })
  await expect(arrayRows('idx', images, path.join(folder, 'none'))).rejects.toMatchObject({
    code: 'DATA_MISSING',
  })
})

test('damaged headers are refused or read, never more', () => {
  const headers = [npy(plain), idx([2, 3], [1, 2, 3, 4, 5, 6])] as const
  fc.assert(
    fc.property(fc.nat(1), fc.nat(80), fc.nat(255), fc.nat(90), (which, at, byte, length) => {
      const bytes = Buffer.from(headers[which]!.subarray(0, length))
      if (at < bytes.length) bytes[at] = byte
      try {
        const { shape } = (which === 0 ? npyHeader : idxHeader)(bytes, 'x')
        expect(shape.every((size) => Number.isSafeInteger(size) && size > 0)).toBe(true)
      } catch (error) {
        expect(error).toMatchObject({ code: 'DATA_MALFORMED' })
      }
    }),
    { numRuns: 500 },
  )
})

test('targets that are no numbers are refused with their row, not taken for the name of a class', async () => {
  for (const bad of [Number.NaN, Number.POSITIVE_INFINITY]) {
    const header = "{'descr': '<f8', 'fortran_order': False, 'shape': (3,), }\n"
    const body = (values: readonly number[]) => new Uint8Array(Float64Array.from(values).buffer)
    const inputs = await fileOf('inputs.npy', npy(header, body([1, 2, 3])))
    const labels = await fileOf('bad.npy', npy(header, body([0.25, bad, 0.5])))
    await expect(rowsOf(await arrayRows('npy', inputs, labels))).rejects.toMatchObject({
      code: 'DATA_VALUE_INVALID',
      message: expect.stringContaining('bad.npy: row 2'),
    })
  }
})
