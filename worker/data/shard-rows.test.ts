import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { itemBytes, type RowsFormat } from './format.ts'
import { parseDataManifest } from './manifest.ts'
import { mnistRows } from './mnist.ts'
import { heldOutRows, rowBatchAt } from './row-batches.ts'
import type { Cell, RowSource } from './row-source.ts'
import { type RowOptions, recordsOf, shardRows } from './shard-rows.ts'
import type { ShardedData } from './shards.ts'

type Row = readonly [readonly number[], readonly Cell[]]

const sourceOf = (rows: readonly Row[], changed: Partial<RowSource> = {}): RowSource => ({
  ...{ name: 'rows', shape: [rows[0]?.[0].length ?? 1], type: 'f32', columns: null },
  read: async (visit) => {
    for (const [index, [inputs, targets]] of rows.entries()) visit(inputs, targets, index + 1)
  },
  ...changed,
})

const options: RowOptions = { standardize: false, heldOutFraction: 0.1, split: 'shuffled', seed: 0 }

const formatOf = ({ manifest: { format } }: ShardedData): RowsFormat => {
  if (format.kind !== 'rows') throw new Error('not rows')
  return format
}

/** What the shards hold, row by row: inputs, then the target. */
function valuesOf(data: ShardedData, shards: readonly Uint8Array[]): number[][] {
  const format = formatOf(data)
  const rows = shards.reduce((sum, shard) => sum + shard.length / itemBytes(format), 0)
  return [...heldOutRows(shards, 1, rows, format)].map(({ inputs, targets }) =>
    [...(inputs as Float32Array), ...targets].map(Number),
  )
}

/** Row i has inputs i and 2 i and a class by its remainder. */
const numbered = (count: number, kinds = 3): Row[] =>
  Array.from({ length: count }, (_, row) => [[row, 2 * row], [row % kinds]])

test('every row is once in the shards or the held-out part, with its target, in an order drawn from the seed', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.integer({ min: 2, max: 300 }),
      fc.nat(5),
      fc.option(fc.integer({ min: 1, max: 400 }), { nil: undefined }),
      async (count, seed, wanted) => {
        const data = await shardRows(sourceOf(numbered(count)), { ...options, seed, shards: wanted })
        const held = valuesOf(data, data.heldOut)
        const all = [...held, ...valuesOf(data, data.shards)].sort((a, b) => a[0]! - b[0]!)
        expect(all).toEqual(numbered(count).map(([inputs, [kind]]) => [...inputs, kind]))
        expect(held).toHaveLength(Math.max(1, Math.round(count * 0.1)))
        expect(data.manifest).toMatchObject({ heldOutCount: held.length, trainCount: count - held.length })
        const lengths = data.manifest.shards.map((shard) => shard.count)
        expect(lengths).toHaveLength(Math.min(wanted ?? 32, count - held.length))
        expect(Math.max(...lengths) - Math.min(...lengths)).toBeLessThanOrEqual(1)
        expect(parseDataManifest(data.manifestBytes)).toEqual(data.manifest)
      },
    ),
    { numRuns: 40 },
  )
  const orders = await Promise.all(
    [0, 0, 1].map(async (seed) => shardRows(sourceOf(numbered(50)), { ...options, seed })),
  )
  const [first, again, other] = orders.map(({ manifestCid }) => manifestCid)
  expect(again).toBe(first)
  expect(other).not.toBe(first)
})

test('by label, each shard has few classes, and what is held out has all', async () => {
  const source = sourceOf(numbered(1000, 10))
  const kindsOf = (data: ShardedData, shard: Uint8Array) =>
    new Set(valuesOf(data, [shard]).map((row) => row[2])).size
  const [shuffled, sorted] = await Promise.all(
    (['shuffled', 'by-label'] as const).map((split) =>
      shardRows(source, { ...options, split, shards: 10, heldOutFraction: 0.2 }),
    ),
  )
  expect(Math.min(...shuffled!.shards.map((shard) => kindsOf(shuffled!, shard)))).toBe(10)
  expect(Math.max(...sorted!.shards.map((shard) => kindsOf(sorted!, shard)))).toBeLessThanOrEqual(3)
  expect(new Set(valuesOf(sorted!, sorted!.heldOut).map((row) => row[2])).size).toBe(10)
  expect(sorted!.heldOut).toEqual(shuffled!.heldOut)
})

