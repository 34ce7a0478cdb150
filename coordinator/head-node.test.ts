import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, expect, test, vi } from 'vitest'
import { createLoopback } from '../network/loopback.ts'
import { MurmurError } from '../protocol/errors.ts'
import type { Network } from '../protocol/ports.ts'
import type { ChainLease } from './head-node.ts'
import { long, somePeer } from './journal/fixtures/records.ts'
import { virtualDisk } from './journal/fixtures/virtual-disk.ts'
import { openLogFile } from './journal/log-file.ts'
import { MemoryNetworks } from './lease/fixtures/memory-network.ts'
import { journalNumber, numbersIn, startHead, type TestHead } from './lease/fixtures/test-head.ts'

const running = new Set<TestHead>()
const started = async (...options: Parameters<typeof startHead>): Promise<TestHead> => {
  const head = await startHead(...options)
  running.add(head)
  return head
}
const stopped = async (head: TestHead): Promise<void> => {
  running.delete(head)
  await head.stop()
}
afterEach(async () => {
  await Promise.all([...running].map(stopped))
})

const until = (check: () => void | Promise<void>) => vi.waitFor(check, { timeout: 30_000, interval: 20 })
const leads = (head: TestHead, times = 1) => until(() => expect(head.led).toHaveLength(times))
const inSync = (leader: TestHead, count: number) =>
  until(() => expect(leader.node.status.inSync).toHaveLength(count))
const addressOf = (network: Network) => network.addresses()[0]!

/** A worker journals numbers with whoever leads; gives those that were called durable. */
async function work(
  worker: Network,
  leader: TestHead,
  numbers: readonly number[],
): Promise<readonly number[]> {
  const done: number[] = []
  for (const number of numbers) {
    try {
      await worker.request(leader.network.self, journalNumber(number), AbortSignal.timeout(5_000))
      done.push(number)
    } catch {
      // Not durable, as far as the worker knows.
    }
  }
  return done
}

const range = (from: number, count: number) => Array.from({ length: count }, (_, index) => from + index)

test('the standby takes over with all that was durable; the old leader comes back and follows', async () => {
  const networks = new MemoryNetworks()
  const disks = [virtualDisk(), virtualDisk()]
  const a = await started(networks.node(somePeer(0)), disks[0]!, [])
  await leads(a)
  const b = await started(networks.node(somePeer(1)), disks[1]!, [addressOf(a.network)])
  await inSync(a, 1)
  const worker = networks.node(somePeer(9))
  const before = await work(worker, a, range(0, 50))
  expect(before).toHaveLength(50)
  await expect(
    worker.request(b.network.self, journalNumber(99), AbortSignal.timeout(5_000)),
  ).rejects.toMatchObject({ code: 'NOT_LEADING', exit: 'unreachable', next: `ask ${addressOf(a.network)}` })
  await stopped(a)
  await leads(b)
  expect(b.led[0]).toEqual({ term: 9, numbers: before })
  const after = await work(worker, b, range(50, 20))

  const again = await started(
    networks.node(somePeer(0)),
    disks[0]!.crash(() => 0.5),
    [],
  )
  await inSync(b, 1)
  expect(again.led).toEqual([])
  expect(again.node.status).toMatchObject({ role: 'following', term: 9 })
  expect(numbersIn(await again.journal.records())).toEqual([...before, ...after])
  expect(again.journal.chain).toBe(b.journal.chain)
  expect(b.led).toHaveLength(1)
})

test('a leader that is cut off gives way when it is heard again, and what it alone had is gone', async () => {
  const networks = new MemoryNetworks()
  const a = await started(networks.node(somePeer(0)), virtualDisk(), [])
  await leads(a)
  const b = await started(networks.node(somePeer(1)), virtualDisk(), [addressOf(a.network)])
  await inSync(a, 1)
  const worker = networks.node(somePeer(9))
  const shared = await work(worker, a, range(0, 10))
  networks.cut(a.network.self, b.network.self)
  networks.cut(b.network.self, a.network.self)
  await leads(b)
  await inSync(a, 0)
  await work(worker, a, range(100, 3))
  const kept = await work(worker, b, range(200, 5))
  networks.heal()
  await inSync(b, 1)
  expect(a.node.status).toMatchObject({ role: 'following', term: 9 })
  expect(numbersIn(await a.journal.records())).toEqual([...shared, ...kept])
  await expect(worker.request(a.network.self, journalNumber(7), AbortSignal.timeout(5_000))).rejects.toThrow()
})

test('a standby that does not answer stalls the leader no longer than a second, and catches up later', async () => {
  const networks = new MemoryNetworks()
  const a = await started(networks.node(somePeer(0)), virtualDisk(), [])
  await leads(a)
  const b = await started(networks.node(somePeer(1)), virtualDisk(), [addressOf(a.network)])
  await inSync(a, 1)
  networks.cut(a.network.self, b.network.self)
  const worker = networks.node(somePeer(9))
  expect(await work(worker, a, range(0, 5))).toHaveLength(5)
  expect(a.node.status.inSync).toEqual([])
  networks.heal()
  await until(() => expect(a.node.status.inSync.length + b.node.status.inSync.length).toBe(1))
  const leader = a.node.status.role === 'leading' ? a : b
  expect(numbersIn(await leader.journal.records())).toEqual(range(0, 5))
})

