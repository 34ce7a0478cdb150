import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import fc from 'fast-check'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { csvTable } from './csv-table.ts'
import { jsonTable } from './json-table.ts'
import { parquetTable } from './parquet-table.ts'
import { tableRows } from './row-source.ts'
import { numberOf, type Table } from './table.ts'

let folder: string
beforeAll(async () => {
  folder = await mkdtemp(path.join(tmpdir(), 'murmur-table-'))
})
afterAll(() => rm(folder, { recursive: true }))

async function fileOf(name: string, content: string | Uint8Array): Promise<string> {
  const file = path.join(folder, name)
  await writeFile(file, content)
  return file
}

async function cellsOf(table: Table, wanted: readonly string[] = table.columns) {
  const rows: unknown[][] = []
  await table.read(wanted, (cells, row) => {
    expect(row).toBe(rows.length + 1)
    rows.push([...cells])
  })
  return rows
}

test('CSV as the world writes it: a byte-order mark, quotes, line ends within them, CRLF, blank lines', async () => {
  const file = await fileOf('a.csv', '\uFEFFx, y,"the, name"\r\n1,2,"a ""b""\r\nc"\r\n\r\n-1e3,.5,\r\n')
  const table = await csvTable(file)
  expect(table.columns).toEqual(['x', 'y', 'the, name'])
  expect(await cellsOf(table)).toEqual([
    ['1', '2', 'a "b"\r\nc'],
    ['-1e3', '.5', ''],
  ])
  expect(await cellsOf(table, ['y', 'x'])).toEqual([
    ['2', '1'],
    ['.5', '-1e3'],
  ])
  const tabs = await csvTable(await fileOf('a.tsv', 'x\ty\n1\t2\n'))
  expect(await cellsOf(tabs)).toEqual([['1', '2']])
})

test('JSON Lines: lines that reach over chunks, blank ones, no line end at the end, names like __proto__', async () => {
  const long = 'é'.repeat(400_000)
  const file = await fileOf(
    'a.jsonl',
    `{"x":1,"y":"${long}"}\n\n{"y":"b","x":2}\n \n{"__proto__":3,"x":4,"y":"c"}`,
  )
  const table = await jsonTable(file)
  expect(table.columns).toEqual(['x', 'y'])
  expect(await cellsOf(table)).toEqual([
    [1, long],
    [2, 'b'],
    [4, 'c'],
  ])
})

test('Parquet as pyarrow writes it: row groups, Snappy, 64-bit integers, text', async () => {
  const table = await parquetTable(fixture('table.parquet'))
  expect(table.columns).toEqual(['width', 'height', 'count', 'kind', 'note'])
  const rows = await cellsOf(table)
  expect(rows).toHaveLength(40)
  expect(rows[39]).toEqual([39 / 8, -78, 2n ** 40n + 39n, 'reed', 'note 39, naïve'])
  expect(await cellsOf(table, ['kind'])).toEqual(rows.map(([, , , kind]) => [kind]))
})

const fixture = (name: string) => path.join(import.meta.dirname, 'fixtures', name)

test.each(['gzip', 'brotli', 'zstd', 'lz4'])('Parquet packed by %s holds the same', async (codec) => {
  const table = await parquetTable(fixture(`table-${codec}.parquet`))
  expect(await cellsOf(table)).toEqual(await cellsOf(await parquetTable(fixture('table.parquet'))))
})

test('bytes of a Parquet file that are changed or cut off are read or refused, never trusted', async () => {
  const codecs = ['', '-gzip', '-brotli', '-zstd', '-lz4']
  const files = await Promise.all(codecs.map((codec) => readFile(fixture(`table${codec}.parquet`))))
  const share = fc.double({ min: 0, max: 0.999, noNaN: true })
  const changes = fc.array(fc.tuple(share, fc.nat(255)), { minLength: 1, maxLength: 3 })
  let refused = 0
  const property = fc.asyncProperty(
    fc.constantFrom(...files),
    changes,
    fc.option(share, { nil: 1, freq: 8 }),
    async (file, places, kept) => {
      const bytes = Uint8Array.from(file)
      for (const [place, value] of places) bytes[Math.floor(place * bytes.length)] = value
      const at = await fileOf('fuzz.parquet', bytes.subarray(0, Math.ceil(kept * bytes.length)))
      try {
        const table = await parquetTable(at)
        await table.read(table.columns, () => {})
      } catch (error) {
        refused++
        expect(error).toMatchObject({ code: expect.stringMatching(/^DATA_/), exit: 'usage' })
      }
    },
  )
  await fc.assert(property, { numRuns: 150, seed: 1 })
  expect(refused).toBeGreaterThan(20)
})

const one = { targets: ['y'], features: undefined }

test('a column whose name no manifest can hold is refused, unless it is left out', async () => {
  const long = 'a'.repeat(257)
  const table = await csvTable(await fileOf('long-name.csv', `x,${long},y\n1,2,3\n`))
  expect(() => tableRows(table, one)).toThrow(
    expect.objectContaining({ code: 'DATA_TOO_LARGE', exit: 'usage' }),
  )
  expect(tableRows(table, { ...one, features: ['x'] }).shape).toEqual([1])
})