describe('targets', () => {
  const of = (...cells: Cell[]): RowSource => sourceOf(cells.map((cell, row) => [[row], [cell]]))
  const told = async (source: RowSource, task?: RowOptions['task']) =>
    formatOf(await shardRows(source, { ...options, task }))

  test.each<[string, Cell[], RowOptions['task'], Partial<RowsFormat>]>([
    ['whole numbers from 0', [0, 1, 2, 1], undefined, { targets: { type: 'u8', classes: 3 }, labels: null }],
    [
      'words',
      ['oak', 'fern', 'oak'],
      undefined,
      { targets: { type: 'u8', classes: 2 }, labels: ['fern', 'oak'] },
    ],
    ['numbers with gaps', ['10', '9', '10'], undefined, { labels: ['9', '10'] }],
    ['numbers and words', ['b', '10', '9'], undefined, { labels: ['9', '10', 'b'] }],
    ['names of digits', ['007', '7'], undefined, { labels: ['007', '7'] }],
    ['fractions', [0.5, 1, 2], undefined, { targets: { type: 'f32', values: 1 }, labels: null }],
    ['whole numbers as quantities', [0, 1, 2], 'regression', { targets: { type: 'f32', values: 1 } }],
    ['fractions as classes', ['0.5', '1.5'], 'classification', { labels: ['0.5', '1.5'] }],
  ])('%s', async (_, cells, task, expected) => {
    expect(await told(of(...cells), task)).toMatchObject(expected)
  })

  test('many kinds of whole numbers are quantities, and 300 classes take two bytes', async () => {
    const cells = Array.from({ length: 300 }, (_, row) => row)
    expect((await told(of(...cells))).targets).toEqual({ type: 'f32', values: 1 })
    expect((await told(of(...cells), 'classification')).targets).toEqual({ type: 'u16', classes: 300 })
    const data = await shardRows(of(...cells), { ...options, task: 'classification' })
    const all = [...valuesOf(data, data.shards), ...valuesOf(data, data.heldOut)]
    expect(all.every(([input, kind]) => input === kind)).toBe(true)
  })

  test('several values', async () => {
    const data = await shardRows(sourceOf(Array.from({ length: 9 }, (_, i) => [[i], [i / 2, -i]])), options)
    expect(formatOf(data).targets).toEqual({ type: 'f32', values: 2 })
    for (const [input, half, minus] of valuesOf(data, data.shards))
      expect([2 * half!, -minus!]).toEqual([input, input])
  })
})

