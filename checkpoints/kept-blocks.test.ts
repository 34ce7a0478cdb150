import { readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { contentId, digestOf } from '../protocol/content-id.ts'
import type { CidText, RunId } from '../protocol/ids.ts'
import { links, some, stores } from './fixtures/stores.ts'
import type { KeptFor } from './kept-blocks.ts'
import { openStore } from './store.ts'
import { leafBytes } from './unixfs-file.ts'

const { openIn, pathOf } = stores()
const { run } = links
const other = some('other run') as string as RunId
const round = (index: number, of = run): KeptFor => ({ run: of, kind: 'round', round: index })
const checkpoint = (index: number): KeptFor => ({ run, kind: 'checkpoint', round: index })
const bytesOf = (text: string) => Buffer.from(text)
const cidOf = (text: string): CidText => contentId(bytesOf(text), 'raw')

/** Keeps blocks of these texts. */
async function keep(name: string, part: KeptFor, ...texts: string[]) {
  const store = await openIn(name)
  const kept = await store.kept()
  await kept.name(part, texts.map(cidOf))
  for (const text of texts) await store.blocks.put(cidOf(text), bytesOf(text))
  await store.close()
}

async function reopen(name: string) {
  const store = await openIn(name)
  const kept = await store.kept()
  const has = async (...texts: string[]) =>
    (await Promise.all(texts.map((text) => store.blocks.has(cidOf(text))))).map(Number).join('')
  return { store, kept, has }
}

const files = async (name: string, folder: string) =>
  (await readdir(join(pathOf(name), folder), { recursive: true, withFileTypes: true }))
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name))

/** Its last leaf is frozen, and so the same in every checkpoint. */
const table = [
  { name: 'moving', shape: [4], offset: 0 },
  { name: 'frozen', shape: [4], offset: 4, role: 'frozen' as const },
]
const state = (index: number) => ({ theta: Float32Array.of(index, 1, 1, 1, 7, 7, 7, 7), vectors: [] })
const linksOf = (index: number) => ({ ...links, round: index })

test('what a part of a run was kept for goes with it after a restart, but for what another part names', async () => {
  await keep('a', round(1), 'own', 'in both')
  await keep('a', round(2), 'in both', 'later')
  await keep('a', round(1, other), 'of another run')
  const { store, kept, has } = await reopen('a')
  await store.blocks.put(cidOf('unnamed'), bytesOf('unnamed'))
  const all = ['own', 'in both', 'later', 'of another run', 'unnamed']
  expect(await has(...all)).toBe('11111')
  await kept.drop((part) => part.run === run && part.kind === 'round' && part.round < 2)
  expect(await has(...all)).toBe('01111')
  await store.close()
  const again = await reopen('a')
  await again.kept.drop((part) => part.run === run)
  expect(await again.has(...all)).toBe('00011')
  expect([...again.kept.runs().keys()]).toEqual([other])
  await again.kept.drop(() => true)
  expect(await again.has(...all)).toBe('00001')
  expect(await files('a', 'kept')).toEqual([])
})

test('a crash at any point of keeping or dropping leaves what the next drop takes away', async () => {
  await keep('a', round(1), 'one', 'two')
  const temporary = join(pathOf('a'), 'blocks', '.cut-off.tmp')
  await writeFile(temporary, 'half of a block')
  const leaf = (await files('a', 'blocks')).find((file) => file !== temporary)
  // As if it had stopped after the first block was deleted, or before the last was put.
  await rm(leaf!)
  const { kept } = await reopen('a')
  await kept.drop(() => true)
  expect([await files('a', 'blocks'), await files('a', 'kept')]).toEqual([[], []])
})

test('a checkpoint that was cut off is kept for its round, is not listed, and goes with it', async () => {
  const source = await openIn('source')
  const { manifestCid } = await source.writeCheckpoint(state(1), table, linksOf(1))
  const store = await openIn('a')
  let left = 2
  const fetch = async (cid: CidText) => {
    if (left-- === 0) throw new Error('cut off')
    return (await source.blocks.get(cid))!
  }
  const signal = new AbortController().signal
  await expect(store.fetchCheckpoint(manifestCid, fetch, signal, checkpoint(1))).rejects.toThrow('cut off')
  await store.close()
  const { store: again, kept } = await reopen('a')
  expect(await again.list()).toEqual([])
  expect(kept.checkpointRounds(run)).toEqual([])
  expect((await files('a', 'blocks')).length).toBeGreaterThan(0)
  await kept.drop((part) => part.kind === 'checkpoint')
  expect([await files('a', 'blocks'), await files('a', 'kept')]).toEqual([[], []])
})

test('what a fetched checkpoint shares with one that was here stays when that goes', async () => {
  const [source, store] = [await openIn('source'), await openIn('a')]
  const { manifestCid } = await source.writeCheckpoint(state(2), table, linksOf(2))
  await store.writeCheckpoint(state(1), table, linksOf(1), checkpoint(1))
  const fetch = async (cid: CidText) => (await source.blocks.get(cid))!
  await store.fetchCheckpoint(manifestCid, fetch, new AbortController().signal, checkpoint(2))
  await (await store.kept()).drop((part) => part.kind === 'checkpoint' && part.round === 1)
  expect((await store.readCheckpoint(manifestCid)).state).toEqual(state(2))
})

