import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { type WorkerId, workerId } from '../protocol/ids.ts'
import { createKey } from './identity.ts'
import { networkLimits } from './limits.ts'
import { openPeerCache } from './peer-cache.ts'

let folder: string
let path: string
const faults: unknown[] = []
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'murmur-peers-'))
  path = join(folder, 'state', 'peers.json')
  faults.length = 0
})
afterEach(async () => {
  await rm(folder, { recursive: true, force: true })
})
const open = () => openPeerCache(path, (fault) => faults.push(fault))
const newPeer = async (): Promise<WorkerId> => workerId((await createKey()).publicKey.toString())
const addressOf = (peer: WorkerId, port = 4101): string => `/ip4/203.0.113.7/tcp/${port}/p2p/${peer}`

test('peers are there again after a restart, the latest met first; one that is forgotten is not', async () => {
  const [a, b, c] = [await newPeer(), await newPeer(), await newPeer()]
  const cache = await open()
  await Promise.all([a, b, c].map((peer) => cache.remember(peer, [addressOf(peer)])))
  await cache.remember(a, [addressOf(a, 4102), addressOf(a)])
  await cache.forget(b)
  expect((await open()).addresses()).toEqual([addressOf(a, 4102), addressOf(a), addressOf(c)])
  expect(await readdir(join(folder, 'state'))).toEqual(['peers.json'])
  expect(faults).toEqual([])
})

test('it is bounded: addresses of a peer, peers, and only a peer’s own addresses count', async () => {
  const [a, b] = [await newPeer(), await newPeer()]
  const cache = await open()
  await cache.remember(a, [addressOf(b), 'nonsense', '/ip4/203.0.113.7/tcp/1'])
  expect(cache.addresses()).toEqual([])
  await cache.remember(
    a,
    [1, 2, 3, 4, 5, 6, 7].map((port) => addressOf(a, port)),
  )
  expect(cache.addresses()).toHaveLength(networkLimits.cachedAddressesPerPeer)
  const others = await Promise.all(Array.from({ length: networkLimits.cachedPeers }, newPeer))
  await Promise.all(others.map((other) => cache.remember(other, [addressOf(other)])))
  expect(cache.addresses()).toHaveLength(networkLimits.cachedPeers)
  expect(cache.addresses().join()).not.toContain(a)
  expect((await readFile(path)).length).toBeLessThan(networkLimits.cacheFileBytes)
  expect((await open()).addresses()).toEqual(cache.addresses())
})

test.each<[string, string | Uint8Array]>([
  ['no JSON', '{"version": 1, "peers": [['],
  ['no UTF-8', Uint8Array.of(0xff, 0xfe)],
  ['another version', '{"version": 2, "peers": []}'],
  ['another shape', '{"version": 1, "peers": {"__proto__": []}}'],
  ['too long', ' '.repeat(networkLimits.cacheFileBytes + 1)],
])('a file that is %s is told, and begun anew', async (_name, content) => {
  const peer = await newPeer()
  path = join(folder, 'peers.json')
  await writeFile(path, content)
  const cache = await open()
  expect(cache.addresses()).toEqual([])
  expect(faults).toEqual([expect.objectContaining({ code: 'PEER_CACHE_UNREADABLE' })])
  await cache.remember(peer, [addressOf(peer)])
  expect((await open()).addresses()).toEqual([addressOf(peer)])
})

test('addresses in the file that nobody could dial are left out, the others kept', async () => {
  const [a, b] = [await newPeer(), await newPeer()]
  path = join(folder, 'peers.json')
  const peers = [['nonsense'], [addressOf(a), addressOf(b), '/ip4/1.2.3.4/udp/1/quic-v1'], []]
  await writeFile(path, JSON.stringify({ version: 1, peers }))
  expect((await open()).addresses()).toEqual([addressOf(a)])
  expect(faults).toEqual([])
})