describe('standardized', () => {
  const rows: Row[] = Array.from({ length: 200 }, (_, row) => [[1e9 + row, 7, row % 2], [1000 * row + 0.5]])
  const columns = { features: ['time', 'same', 'parity'], targets: ['price'] }

  test('features and values have mean 0 and deviation 1 over the rows that are trained on, and scales in the manifest', async () => {
    const data = await shardRows(sourceOf(rows, { columns }), { ...options, standardize: true })
    const format = formatOf(data)
    const trained = valuesOf(data, data.shards)
    for (const [column, deviation] of [1, 0, 1, 1].entries()) {
      const values = trained.map((row) => row[column]!)
      const mean = values.reduce((sum, value) => sum + value, 0) / values.length
      const square = values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / values.length
      expect(mean).toBeCloseTo(0, 5)
      expect(Math.sqrt(square)).toBeCloseTo(deviation, 5)
    }
    expect(format.features!.means[1]).toBe(7)
    expect(format.features!.deviations[1]).toBe(1)
    // A time of ten digits keeps its seconds.
    const { means, deviations } = format.features!
    const times = trained.map(([time]) => Math.round(time! * deviations[0]! + means[0]! - 1e9))
    expect(new Set(times).size).toBe(180)
    const prices = trained.map((row) => row[3]! * format.values!.deviations[0]! + format.values!.means[0]!)
    expect(prices.every((price, row) => Math.abs(price - (1000 * times[row]! + 0.5)) < 0.1)).toBe(true)
  })

  test('other data is measured on the same scale, with the same classes', async () => {
    const named: Row[] = rows.map(([inputs], row) => [inputs, [row % 3 === 0 ? 'oak' : 'fern']])
    const data = await shardRows(sourceOf(named, { columns }), { ...options, standardize: true })
    const format = formatOf(data)
    const again = await recordsOf(sourceOf(named, { columns }), format)
    const item = itemBytes(format)
    const records = (bytes: Uint8Array) =>
      Array.from({ length: bytes.length / item }, (_, row) =>
        Buffer.from(bytes.subarray(row * item, (row + 1) * item)).toString('hex'),
      ).sort()
    expect(records(again)).toEqual(records(Buffer.concat([...data.heldOut, ...data.shards])))
    const stranger = sourceOf([[[1, 2, 3], ['elm']]], { columns })
    await expect(recordsOf(stranger, format)).rejects.toMatchObject({
      code: 'DATA_VALUE_INVALID',
      message: 'rows: row 1, price: "elm" is not one of the 2 classes',
    })
    await expect(recordsOf(sourceOf([[[1, 2], ['oak']]]), format)).rejects.toMatchObject({
      code: 'DATA_MISFIT',
    })
  })

  test('a class beyond those of the run is refused, also where classes are numbers', async () => {
    const format = formatOf(await shardRows(sourceOf(numbered(10)), options))
    for (const kind of [3, -1, 0.5])
      await expect(recordsOf(sourceOf([[[1, 2], [kind]]]), format)).rejects.toMatchObject({
        code: 'DATA_VALUE_INVALID',
        message: `rows: row 1, its target: ${kind} is not one of the 3 classes`,
      })
  })

  test('bytes share one scale', async () => {
    const images: Row[] = Array.from({ length: 50 }, (_, row) => [[row, 255 - row, 3, 9], [row % 2]])
    const data = await shardRows(sourceOf(images, { type: 'u8', shape: [1, 2, 2] }), {
      ...{ ...options, standardize: true },
    })
    const values = valuesOf(data, data.shards).flatMap((row) => row.slice(0, 4))
    const mean = values.reduce((sum, value) => sum + value, 0) / values.length
    expect(mean).toBeCloseTo(0, 5)
    expect(values.reduce((sum, value) => sum + value ** 2, 0) / values.length).toBeCloseTo(1, 5)
    expect(formatOf(data)).toMatchObject({ features: null, inputs: { type: 'u8' } })
  })
})

test.each<[string, RowSource, Partial<RowOptions>, string]>([
  ['no rows', sourceOf([]), {}, 'DATA_EMPTY'],
  ['one row', sourceOf(numbered(1)), {}, 'DATA_TOO_SHORT'],
  ['more than memory is to hold', sourceOf(numbered(100)), { maxBytes: 799 }, 'DATA_TOO_LARGE'],
  ['more with its targets', sourceOf(numbered(100)), { maxBytes: 899 }, 'DATA_TOO_LARGE'],
  [
    'numbers whose deviation is none',
    sourceOf([
      [[1e300], [0]],
      [[-1e300], [1]],
      [[1e300], [1]],
    ]),
    { standardize: true },
    'DATA_VALUE_INVALID',
  ],
  [
    'quantities by label',
    sourceOf([
      [[1], [0.5]],
      [[2], [1]],
    ]),
    { split: 'by-label' },
    'DATA_SPLIT_IMPOSSIBLE',
  ],
  [
    'two classes a row',
    sourceOf([
      [[1], ['a', 'b']],
      [[2], ['a', 'b']],
    ]),
    { task: 'classification' },
    'DATA_TARGETS_MISFIT',
  ],
  [
    'a word among quantities',
    sourceOf([
      [[1], [0.5]],
      [[2], ['x']],
    ]),
    { task: 'regression' },
    'DATA_VALUE_INVALID',
  ],
  [
    'a number beyond f32',
    sourceOf([
      [[1], [0]],
      [[1e39], [1]],
    ]),
    {},
    'DATA_VALUE_INVALID',
  ],
])('%s: refused', async (_, source, changed, code) => {
  await expect(shardRows(source, { ...options, ...changed })).rejects.toMatchObject({ code, exit: 'usage' })
})

test('rows longer than a shard usually is: no shard and no held-out part is without rows', async () => {
  const wide = Array.from({ length: 10 }, (_, row): Row => [new Array(100_000).fill(row), [row % 2]])
  const data = await shardRows(sourceOf(wide), options)
  const counts = [...data.manifest.heldOut, ...data.manifest.shards].map(({ count }) => count)
  expect(counts).toEqual(new Array(10).fill(1))
  expect(parseDataManifest(data.manifestBytes)).toEqual(data.manifest)
})

