import * as dagCbor from '@ipld/dag-cbor'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { contentId } from '../../protocol/content-id.ts'
import { encodeDataManifest, parseDataManifest } from './manifest.ts'
import { mobyDick } from './moby-dick.ts'
import { shardText } from './shards.ts'

const text = (length: number): Uint8Array => Uint8Array.from({ length }, (_, index) => (index * 131) >> 3)

test('shards and held-out part are the text, in order, and the held-out part is its end', () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 650, max: 30_000 }),
      fc.integer({ min: 130, max: 9000 }),
      (length, shardTokens) => {
        const bytes = text(length)
        const { shards, heldOut, manifest } = shardText(bytes, { context: 64, shardTokens })
        expect(Buffer.concat([...shards, ...heldOut]).equals(bytes)).toBe(true)
        expect(manifest.heldOutCount).toBe(Math.round(length * 0.1))
        expect(manifest.trainCount + manifest.heldOutCount).toBe(length)
        for (const part of [shards, heldOut]) {
          const lengths = part.map((shard) => shard.length)
          expect(Math.max(...lengths) - Math.min(...lengths)).toBeLessThanOrEqual(1)
          expect(Math.min(...lengths)).toBeGreaterThanOrEqual(65)
          expect(Math.max(...lengths)).toBeLessThanOrEqual(Math.max(shardTokens, 585))
        }
      },
    ),
    { numRuns: 50 },
  )
})

test('the manifest names the blocks, and reads back', () => {
  const { shards, heldOut, manifest, manifestBytes, manifestCid } = shardText(text(5000), { context: 16 })
  expect(manifest.shards).toEqual(
    shards.map((shard) => ({ cid: contentId(shard, 'raw'), count: shard.length })),
  )
  expect(manifest.heldOut.map(({ cid }) => cid)).toEqual(heldOut.map((shard) => contentId(shard, 'raw')))
  expect(parseDataManifest(manifestBytes)).toEqual(manifest)
  expect(manifestCid).toBe(contentId(manifestBytes, 'dag-cbor'))
})

test('Moby-Dick has a shard for every member of the largest round, and always the same ones', async () => {
  const whale = await mobyDick()
  const { shards, manifest, manifestCid } = shardText(whale, { context: 64 })
  expect(Buffer.from(whale).toString('utf8')).toMatch(
    /^ETYMOLOGY.+CHAPTER 1\. Loomings\.\n\nCall me Ishmael\./s,
  )
  expect(shards.length).toBeGreaterThanOrEqual(32)
  expect([whale.length, manifest.trainCount, shards.length]).toEqual([1_216_415, 1_094_773, 34])
  expect(manifestCid).toBe('bafyreiebmij3iyc3t2nbccfajsm2gpkk3wyk4yqbae7jcgixxcqxhq2eva')
})

test('a short text still makes several shards', () => {
  expect(shardText(text(100_000), { context: 64 }).shards.length).toBe(32)
})

test('what is too short says how much is needed, and that much is enough', () => {
  expect(() => shardText(new Uint8Array(), { context: 64 })).toThrow(
    expect.objectContaining({ code: 'DATA_EMPTY', exit: 'usage' }),
  )
  expect(() => shardText(text(649), { context: 64 })).toThrow(
    expect.objectContaining({
      code: 'DATA_TOO_SHORT',
      exit: 'usage',
      details: { tokens: 649, minimum: 650, context: 64 },
    }),
  )
  const { shards, heldOut } = shardText(text(650), { context: 64 })
  expect([shards.length, heldOut.map(({ length }) => length)]).toEqual([1, [65]])
})

const { manifest } = shardText(text(5000), { context: 16 })
const changed = (fields: Record<string, unknown>): Uint8Array =>
  dagCbor.encode({ ...(dagCbor.decode(encodeDataManifest(manifest)) as object), ...fields })

test.each<[string, Uint8Array]>([
  ['noise', Uint8Array.of(1, 2, 3)],
  ['five megabytes', new Uint8Array(5 * 1024 * 1024)],
  ['another version', changed({ version: 1 })],
  ['another format', changed({ format: { kind: 'words' } })],
  ['an unknown field', changed({ more: true })],
  ['a sum that is wrong', changed({ trainCount: manifest.trainCount + 1 })],
  ['no shards', changed({ shards: [] })],
  ['a CID as text', changed({ shards: [{ cid: manifest.shards[0]!.cid, count: 5 }] })],
  ['bytes behind it', Buffer.concat([encodeDataManifest(manifest), Uint8Array.of(0)])],
])('a manifest with %s is refused', (_, bytes) => {
  expect(() => parseDataManifest(bytes)).toThrow(expect.objectContaining({ code: 'DATA_MANIFEST_MALFORMED' }))
})