test('compaction and records longer than a message reach the standby', async () => {
  const networks = new MemoryNetworks()
  const a = await started(networks.node(somePeer(0)), virtualDisk(), [])
  await leads(a)
  const b = await started(networks.node(somePeer(1)), virtualDisk(), [addressOf(a.network)])
  await inSync(a, 1)
  for (let number = 0; number < 40; number++) a.journal.append(long(number, 60_000))
  await a.journal.durable()
  expect(b.journal.chain).toBe(a.journal.chain)
  await a.journal.compact((record) => record.kind !== 'measured' || record.epoch! >= 30)
  a.journal.append(long(40, 10))
  await until(() => expect(b.journal.chain).toBe(a.journal.chain))
  expect(numbersIn(await b.journal.records())).toEqual(range(30, 11))
})

test('a standby whose question was heard, but not its answer, is not in sync before it has the new log', async () => {
  const networks = new MemoryNetworks()
  const a = await started(networks.node(somePeer(0)), virtualDisk(), [])
  await leads(a)
  for (let number = 0; number < 40; number++) a.journal.append(long(number, 10))
  let loses = 0
  const whole = networks.node(somePeer(1))
  const request: Network['request'] = async (...question) => {
    const answer = await whole.request(...question)
    if (loses-- > 0) throw new Error('the answer came too late')
    return answer
  }
  const b = await started({ ...whole, request }, virtualDisk(), [addressOf(a.network)])
  await inSync(a, 1)
  loses = 1
  await a.journal.compact((record) => record.kind !== 'measured' || record.epoch! >= 30)
  await until(() => {
    expect(loses).toBeLessThan(1)
    expect(a.node.status.inSync).toHaveLength(1)
  })
  expect(b.journal.chain).toBe(a.journal.chain)
  expect(numbersIn(await b.journal.records())).toEqual(range(30, 10))
})

test('a head needs the token, and a node that is no head cannot speak as the leader', async () => {
  const networks = new MemoryNetworks()
  const a = await started(networks.node(somePeer(0)), virtualDisk(), [])
  await leads(a)
  const b = await started(networks.node(somePeer(1)), virtualDisk(), [addressOf(a.network)], null, 'guess')
  await until(() => expect(b.logged.join()).toContain('JOIN_REFUSED'))
  expect(a.node.status.heads).toHaveLength(1)
  const stranger = networks.node(somePeer(5))
  const { encode } = await import('../protocol/wire.ts')
  const append = { kind: 'append' as const, term: 4_000_000_000, from: 0, records: [], reset: true }
  await expect(
    stranger.request(a.network.self, encode('HeadRequest', { body: append }), AbortSignal.timeout(5_000)),
  ).rejects.toMatchObject({ code: 'NOT_THE_LEADER' })
  expect(a.node.status).toMatchObject({ role: 'leading', term: 8 })
})

test('with a chain, a head that is refused the lease does not lead', async () => {
  let onChain = 0
  const chain: ChainLease = {
    take: async (term) => {
      if (term <= onChain) return { taken: false, term: onChain }
      onChain = term
      return { taken: true }
    },
    current: async () => onChain,
  }
  const networks = new MemoryNetworks()
  onChain = 20
  const a = await started(networks.node(somePeer(0)), virtualDisk(), [], chain)
  await leads(a)
  expect(a.led[0]!.term).toBe(24)
  expect(onChain).toBe(24)
})

test('a leader whose disk fails says so and calls nothing durable', async () => {
  const networks = new MemoryNetworks()
  const disk = virtualDisk()
  const a = await started(networks.node(somePeer(0)), disk, [])
  await leads(a)
  disk.break()
  const worker = networks.node(somePeer(9))
  expect(await work(worker, a, [1])).toEqual([])
  expect(a.logged.join()).toContain('FATAL')
  expect(() => a.journal.append(long(1, 1))).toThrow(MurmurError)
})

test('the same over libp2p and real files: killed leader, takeover, return', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'murmur-heads-'))
  const loopback = createLoopback({ now: () => performance.now() })
  try {
    const network = await loopback.start()
    const a = await started(network, await openLogFile(join(folder, 'a')), [])
    await leads(a)
    const b = await started(await loopback.start(), await openLogFile(join(folder, 'b')), [
      addressOf(network),
    ])
    await inSync(a, 1)
    const worker = await loopback.start()
    await worker.dial(addressOf(a.network), AbortSignal.timeout(10_000))
    const before = await work(worker, a, range(0, 20))
    expect(before).toHaveLength(20)
    await stopped(a)
    await leads(b)
    expect(b.led[0]).toEqual({ term: 9, numbers: before })
    await stopped(b)
    // A head that was alone at last leads on from its own file.
    const c = await started(await loopback.start(), await openLogFile(join(folder, 'c')), [])
    await leads(c)
  } finally {
    await Promise.all([...running].map(stopped))
    await loopback[Symbol.asyncDispose]()
    await rm(folder, { recursive: true })
  }
})
