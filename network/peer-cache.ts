import { randomBytes } from 'node:crypto'
import { mkdir, open, rename, rm } from 'node:fs/promises'
import { dirname } from 'node:path'
import { z } from 'zod'
import { isMurmurError, MurmurError } from '../protocol/errors.ts'
import type { WorkerId } from '../protocol/ids.ts'
import { parseAddress, peerOf } from './addresses.ts'
import { networkLimits } from './limits.ts'

/** Peers that were met, on disk, so that a node finds its cluster again when the address it was given is gone. */
export interface PeerCache {
  /** Of the latest met first. */
  addresses(): readonly string[]
  /** Remembers a peer as met just now. Resolves once it is durable; what is no address of that peer is left out. */
  remember(peer: WorkerId, addresses: readonly string[]): Promise<void>
  forget(peer: WorkerId): Promise<void>
}

const fileSchema = z.strictObject({
  version: z.literal(1),
  peers: z
    .array(z.array(z.string().max(512)).max(networkLimits.cachedAddressesPerPeer))
    .max(networkLimits.cachedPeers),
})

/**
 * Opens the cache file at `path`, written at the first `remember`. A file that is damaged, too long or of another version
 * is told to `onFault` and begun anew: it holds nothing that cannot be learnt again.
 */
export async function openPeerCache(path: string, onFault: (fault: unknown) => void): Promise<PeerCache> {
  /** Insertion order is the order of meeting. */
  const peers = new Map<WorkerId, readonly string[]>()
  const stored = await read(path).catch((fault: unknown) => {
    onFault(fault)
    return []
  })
  for (const list of stored) admit(peers, list)
  let writing: Promise<void> = Promise.resolve()
  let queued: Promise<void> | undefined
  const save = (): Promise<void> => {
    // One at a time, with what is newest when it begins: those who come meanwhile share the one after it.
    queued ??= writing
      .catch(() => {})
      .then(() => {
        queued = undefined
        writing = write(path, [...peers.values()])
        return writing
      })
    return queued
  }
  return {
    addresses: () => [...peers.values()].reverse().flat(),
    async remember(peer, addresses) {
      const usable = addresses.filter((text) => ownerOf(text) === peer)
      if (usable.length === 0) return
      peers.delete(peer)
      peers.set(peer, usable.slice(0, networkLimits.cachedAddressesPerPeer))
      const oldest = peers.keys().next().value
      if (peers.size > networkLimits.cachedPeers && oldest !== undefined) peers.delete(oldest)
      await save()
    },
    async forget(peer) {
      if (peers.delete(peer)) await save()
    },
  }
}

/** The file is a text that others may have touched: what is no address, or of several peers, is left out. */
function admit(peers: Map<WorkerId, readonly string[]>, list: readonly string[]): void {
  const owner = ownerOf(list[0] ?? '')
  if (owner === undefined) return
  peers.set(
    owner,
    list.filter((text) => ownerOf(text) === owner),
  )
}

function ownerOf(text: string): WorkerId | undefined {
  try {
    return peerOf(parseAddress(text))
  } catch (error) {
    if (isMurmurError(error, 'ADDRESS_INVALID')) return undefined
    throw error
  }
}

async function read(path: string): Promise<readonly (readonly string[])[]> {
  try {
    const file = await open(path, 'r')
    try {
      const bound = networkLimits.cacheFileBytes
      const bytes = new Uint8Array(bound + 1)
      const { bytesRead } = await file.read(bytes)
      if (bytesRead > bound) throw new Error(`it is longer than ${bound} bytes`)
      const text = new TextDecoder('utf-8', { fatal: true }).decode(bytes.subarray(0, bytesRead))
      return fileSchema.parse(JSON.parse(text)).peers
    } finally {
      await file.close()
    }
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === 'ENOENT') return []
    throw new MurmurError('PEER_CACHE_UNREADABLE', {
      message: `the remembered peers in ${path} cannot be read: ${(cause as Error).message.slice(0, 200)}`,
      next: 'nothing to do: the file is begun anew',
      cause,
    })
  }
}

async function write(path: string, peers: readonly (readonly string[])[]): Promise<void> {
  const folder = dirname(path)
  await mkdir(folder, { recursive: true, mode: 0o700 })
  const temporary = `${path}.${randomBytes(6).toString('hex')}.tmp`
  try {
    const file = await open(temporary, 'wx', 0o600)
    try {
      await file.writeFile(JSON.stringify({ version: 1, peers }))
      await file.sync()
    } finally {
      await file.close()
    }
    await rename(temporary, path)
  } catch (error) {
    await rm(temporary, { force: true })
    throw error
  }
  const handle = await open(folder, 'r')
  try {
    await handle.sync()
  } finally {
    await handle.close()
  }
}
