import * as dagCbor from '@ipld/dag-cbor'
import { beforeAll, expect, test } from 'vitest'
import { itemBytes, type RowsFormat } from './format.ts'
import { type DataManifest, encodeDataManifest, parseDataManifest } from './manifest.ts'
import { maxDataBytes } from './open-file.ts'
import { shardRows } from './shard-rows.ts'
import type { ShardedData } from './shards.ts'

/* What a manifest of rows says must hold together; shards.test.ts has what is wrong with any. */

let sharded: ShardedData
beforeAll(async () => {
  const columns = { features: ['a', 'b'], targets: ['kind'] }
  sharded = await shardRows(
    {
      ...{ name: 'rows', shape: [2], type: 'f32', columns },
      read: async (visit) => {
        for (let row = 1; row <= 20; row++) visit([row, -row], [row % 2 === 0 ? 'even' : 'odd'], row)
      },
    },
    { standardize: true, heldOutFraction: 0.1, split: 'shuffled', seed: 0, shards: 2 },
  )
})

/** The manifest's block with its format changed. */
function withFormat(change: (of: RowsFormat) => Partial<RowsFormat>): Uint8Array {
  const manifest = dagCbor.decode<DataManifest>(sharded.manifestBytes)
  return dagCbor.encode({
    ...manifest,
    format: { ...manifest.format, ...change(manifest.format as RowsFormat) },
  })
}

test('reads back as it was written', () => {
  expect(parseDataManifest(withFormat(() => ({})))).toEqual(sharded.manifest)
  expect(sharded.manifest.format).toMatchObject({ labels: ['even', 'odd'], targets: { classes: 2 } })
})

test.each<[string, (of: RowsFormat) => object, RegExp]>([
  ['more names than classes', () => ({ labels: ['a', 'b', 'c'] }), /labels are not its classes/],
  ['names of quantities', () => ({ targets: { type: 'f32', values: 1 } }), /labels are not its classes/],
  [
    'fewer columns than values',
    () => ({ columns: { features: ['a'], targets: ['kind'] } }),
    /columns are not/,
  ],
  [
    'columns of more targets',
    () => ({ columns: { features: ['a', 'b'], targets: ['c', 'd'] } }),
    /columns are not/,
  ],
  ['a scale of another length', () => ({ features: { means: [1], deviations: [1] } }), /scale is not/],
  [
    'a scale without deviations',
    ({ features }) => ({ features: { ...features, deviations: [1] } }),
    /scale is not/,
  ],
  ['a deviation of nothing', () => ({ features: { means: [1, 2], deviations: [0, 1] } }), /deviations/],
  [
    'rows of four billion values',
    ({ inputs }) => ({ inputs: { ...inputs, shape: [65_536, 65_536] } }),
    /over 16777216 bytes/,
  ],
  ['a class of eight bytes', () => ({ targets: { type: 'f64', classes: 2 } }), /targets/],
])('%s: refused', (_, change, message) => {
  expect(() => parseDataManifest(withFormat(change))).toThrow(
    expect.objectContaining({ code: 'DATA_MANIFEST_MALFORMED', message: expect.stringMatching(message) }),
  )
})

test('one block that is named over and over is refused beyond what one run may have', () => {
  const { format, shards } = sharded.manifest
  const count = Math.floor((16 * 2 ** 20) / itemBytes(format))
  const named = (times: number) => {
    const many = Array.from({ length: times }, () => ({ ...shards[0]!, count }))
    return encodeDataManifest({ ...sharded.manifest, shards: many, trainCount: times * count })
  }
  const most = Math.floor(maxDataBytes / (count * itemBytes(format))) - 1
  expect(parseDataManifest(named(most)).trainCount).toBe(most * count)
  expect(() => parseDataManifest(named(most + 2))).toThrow(
    expect.objectContaining({
      code: 'DATA_MANIFEST_MALFORMED',
      message: expect.stringMatching(/data are over/),
    }),
  )
})
