import { readdir, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { floatBytes } from '../aggregation/float-bytes.ts'
import { contentId } from '../protocol/content-id.ts'
import type { CidText } from '../protocol/ids.ts'
import type { FetchBlock } from './fetch.ts'
import { links, stores } from './fixtures/stores.ts'
import { encodeCheckpointManifest } from './manifest.ts'
import { movingCountOf, writeParameterFile } from './parameter-file.ts'
import { readSafetensors } from './safetensors.ts'
import type { Store } from './store.ts'
import { leafBytes } from './unixfs-file.ts'
import { writeWeightsFile } from './weights-file.ts'

const { openIn, pathOf } = stores()
const { signal } = new AbortController()

/** Factors whose names sort among those of the matrices that they adapt. */
const table = [
  { name: 'b.weight.A', shape: [500, 2], offset: 0 },
  { name: 'a.weight.A', shape: [500, 2], offset: 1000 },
  { name: 'b.weight', shape: [300, 500], offset: 2000, role: 'frozen' },
  { name: 'a.weight', shape: [300, 500], offset: 152_000, role: 'frozen' },
]
const count = 302_000
const moving = 2000
const base = Float32Array.from({ length: count }, (_, index) => ((index * 7919) % 10_007) / 64)
/** The vector carried beside θ is that of the round before, as with eager updates. */
const stateOf = (round: number) => ({ theta: thetaOf(round), vectors: [thetaOf(round - 1)] })
const thetaOf = (round: number) => base.map((value, index) => (index < moving ? value + round : value))

const isSame = (a: Float32Array, b: Float32Array) => Buffer.compare(floatBytes(a), floatBytes(b)) === 0

/** Every block that a store gets, and its length. */
const watched = (store: Store): Map<CidText, number> => {
  const sent = new Map<CidText, number>()
  const { get } = store.blocks
  store.blocks.get = async (cid) => {
    const bytes = await get(cid)
    if (bytes !== undefined) sent.set(cid, bytes.length)
    return bytes
  }
  return sent
}

const bytesOf = (blocks: ReadonlyMap<CidText, number>): number =>
  [...blocks.values()].reduce((sum, bytes) => sum + bytes, 0)

test('who has an earlier checkpoint fetches of the next what moved, and none of what is frozen', async () => {
  const source = await openIn('a')
  const checkpoints: CidText[] = []
  for (const round of [1, 2])
    checkpoints.push((await source.writeCheckpoint(stateOf(round), table, { ...links, round })).manifestCid)
  const sent = watched(source)
  const fetch: FetchBlock = async (cid) => (await source.blocks.get(cid))!
  const target = await openIn('b')
  await target.fetchCheckpoint(checkpoints[0]!, fetch, signal)
  // θ and the vector share what is frozen of both.
  expect(bytesOf(sent)).toBeGreaterThan(4 * (count - moving))
  expect(bytesOf(sent)).toBeLessThan(4 * (count - moving) + 30_000)
  sent.clear()
  const { state } = await target.fetchCheckpoint(checkpoints[1]!, fetch, signal)
  expect(isSame(state.theta, thetaOf(2))).toBe(true)
  expect(isSame(state.vectors[0]!, thetaOf(1))).toBe(true)
  expect(bytesOf(sent)).toBeLessThan(2 * 4 * moving + 5000)
})

test('who has the weights that the run started from needs nothing of what is frozen either', async () => {
  const source = await openIn('a')
  const { manifestCid } = await source.writeCheckpoint(stateOf(1), table, links)
  const sent = watched(source)
  const target = await openIn('b')
  for (const [cid, bytes] of (await writeWeightsFile(base, table)).blocks) await target.blocks.put(cid, bytes)
  await target.fetchCheckpoint(manifestCid, async (cid) => (await source.blocks.get(cid))!, signal)
  expect(bytesOf(sent)).toBeLessThan(2 * 4 * moving + 5000)
})

test('what is frozen is pinned once, by records that do not grow with the checkpoints', async () => {
  const store = await openIn('a')
  const write = async (round: number) =>
    (await store.writeCheckpoint(stateOf(round), table, { ...links, round })).fileCid
  const longest = async () => {
    const names = await readdir(join(pathOf('a'), 'records'), { recursive: true, withFileTypes: true })
    const files = names.filter((entry) => entry.isFile())
    return Math.max(
      ...(await Promise.all(files.map(async (file) => (await stat(join(file.parentPath, file.name))).size))),
    )
  }
  await write(1)
  const before = await longest()
  for (const round of [2, 3, 4]) await write(round)
  const last = await write(5)
  expect(await longest()).toBe(before)
  expect(await store.list()).toHaveLength(5)
  const file = writeParameterFile(base, table)
  const frozen = file.subarray(file.length - 4 * (count - moving))
  for (let at = 0; at < frozen.length; at += leafBytes) {
    const leaf = contentId(frozen.subarray(at, at + leafBytes), 'raw')
    expect(await store.blocks.has(leaf)).toBe(true)
    await expect(store.blocks.delete(leaf)).rejects.toThrow()
  }
  await expect(store.blocks.delete(last)).rejects.toThrow()
})

test('the file is one of safetensors as any, its frozen tensors at the end', async () => {
  expect(movingCountOf(table, count)).toBe(moving)
  const file = writeParameterFile(base, table)
  const { tensors } = readSafetensors(file)
  expect([...tensors.keys()]).toEqual(table.map(({ name }) => name))
  const end = file.subarray(file.length - 4 * (count - moving))
  expect(Buffer.compare(end, floatBytes(base.subarray(moving)))).toBe(0)
})

test('a checkpoint of the version before, its tensors all by name, is read as it was', async () => {
  const source = await openIn('a')
  const plain = table.map(({ name, shape, offset }) => ({ name, shape, offset }))
  const { manifestCid } = await source.writeCheckpoint(stateOf(1), plain, links)
  const target = await openIn('b')
  const fetch: FetchBlock = async (cid) => (await source.blocks.get(cid))!
  const { manifest, state } = await target.fetchCheckpoint(manifestCid, fetch, signal)
  expect(manifest.version).toBe(2)
  expect(isSame(state.theta, thetaOf(1))).toBe(true)
})

test('one leaf more than the length needs is taken only where the version has it', async () => {
  const source = await openIn('a')
  const { manifestCid } = await source.writeCheckpoint(stateOf(1), table, links)
  const { manifest } = await source.readCheckpoint(manifestCid)
  expect(manifest.version).toBe(3)
  const forged = encodeCheckpointManifest({ ...manifest, version: 2 })
  const cid = contentId(forged, 'dag-cbor')
  await source.blocks.put(cid, forged)
  const fetch: FetchBlock = async (block) => (await source.blocks.get(block))!
  const refused = (await openIn('b')).fetchCheckpoint(cid, fetch, signal)
  await expect(refused).rejects.toMatchObject({ code: 'BLOCK_MISMATCH' })
})
