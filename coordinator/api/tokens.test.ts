import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { TokenBook } from './tokens.ts'

const clock = { now: () => 5_000 }
let folder: string
beforeEach(async () => {
  folder = await mkdtemp(path.join(tmpdir(), 'murmur-tokens-'))
})
afterEach(() => rm(folder, { recursive: true }))
const open = () => TokenBook.open({ owner: 'owner-token', folder }, clock)

test('the owner’s token is an admin’s, and stays', async () => {
  const book = await open()
  expect(book.find('owner-token')).toEqual({ id: 'owner', role: 'admin' })
  for (const wrong of ['', 'owner-toke', 'owner-token ', 'x'.repeat(10_000)])
    expect(book.find(wrong)).toBeUndefined()
  await expect(book.revoke('owner')).rejects.toMatchObject({ code: 'TOKEN_IN_USE' })
  expect(book.list()).toEqual([])
})

test('a token outlives the head, as a hash only, until it is revoked', async () => {
  const { token, ...record } = await (await open()).create('read', 'Ann')
  expect(record).toEqual({
    id: expect.stringMatching(/^[0-9a-f]{8}$/),
    role: 'read',
    label: 'Ann',
    createdAt: 5_000,
  })
  expect(await readFile(path.join(folder, 'api-tokens.json'), 'utf8')).not.toContain(token)
  const again = await open()
  expect(again.find(token)).toEqual({ id: record.id, role: 'read' })
  expect(again.list()).toEqual([record])
  expect(again.has(record.id)).toBe(true)
  await again.revoke(record.id)
  expect([again.find(token), again.has(record.id)]).toEqual([undefined, false])
  expect((await open()).find(token)).toBeUndefined()
  await expect(again.revoke(record.id)).rejects.toMatchObject({ code: 'NOT_FOUND' })
})

test('many at once are all kept; more than the bound are refused', async () => {
  const book = await open()
  const made = await Promise.all(Array.from({ length: 64 }, (_, index) => book.create('read', `n${index}`)))
  await expect(book.create('read', '')).rejects.toMatchObject({ code: 'TOO_MANY_TOKENS' })
  const again = await open()
  for (const { token, id } of made) expect(again.find(token)?.id).toBe(id)
})

test.each(['{', '{"version":2,"tokens":[]}', '{"version":1,"tokens":[{"id":"x"}]}', '[]'])(
  'a damaged file is not taken for a head without tokens: %s',
  async (text) => {
    await writeFile(path.join(folder, 'api-tokens.json'), text)
    await expect(open()).rejects.toMatchObject({
      code: 'TOKENS_DAMAGED',
      next: expect.stringMatching(/delete/),
    })
  },
)
