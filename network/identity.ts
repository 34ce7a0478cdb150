import { randomBytes } from 'node:crypto'
import { link, mkdir, open, readFile, unlink } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { generateKeyPair, privateKeyFromProtobuf, privateKeyToProtobuf } from '@libp2p/crypto/keys'
import type { Ed25519PrivateKey } from '@libp2p/interface'
import { MurmurError } from '../protocol/errors.ts'

export type NodeKey = Ed25519PrivateKey

const fileName = 'node.key'

/** A fresh Ed25519 key: a new identity. */
export async function createKey(): Promise<NodeKey> {
  return generateKeyPair('Ed25519')
}

/**
 * The node's key from `<folder>/node.key` (libp2p's protobuf form, mode 0600), created there durably at first use.
 * Two processes that start at once get the same key. Throws IDENTITY_CORRUPT, IDENTITY_UNREADABLE.
 */
export async function loadOrCreateKey(folder: string): Promise<NodeKey> {
  const path = join(folder, fileName)
  const stored = await readIfThere(path)
  if (stored !== undefined) return decodeKey(path, stored)
  await mkdir(folder, { recursive: true, mode: 0o700 })
  const key = await createKey()
  if (await placeDurably(path, privateKeyToProtobuf(key))) return key
  return decodeKey(path, (await readIfThere(path)) ?? new Uint8Array())
}

/** Writes a new file durably; false when another process was first. A link, unlike a rename, never replaces. */
async function placeDurably(path: string, bytes: Uint8Array): Promise<boolean> {
  const temporary = `${path}.${randomBytes(6).toString('hex')}.tmp`
  const file = await open(temporary, 'wx', 0o600)
  try {
    await file.writeFile(bytes)
    await file.sync()
  } finally {
    await file.close()
  }
  try {
    await link(temporary, path)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false
    throw error
  } finally {
    await unlink(temporary)
  }
  const folder = await open(dirname(path), 'r')
  try {
    await folder.sync()
  } finally {
    await folder.close()
  }
  return true
}

async function readIfThere(path: string): Promise<Uint8Array | undefined> {
  try {
    return await readFile(path)
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === 'ENOENT') return undefined
    throw new MurmurError('IDENTITY_UNREADABLE', {
      message: `the node's key ${path} cannot be read: ${(cause as Error).message}`,
      next: 'give its owner read permission, or point the state folder elsewhere',
      cause,
    })
  }
}

function decodeKey(path: string, bytes: Uint8Array): NodeKey {
  let cause: unknown
  try {
    const key = privateKeyFromProtobuf(bytes)
    if (key.type === 'Ed25519') return key
  } catch (error) {
    cause = error
  }
  throw new MurmurError('IDENTITY_CORRUPT', {
    message: `${path} (${bytes.length} bytes) is not an Ed25519 node key`,
    next: 'restore it from a backup; or move it away to start as a new node, without the old one’s stake and name',
    cause,
  })
}
