import { readdir, rename, rm, symlink } from 'node:fs/promises'
import { join } from 'node:path'
import { CID } from 'multiformats/cid'
import { expect, test } from 'vitest'
import { contentId } from '../protocol/content-id.ts'
import { DurableBlockstore, DurableDatastore } from './durable-stores.ts'
import { links, some, stores } from './fixtures/stores.ts'

const { openIn, pathOf } = stores()
const table = [{ name: 'w', shape: [2, 3], offset: 0 }]
const state = { theta: Float32Array.of(1, -2, 3.5, 0, -0, 1e-40), vectors: [] }
const unreadable = expect.objectContaining({ code: 'RECORD_UNREADABLE' })

/** Files of records under a folder of them, `pin` or `pinned-block`. */
async function recordsOf(name: string, folder: string) {
  const path = join(pathOf(name), 'records', folder)
  return (await readdir(path)).map((file) => join(path, file))
}

/** A link to itself: it is there, and whoever asks anything of it gets ELOOP, root too. */
async function spoil(file: string) {
  await rename(file, `${file}.aside`)
  await symlink(file, file)
  return async () => {
    await rm(file)
    await rename(`${file}.aside`, file)
  }
}

test('a store of blocks closes when what is being put is written', async () => {
  const store = new DurableBlockstore(pathOf('closing'))
  await store.open()
  const bytes = new Uint8Array(2 ** 22)
  const cid = CID.parse(contentId(bytes, 'raw'))
  const put = store.put(cid, bytes)
  await store.close()
  expect(await store.has(cid)).toBe(true)
  await put
})

test('a block whose pin cannot be read is not deleted, nor pinned anew over the record', async () => {
  const store = await openIn('a')
  const { manifestCid, fileCid } = await store.writeCheckpoint(state, table, links)
  const restore = await Promise.all((await recordsOf('a', 'pinned-block')).map(spoil))
  for (const cid of [manifestCid, fileCid]) {
    await expect(store.blocks.delete(cid)).rejects.toThrow(unreadable)
    expect(await store.blocks.has(cid)).toBe(true)
  }
  // As a pin that was cut off leaves it: pinning goes on with the blocks' records, and would write these over.
  await rm(join(pathOf('a'), 'records', 'pin'), { recursive: true })
  await expect(store.pin(manifestCid)).rejects.toThrow(unreadable)
  for (const back of restore) await back()
  await expect(store.blocks.delete(manifestCid)).rejects.toThrow('pinned')
  expect((await store.readCheckpoint(manifestCid)).state).toEqual(state)
})

test('a list with a pin that cannot be read is no list', async () => {
  const store = await openIn('a')
  const { manifestCid } = await store.writeCheckpoint(state, table, links)
  const [pin] = await recordsOf('a', 'pin')
  const restore = await spoil(pin!)
  await expect(store.list()).rejects.toThrow(unreadable)
  await expect(store.pin(manifestCid)).rejects.toThrow(unreadable)
  await restore()
  expect(await store.list()).toHaveLength(1)
})

test('a record that is not there is not there, and who gives up hears of that alone', async () => {
  const records = new DurableDatastore(pathOf('records'))
  await records.open()
  const key = records._decode(join(pathOf('records'), 'pin', `${some('x')}.data`))
  expect(await records.has(key)).toBe(false)
  await expect(records.get(key)).rejects.toMatchObject({ name: 'NotFoundError' })
  await records.put(key, Uint8Array.of(1, 2))
  expect([await records.has(key), [...(await records.get(key))]]).toEqual([true, [1, 2]])
  const signal = AbortSignal.abort(new Error('stopped'))
  await expect(records.has(key, { signal })).rejects.toThrow('stopped')
  await expect(records.get(key, { signal })).rejects.toThrow('stopped')
})
