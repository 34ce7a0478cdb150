import { readdir, readFile, truncate, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { contentId } from '../protocol/content-id.ts'
import type { CidText } from '../protocol/ids.ts'
import { exportCheckpoint } from './export.ts'
import type { FetchBlock } from './fetch.ts'
import { links, some, stores } from './fixtures/stores.ts'
import { encodeCheckpointManifest } from './manifest.ts'
import { readSafetensors } from './safetensors.ts'

const { openIn, pathOf } = stores()

/** Above 1 MiB, so that the file is a DAG of several blocks. */
const table = [
  { name: 'wte', shape: [256, 1024], offset: 0 },
  { name: 'head.bias', shape: [256], offset: 262_144 },
]
const vector = (shift: number) =>
  Float32Array.from({ length: 262_400 }, (_, index) => Math.fround(1 / (index + shift)))
const large = { theta: vector(1), vectors: [vector(2), vector(3)] }
const smallTable = [{ name: 'w', shape: [2, 3], offset: 0 }]
const small = { theta: Float32Array.of(1, -2, 3.5, 0, -0, 1e-40), vectors: [] }

test('a checkpoint reads back the same after the store was closed and opened again', async () => {
  const store = await openIn('a')
  const written = await store.writeCheckpoint(large, table, links)
  await store.close()
  const again = await openIn('a')
  const checkpoint = await again.readCheckpoint(written.manifestCid)
  expect(checkpoint.state).toEqual(large)
  expect(checkpoint.manifest).toMatchObject({
    ...links,
    tensors: written.fileCid,
    tensorBytes: written.bytes,
  })
  expect((await again.list()).map(({ cid }) => cid)).toEqual([written.manifestCid])
})

test('two stores write the same CIDs, which never change', async () => {
  const first = await (await openIn('a')).writeCheckpoint(large, table, links)
  const second = await (await openIn('b')).writeCheckpoint(large, table, links)
  expect(second).toEqual(first)
  expect(first).toMatchInlineSnapshot(`
    {
      "bytes": 1049784,
      "fileCid": "bafybeigmplddvypxcje5ea2jiryusf67qlsdfgacb3e5akvpu55rfibut4",
      "manifestCid": "bafyreiclllex5k77rak7qbejx5gdllsosl2zuordb7pkpvcezpemlpwgdm",
    }
  `)
})

test('list is newest first, and writing or pinning twice lists once', async () => {
  const store = await openIn('a')
  const first = await store.writeCheckpoint(small, smallTable, links)
  const second = await store.writeCheckpoint(small, smallTable, {
    ...links,
    parent: first.manifestCid,
    round: 8,
  })
  await store.writeCheckpoint(small, smallTable, links)
  await store.pin(first.manifestCid)
  expect((await store.list()).map(({ manifest }) => manifest.round)).toEqual([8, 7])
  expect(second.fileCid).toBe(first.fileCid)
})

test('closing waits for what is being written', async () => {
  const store = await openIn('a')
  let isWritten = false
  const writing = store.writeCheckpoint(large, table, links).then(() => {
    isWritten = true
  })
  await store.close()
  expect(isWritten).toBe(true)
  await writing
})

test('pinned blocks stay, others can be deleted', async () => {
  const store = await openIn('a')
  const { fileCid, manifestCid } = await store.writeCheckpoint(large, table, links)
  await expect(store.blocks.delete(fileCid)).rejects.toThrow()
  await expect(store.blocks.delete(manifestCid)).rejects.toThrow()
  const loose = some('loose')
  await store.blocks.put(loose, Buffer.from('loose'))
  expect(await store.blocks.has(loose)).toBe(true)
  await store.blocks.delete(loose)
  expect(await store.blocks.has(loose)).toBe(false)
  expect(await store.blocks.get(loose)).toBeUndefined()
})

test('a block damaged on disk is found out, put aside, and can be written again', async () => {
  const store = await openIn('a')
  const written = await store.writeCheckpoint(large, table, links)
  const blockFolder = join(pathOf('a'), 'blocks')
  const leaf = (await blockFiles(blockFolder)).find(({ bytes }) => bytes.length === 1_048_576)!
  await writeFile(leaf.path, leaf.bytes.fill(0xff, 9, 10))
  await expect(store.readCheckpoint(written.manifestCid)).rejects.toMatchObject({ code: 'BLOCK_CORRUPTED' })
  expect(await readdir(join(leaf.path, '..'))).toContainEqual(expect.stringMatching(/\.corrupt$/))
  await expect(store.readCheckpoint(written.manifestCid)).rejects.toMatchObject({
    code: 'CHECKPOINT_NOT_FOUND',
  })
  await store.writeCheckpoint(large, table, links)
  expect((await store.readCheckpoint(written.manifestCid)).state).toEqual(large)
})

test('many writers of one block leave one whole file and no temporary ones', async () => {
  const store = await openIn('a')
  const cid = contentId(Buffer.from('same'), 'raw')
  await Promise.all(Array.from({ length: 20 }, () => store.blocks.put(cid, Buffer.from('same'))))
  await store.writeCheckpoint(small, smallTable, links)
  expect(Buffer.from((await store.blocks.get(cid))!).toString()).toBe('same')
  const names = await readdir(pathOf('a'), { recursive: true })
  expect(names.filter((name) => name.includes('tmp'))).toEqual([])
})

test('a block cut short is found out', async () => {
  const store = await openIn('a')
  const cid = some('whole')
  await store.blocks.put(cid, Buffer.from('whole'))
  const [file] = await blockFiles(join(pathOf('a'), 'blocks'))
  await truncate(file!.path, 2)
  await expect(store.blocks.get(cid)).rejects.toMatchObject({ code: 'BLOCK_CORRUPTED' })
})

test('a checkpoint whose parameters are not those of its state root is refused', async () => {
  const store = await openIn('a')
  const { manifestCid } = await store.writeCheckpoint(small, smallTable, links)
  const { manifest } = await store.readCheckpoint(manifestCid)
  const forged = encodeCheckpointManifest({ ...manifest, stateRoot: `0x${'1'.repeat(64)}` })
  const cid = contentId(forged, 'dag-cbor')
  await store.blocks.put(cid, forged)
  await expect(store.readCheckpoint(cid)).rejects.toMatchObject({ code: 'CHECKPOINT_MISMATCH' })
})

test('exports a model file that says where it is from, and overwrites only when told', async () => {
  const store = await openIn('a')
  const { manifestCid, bytes } = await store.writeCheckpoint(small, smallTable, links)
  const target = join(pathOf('exported'), 'here')
  const { modelFile, descriptionFile } = await exportCheckpoint(store, manifestCid, target)
  const model = await readFile(modelFile)
  expect(model.length).toBe(bytes)
  expect(readSafetensors(model).tensors.get('w')!.shape).toEqual([2, 3])
  const description = JSON.parse(await readFile(descriptionFile, 'utf8'))
  expect(description).toMatchObject({
    checkpoint: manifestCid,
    round: 7,
    parameters: 6,
    program: links.program,
  })
  await expect(exportCheckpoint(store, manifestCid, target)).rejects.toMatchObject({ code: 'EXPORT_EXISTS' })
  await exportCheckpoint(store, manifestCid, target, { overwrite: true })
  expect(await readdir(target)).toEqual(['checkpoint.json', 'model.safetensors'])
})

test('fetches a checkpoint block by block, checks and keeps it, and fetches nothing twice', async () => {
  const source = await openIn('a')
  const { manifestCid, fileCid } = await source.writeCheckpoint(large, table, links)
  const target = await openIn('b')
  const asked: CidText[] = []
  let budget = 2
  const fetch: FetchBlock = async (cid) => {
    if (asked.length === budget) throw new Error('cut off')
    asked.push(cid)
    return (await source.blocks.get(cid))!
  }
  const signal = new AbortController().signal
  await expect(target.fetchCheckpoint(manifestCid, fetch, signal)).rejects.toThrow('cut off')
  expect(await target.list()).toEqual([])
  budget = 100
  expect((await target.fetchCheckpoint(manifestCid, fetch, signal)).state).toEqual(large)
  expect(asked.slice(0, 2)).toEqual([manifestCid, fileCid])
  expect(new Set(asked).size).toBe(asked.length)
  expect((await target.list()).map(({ cid }) => cid)).toEqual([manifestCid])
  const lying: FetchBlock = async () => Buffer.from('something else')
  const refused = (await openIn('c')).fetchCheckpoint(manifestCid, lying, signal)
  await expect(refused).rejects.toMatchObject({ code: 'BLOCK_MISMATCH' })
})

test('a file with more blocks than its length accounts for is refused', async () => {
  const source = await openIn('a')
  const { manifestCid } = await source.writeCheckpoint(large, table, links)
  const { manifest } = await source.readCheckpoint(manifestCid)
  const forged = encodeCheckpointManifest({ ...manifest, vectors: [], tensorBytes: 100 })
  const cid = contentId(forged, 'dag-cbor')
  await source.blocks.put(cid, forged)
  const fetch: FetchBlock = async (block) => (await source.blocks.get(block))!
  const refused = (await openIn('b')).fetchCheckpoint(cid, fetch, new AbortController().signal)
  await expect(refused).rejects.toMatchObject({ code: 'BLOCK_MISMATCH' })
})

test('a checkpoint that is not here says so', async () => {
  const store = await openIn('a')
  await expect(store.pin(some('nothing'))).rejects.toMatchObject({ code: 'CHECKPOINT_NOT_FOUND' })
  const missing = store.readCheckpoint(some('nothing'))
  await expect(missing).rejects.toMatchObject({ code: 'CHECKPOINT_NOT_FOUND' })
})

async function blockFiles(root: string) {
  const names = (await readdir(root, { recursive: true })).filter((name) => name.endsWith('.data'))
  return Promise.all(
    names.map(async (name) => ({ path: join(root, name), bytes: await readFile(join(root, name)) })),
  )
}
