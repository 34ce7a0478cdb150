import { mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { generateKeyPair, privateKeyToProtobuf } from '@libp2p/crypto/keys'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { loadOrCreateKey } from './identity.ts'

let folder: string
beforeEach(async () => {
  folder = join(await mkdtemp(join(tmpdir(), 'murmur-identity-')), 'state')
})
afterEach(async () => {
  await rm(join(folder, '..'), { recursive: true })
})

test('the key is made once, kept to its owner, and found again', async () => {
  const key = await loadOrCreateKey(folder)
  const again = await loadOrCreateKey(folder)
  expect(again.equals(key)).toBe(true)
  expect((await stat(join(folder, 'node.key'))).mode & 0o777).toBe(0o600)
  expect(await readdir(folder)).toEqual(['node.key'])
})

test('starts at the same moment agree on one key', async () => {
  const keys = await Promise.all(Array.from({ length: 8 }, () => loadOrCreateKey(folder)))
  expect(keys.every((key) => key.equals(keys[0]))).toBe(true)
  expect(await readdir(folder)).toEqual(['node.key'])
})

test('a corrupt, cut, empty or foreign key file is an error, and is left as it is', async () => {
  await loadOrCreateKey(folder)
  const path = join(folder, 'node.key')
  const good = await readFile(path)
  const foreign = privateKeyToProtobuf(await generateKeyPair('secp256k1'))
  for (const bytes of [new Uint8Array(), good.subarray(0, 20), new Uint8Array(68).fill(255), foreign]) {
    await writeFile(path, bytes)
    await expect(loadOrCreateKey(folder)).rejects.toMatchObject({ code: 'IDENTITY_CORRUPT' })
    expect(await readFile(path)).toEqual(Buffer.from(bytes))
  }
})

test('a key that cannot be read is an error of its own', async () => {
  await expect(loadOrCreateKey('/dev/null')).rejects.toMatchObject({ code: 'IDENTITY_UNREADABLE' })
})