test('kept checkpoints are listed, and dropped but for what is frozen in those that stay, and what is pinned', async () => {
  const store = await openIn('a')
  const written: CidText[] = []
  for (const index of [1, 2])
    written.push(
      (await store.writeCheckpoint(state(index), table, linksOf(index), checkpoint(index))).manifestCid,
    )
  const { manifestCid: pinned } = await store.writeCheckpoint(state(3), table, linksOf(3), checkpoint(3))
  await store.pin(pinned)
  await store.close()
  const { store: again, kept } = await reopen('a')
  expect((await again.list()).map(({ cid }) => cid)).toEqual([pinned, written[1], written[0]])
  expect(kept.checkpointRounds(run)).toEqual([3, 2, 1])
  await kept.drop((part) => part.kind === 'checkpoint' && part.round === 1)
  expect((await again.list()).map(({ cid }) => cid)).toEqual([pinned, written[1]])
  await expect(again.readCheckpoint(written[0]!)).rejects.toMatchObject({ code: 'CHECKPOINT_NOT_FOUND' })
  expect((await again.readCheckpoint(written[1]!)).state).toEqual(state(2))
  await kept.drop(() => true)
  expect((await again.list()).map(({ cid }) => cid)).toEqual([pinned])
  expect((await again.readCheckpoint(pinned)).state).toEqual(state(3))
  expect(await again.blocks.has(written[1]!)).toBe(false)
})

test('a record that cannot be read keeps every block, until it can be again', async () => {
  await keep('a', round(1), 'one')
  await keep('a', round(2), 'two')
  const [record] = await files('a', 'kept')
  const bytes = await readFile(record!)
  // One bit: it still decodes, and names another block.
  const place = Math.max(...['one', 'two'].map((text) => bytes.indexOf(digestOf(cidOf(text)))))
  await writeFile(record!, Buffer.from(bytes).fill(bytes[place]! ^ 1, place, place + 1))
  const { store, kept, has } = await reopen('a')
  const unreadable = expect.objectContaining({ code: 'RECORD_UNREADABLE' })
  await expect(kept.drop(() => true)).rejects.toThrow(unreadable)
  await expect(store.list()).rejects.toThrow(unreadable)
  // Work goes on.
  await kept.name(round(3), [cidOf('three')])
  await store.blocks.put(cidOf('three'), bytesOf('three'))
  expect(await has('one', 'two', 'three')).toBe('111')
  await store.close()
  await writeFile(record!, bytes)
  const mended = await reopen('a')
  await mended.kept.drop(() => true)
  expect(await mended.has('one', 'two', 'three')).toBe('000')
})

test('what an older version pinned stays, whatever is kept or dropped beside it', async () => {
  const store = await openIn('a')
  const { manifestCid } = await store.writeCheckpoint(state(1), table, linksOf(1))
  await store.writeCheckpoint(state(1), table, linksOf(1), checkpoint(1))
  const kept = await store.kept()
  await kept.drop(() => true)
  expect((await store.readCheckpoint(manifestCid)).state).toEqual(state(1))
  expect(await store.list()).toHaveLength(1)
})

test('what is named while a record is being written shares the next', async () => {
  const store = await openIn('a')
  const kept = await store.kept()
  const leaves = Array.from({ length: 64 }, (_, index) => cidOf(`${index}`))
  await Promise.all(leaves.map((cid) => kept.name(round(1), [cid])))
  expect((await files('a', 'kept')).length).toBeLessThan(4)
  const large = Float32Array.from({ length: (8 * leafBytes) / 4 }, (_, index) => index)
  const one = [{ name: 'w', shape: [large.length], offset: 0 }]
  const before = (await files('a', 'kept')).length
  await store.writeCheckpoint({ theta: large, vectors: [] }, one, linksOf(9), checkpoint(9))
  expect((await files('a', 'kept')).length - before).toBeLessThan(9)
  await kept.drop(() => true)
  expect([await files('a', 'blocks'), await files('a', 'kept')]).toEqual([[], []])
})

test('a run’s records are one after a restart, and as old as the newest; a crash in between loses none', async () => {
  const whole: KeptFor = { run, kind: 'run' }
  for (const text of ['one', 'two', 'three']) await keep('a', whole, text)
  const first = await openIn('a')
  const before = await files('a', 'kept')
  const contents = await Promise.all(before.map((file) => readFile(file)))
  await (await first.kept()).name(whole, [cidOf('four')])
  await first.blocks.put(cidOf('four'), bytesOf('four'))
  const newest = (await first.kept()).runs().get(run)
  await first.close()
  // As if none had been removed.
  for (const [index, file] of before.entries()) await writeFile(file, contents[index]!)
  for (let start = 0; start < 2; start++) {
    const { store, kept } = await reopen('a')
    expect(await files('a', 'kept')).toHaveLength(1)
    expect(kept.runs().get(run)).toBe(newest)
    await store.close()
    await writeFile(before[0]!, contents[0]!)
  }
  const { kept, has } = await reopen('a')
  expect(await has('one', 'two', 'three', 'four')).toBe('1111')
  await kept.drop(() => true)
  expect([await has('one', 'two', 'three', 'four'), await files('a', 'kept')]).toEqual(['0000', []])
})

test('a run was worked for last at its newest stamp, whatever the clock did since', async () => {
  const clock = { nowMs: 2000, now: () => clock.nowMs }
  const store = await openStore(pathOf('a'), { clock })
  const kept = await store.kept()
  await kept.name(round(1), [cidOf('one')])
  clock.nowMs = 1000
  await kept.name(round(1), [cidOf('two')])
  await kept.name(round(2), [cidOf('three')])
  expect([...kept.runs().values()]).toEqual([2000])
  await store.close()
})