test.each<[string, string, string, RegExp]>([
  ['a.csv', 'x,y\n1,2\n1,two,3\n', 'DATA_MALFORMED', /line 3/],
  ['a.csv', 'x,y\n1,"2\n', 'DATA_MALFORMED', /Quote Not Closed.* line 2/],
  ['a.csv', 'x,x\n1,2\n', 'DATA_MALFORMED', /two columns have one name/],
  ['a.csv', 'x,y\n1,2\nfour,2\n', 'DATA_VALUE_INVALID', /row 2, column x: "four" is not a number/],
  ['a.csv', 'x,y\n1,2\n,2\n', 'DATA_VALUE_INVALID', /row 2, column x: nothing is not a number/],
  ['a.csv', 'x,y\n1e999,2\n', 'DATA_VALUE_INVALID', /row 1, column x: "1e999"/],
  ['a.csv', 'x,y\n1,\n', 'DATA_VALUE_INVALID', /row 1, column y: nothing is not a class or a number/],
  ['a.csv', 'abc,yy\n1,2\n', 'DATA_COLUMN_MISSING', /no column y, did you mean yy\?/],
  ['a.csv', 'y\n1\n', 'DATA_COLUMN_MISSING', /no features/],
  ['a.jsonl', '{"x":1,"y":2}\n{"x":1,"y":2\n', 'DATA_MALFORMED', /line 2 is not JSON/],
  ['a.jsonl', '{"x":1,"y":2}\n[1,2]\n', 'DATA_MALFORMED', /line 2 is not an object/],
  ['a.jsonl', '{"x":1,"y":2}\n\n{"x":true,"y":2}\n', 'DATA_VALUE_INVALID', /row 2, column x: true is not/],
  ['a.jsonl', '{"x":1,"y":2}\n{"x":1,"y":{}}\n', 'DATA_VALUE_INVALID', /row 2, column y: a list or object/],
  ['a.jsonl', '{"x":1,"y":2}\n{"y":1}\n', 'DATA_VALUE_INVALID', /row 2, column x: nothing/],
  ['a.parquet', 'PAR1 or not', 'DATA_MALFORMED', /not a Parquet file/],
])('%s %j: %s', async (name, content, code, message) => {
  const open = { csv: csvTable, jsonl: jsonTable, parquet: parquetTable }[name.slice(2)]!
  const read = async () => {
    const source = tableRows(await open(await fileOf(name, content)), one)
    await source.read(() => {})
  }
  await expect(read()).rejects.toMatchObject({ code, exit: 'usage', message: expect.stringMatching(message) })
})

test('a line has a bound, and is not held beyond it', async () => {
  const row = await fileOf('long.csv', `x,y\n1,${'2'.repeat(2 ** 20 + 9)}\n`)
  await expect(cellsOf(await csvTable(row))).rejects.toMatchObject({ code: 'DATA_MALFORMED' })
  const file = await fileOf('long.jsonl', Buffer.alloc(17 * 1024 * 1024, 0x20))
  await expect(jsonTable(file)).rejects.toMatchObject({ code: 'DATA_MALFORMED' })
})

test('a target may not be a feature', async () => {
  const table = await csvTable(await fileOf('b.csv', 'x,y\n1,2\n'))
  expect(() => tableRows(table, { targets: ['y'], features: ['x', 'y'] })).toThrow(
    expect.objectContaining({ code: 'DATA_COLUMN_TWICE' }),
  )
})

test('what is a number', () => {
  const numbers: [unknown, number | null][] = [
    [' -1.5e2 ', -150],
    ['.5', 0.5],
    ['5.', 5],
    [7n, 7],
    ...['', ' ', '0x10', '1_000', '1,5', 'NaN', 'Infinity', '1e400', 'e5', '.', '--1'].map(
      (text): [string, null] => [text, null],
    ),
    ...[null, undefined, true, Number.NaN, Number.POSITIVE_INFINITY, [1], {}].map((cell): [unknown, null] => [
      cell,
      null,
    ]),
  ]
  for (const [cell, value] of numbers) expect(numberOf(cell), String(cell)).toBe(value)
  fc.assert(
    fc.property(fc.double({ noNaN: true, noDefaultInfinity: true }), (x) => numberOf(String(x)) === x),
  )
})

test.each(['csv', 'jsonl', 'parquet'] as const)(
  'damaged %s is refused or read, never more',
  async (format) => {
    const open = { csv: csvTable, jsonl: jsonTable, parquet: parquetTable }[format]
    const { readFile } = await import('node:fs/promises')
    const whole =
      format === 'parquet'
        ? await readFile(fixture('table.parquet'))
        : Buffer.from(format === 'csv' ? 'x,y\n1,"2"\n3,4\n' : '{"x":1,"y":"2"}\n{"x":3,"y":4}\n')
    await fc.assert(
      fc.asyncProperty(
        fc.nat(whole.length - 1),
        fc.nat(255),
        fc.integer({ min: 1, max: whole.length }),
        async (at, byte, length) => {
          const damaged = Buffer.from(whole.subarray(0, length))
          if (at < length) damaged[at] = byte
          const file = await fileOf(`fuzz.${format}`, damaged)
          try {
            await cellsOf(await open(file))
          } catch (error) {
            expect(error).toMatchObject({ code: expect.stringMatching(/^DATA_/), exit: 'usage' })
          }
        },
      ),
      { numRuns: 60 },
    )
  },
)
