import fc from 'fast-check'
import { expect, test } from 'vitest'
import { entriesOf } from './entries.ts'
import { long, numbered, somePeer } from './fixtures/records.ts'
import { type VirtualDisk, virtualDisk } from './fixtures/virtual-disk.ts'
import { Journal } from './journal.ts'
import type { HeadRecord } from './record.ts'

const quiet = { onFatal: () => {} }
const open = (disk: VirtualDisk) => Journal.open(disk, quiet)
const numbers = (records: readonly HeadRecord[]) =>
  records.map((record) => (record.kind === 'measured' ? record.epoch : record.kind))

test('what was appended is read again after opening anew, with the same chain', async () => {
  const disk = virtualDisk()
  const first = await open(disk)
  expect(first.records).toEqual([])
  const tickets = [0, 1, 2].map((number) => first.journal.append(numbered(number)))
  await first.journal.durable(tickets[2])
  const { chain, next } = first.journal
  await first.journal.close()
  const again = await open(disk)
  expect(numbers(again.records)).toEqual([0, 1, 2])
  expect(again.journal).toMatchObject({ chain, next, synced: 3 })
  expect(again.cutBytes).toBe(0)
})

test('after a crash at any moment a prefix is there that holds all that was durable', async () => {
  const random = fc.double({ min: 0, max: 1, noNaN: true, maxExcluded: true })
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.record({ count: fc.nat(5), bytes: fc.nat(6_000), waits: fc.boolean() }), { maxLength: 12 }),
      fc.infiniteStream(random),
      async (batches, draws) => {
        let disk = virtualDisk()
        let durable = 0
        let appended = 0
        // Several lives of one journal, each ended by a crash.
        for (let life = 0; life < 3; life++) {
          const { journal, records } = await open(disk)
          expect(numbers(records)).toEqual(Array.from(records, (_, index) => index))
          expect(records.length).toBeGreaterThanOrEqual(durable)
          expect(records.length).toBeLessThanOrEqual(appended)
          appended = records.length
          for (const { count, bytes, waits } of batches) {
            for (let index = 0; index < count; index++) {
              const upTo = journal.append(long(appended, bytes))
              appended += 1
              const reached = appended
              void journal.durable(upTo).then(
                () => {
                  durable = Math.max(durable, reached)
                },
                () => {},
              )
            }
            if (waits) await journal.flushed()
          }
          for (let wait = draws.next().value! * 8; wait > 0; wait--) await null
          disk = disk.crash(() => draws.next().value!)
        }
      },
    ),
    { numRuns: 50 },
  )
})

test('everything that is appended at once takes one write and one sync', async () => {
  const disk = virtualDisk()
  const { journal } = await open(disk)
  let syncs = 0
  const { sync } = disk
  disk.sync = async () => {
    syncs += 1
    await sync()
  }
  for (let number = 0; number < 500; number++) journal.append(numbered(number))
  await journal.durable()
  expect(syncs).toBe(1)
})

test('a failed sync ends it: nothing after it is called durable', async () => {
  const disk = virtualDisk()
  const fatal: unknown[] = []
  const { journal } = await Journal.open(disk, { onFatal: (error) => fatal.push(error) })
  journal.append(numbered(0))
  await journal.durable()
  disk.break()
  const waiting = journal.durable(journal.append(numbered(1)))
  await expect(waiting).rejects.toMatchObject({ code: 'JOURNAL_DISK_FAILED' })
  expect(fatal).toHaveLength(1)
  expect(() => journal.append(numbered(2))).toThrow(/the disk is broken/)
  await expect(journal.durable()).rejects.toThrow()
})

test('durable waits for the standbys in sync, and a sealed journal takes no record of its own', async () => {
  const { journal } = await open(virtualDisk())
  journal.setReplicated(0)
  const ticket = journal.append(numbered(0))
  let done = false
  const waiting = journal.durable(ticket).then(() => {
    done = true
  })
  await journal.flushed()
  expect(done).toBe(false)
  journal.setReplicated(1)
  await waiting
  journal.setReplicated(1)
  const late = journal.durable(journal.append(numbered(1)))
  journal.seal()
  await expect(late).rejects.toMatchObject({ code: 'JOURNAL_SEALED' })
  expect(() => journal.append(numbered(2))).toThrow(/another head leads/)
  journal.appendEntries(entriesOf(numbered(3)))
  await journal.flushed()
  expect(numbers(await journal.records())).toEqual([0, 1, 3])
})

test('entries and chains are found anywhere in a long log, in memory or on disk', async () => {
  const disk = virtualDisk()
  const { journal } = await open(disk)
  const chains = [journal.chain]
  // Some 6 MiB: more than is kept in memory, in several frames.
  for (let number = 0; number < 300; number++) {
    for (const entry of entriesOf(long(number, 20_000))) {
      journal.appendEntries([entry])
      chains.push(journal.chain)
    }
    if (number % 50 === 0) await journal.flushed()
  }
  for (const sequence of [0, 1, 49, 50, 51, 150, 298, 299, 300]) {
    expect(await journal.chainAt(sequence)).toBe(chains[sequence])
    const [entry] = await journal.read(sequence, 1)
    expect(entry).toEqual(sequence === 300 ? undefined : entriesOf(long(sequence, 20_000))[0])
  }
  expect(await journal.chainAt(301)).toBeNull()
  await journal.flushed()
  const { journal: again } = await open(disk)
  expect(await again.chainAt(157)).toBe(chains[157])
  expect((await again.records()).length).toBe(300)
})

test('compaction drops what may go, whole or not at all, and what is appended meanwhile follows', async () => {
  const disk = virtualDisk()
  const { journal } = await open(disk)
  for (let number = 0; number < 100; number++) journal.append(long(number, 100 * number))
  const compacted = journal.compact(
    (record) => record.kind === 'measured' && (record.epoch! % 3 === 0 || record.epoch! >= 1000),
  )
  const early = journal.append(numbered(1000))
  await compacted
  const late = journal.append(numbered(1001))
  await Promise.all([journal.durable(early), journal.durable(late)])
  const expected = [...Array.from({ length: 34 }, (_, index) => 3 * index), 1000, 1001]
  expect(numbers(await journal.records())).toEqual(expected)
  expect(journal.generation).toBe(1)
  const again = await open(disk)
  expect(numbers(again.records)).toEqual(expected)
  expect(again.journal.chain).toBe(journal.chain)
})

test('a standby takes another log for its own only once it is whole', async () => {
  const disk = virtualDisk()
  const { journal } = await open(disk)
  journal.append(numbered(1))
  await journal.durable()
  journal.seal()
  const rewriting = await journal.rewrite()
  await rewriting.append(entriesOf({ kind: 'term', term: 9 }))
  await rewriting.append(entriesOf({ kind: 'heads', heads: [{ id: somePeer(0), addresses: [] }] }))
  expect(numbers((await open(disk)).records)).toEqual([1])
  await rewriting.commit()
  expect(numbers(await journal.records())).toEqual(['term', 'heads'])
  expect(numbers((await open(disk)).records)).toEqual(['term', 'heads'])
})