test('a source that became shorter is refused, not filled up with zeros', async () => {
  const format = formatOf(await shardRows(sourceOf(numbered(10)), options))
  let count = 10
  const source = sourceOf([], {
    shape: [2],
    read: async (visit) => {
      for (let row = 1; row <= count; row++) visit([row, row], [1], row)
      count = 9
    },
  })
  await expect(recordsOf(source, format)).rejects.toMatchObject({ code: 'DATA_CHANGED' })
})

test('a source that changes between two readings is refused', async () => {
  for (const later of [9, 11]) {
    let count = 10
    const source = sourceOf([], {
      shape: [1],
      read: async (visit) => {
        for (let row = 1; row <= count; row++) visit([row], [row % 2], row)
        count = later
      },
    })
    await expect(shardRows(source, options)).rejects.toMatchObject({ code: 'DATA_CHANGED' })
  }
})

describe('batches', () => {
  const place = { seed: 5, round: 2, slot: 1, step: 3 }

  test('a batch is a pure function of its place, of rows of the member’s shards, and every row can come', async () => {
    const data = await shardRows(sourceOf(numbered(100)), { ...options, shards: 10 })
    const format = formatOf(data)
    const mine = data.shards.slice(2, 5)
    const allowed = new Set(valuesOf(data, mine).map(String))
    const seen = new Set<string>()
    const batch = (changed: Partial<typeof place>) => rowBatchAt({ ...place, ...changed }, 8, mine, format)
    for (let step = 0; step < 60; step++) {
      const { inputs, targets } = batch({ step })
      for (let row = 0; row < 8; row++) seen.add(String([inputs[2 * row], inputs[2 * row + 1], targets[row]]))
    }
    expect(seen).toEqual(allowed)
    expect(batch({})).toEqual(batch({}))
    for (const other of [{ seed: 6 }, { round: 3 }, { slot: 2 }, { step: 4 }])
      expect(batch(other)).not.toEqual(batch({}))
    const { inputs, targets } = batch({})
    expect([...inputs, ...targets].join(' ')).toMatchInlineSnapshot(
      `"52 104 65 130 18 36 74 148 99 198 52 104 68 136 26 52 1 2 0 2 0 1 2 2"`,
    )
  })

  test('an evaluation measures every held-out row once, as far as they fill batches', async () => {
    const data = await shardRows(sourceOf(numbered(100)), { ...options, heldOutFraction: 0.3 })
    const firsts = (batch: number, most: number) =>
      [...heldOutRows(data.heldOut, batch, most, formatOf(data))].flatMap(({ inputs }) =>
        Array.from({ length: batch }, (_, row) => inputs[2 * row]),
      )
    expect(new Set(firsts(10, 99)).size).toBe(30)
    expect(firsts(7, 99)).toHaveLength(28)
    expect(firsts(5, 2)).toHaveLength(10)
    expect(firsts(40, 9)).toHaveLength(40)
  })

  test('a class beyond those of the manifest is refused', async () => {
    const format = formatOf(await shardRows(sourceOf(numbered(10)), options))
    const record = new Uint8Array(itemBytes(format)).fill(3, -1)
    expect(() => [...heldOutRows([record], 1, 1, format)]).toThrow(
      expect.objectContaining({ code: 'DATA_ROW_INVALID', exit: 'verification' }),
    )
  })
})

test('the built-in digits: 10,000 grey images of 28 × 28, each class a tenth, always the same shards', async () => {
  const data = await shardRows(mnistRows(), options)
  expect(formatOf(data)).toMatchObject({
    inputs: { type: 'u8', shape: [1, 28, 28], factor: Math.fround(1 / 255), shift: 0 },
    ...{ targets: { type: 'u8', classes: 10 }, labels: null, features: null },
  })
  expect([data.manifest.trainCount, data.manifest.heldOutCount, data.shards.length]).toEqual([9000, 1000, 32])
  const [whole] = heldOutRows(data.heldOut, 1000, 1, formatOf(data))
  const brightest = (whole!.inputs as Float32Array).reduce((most, value) => Math.max(most, value), 0)
  expect(brightest).toBeCloseTo(1, 6)
  expect(data.manifestCid).toMatchInlineSnapshot(
    `"bafyreiajcn3zqneujbib5o2v6en5zu7o3qxtaf5cmgy7x4azo325dzufee"`,
  )
})
