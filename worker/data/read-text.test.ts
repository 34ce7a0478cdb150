import { chmod, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { readText } from './read-text.ts'

let folder: string
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'murmur-text-'))
  await writeFile(join(folder, 'book.txt'), 'Call me Ishmael.')
  await writeFile(join(folder, 'empty.txt'), '')
})
afterAll(() => rm(folder, { recursive: true }))

test('reads a file’s bytes', async () => {
  expect(Buffer.from(await readText(join(folder, 'book.txt'))).toString()).toBe('Call me Ishmael.')
})

test.each([
  ['nowhere.txt', 'DATA_MISSING'],
  ['book.txt/chapter', 'DATA_MISSING'],
  ['.', 'DATA_NOT_A_FILE'],
  ['empty.txt', 'DATA_EMPTY'],
])('%s is %s', async (name, code) => {
  await expect(readText(join(folder, name))).rejects.toMatchObject({ code, exit: 'usage' })
})

test('refuses what is too large before reading it', async () => {
  const refused = readText(join(folder, 'book.txt'), { maxBytes: 15 })
  await expect(refused).rejects.toMatchObject({ code: 'DATA_TOO_LARGE' })
})

test.skipIf(process.getuid?.() === 0)('a file without permission is DATA_UNREADABLE', async () => {
  const path = join(folder, 'secret.txt')
  await writeFile(path, 'secret')
  await chmod(path, 0)
  await expect(readText(path)).rejects.toMatchObject({ code: 'DATA_UNREADABLE', exit: 'usage' })
})
