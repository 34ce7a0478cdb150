import * as dagCbor from '@ipld/dag-cbor'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { contentId } from '../../protocol/content-id.ts'
import { isMurmurError } from '../../protocol/errors.ts'
import type { RoundManifest } from '../../protocol/wire.ts'
import { encode } from '../../protocol/wire.ts'
import type { RoundEvent } from '../round/state.ts'
import { entriesOf, maxEntryBytes, recordReader, recordsOf } from './entries.ts'
import { long, numbered, settlement, somePeer, someRun } from './fixtures/records.ts'
import { decodeRecord, encodeRecord, type HeadRecord } from './record.ts'
import { loggedEvent, restoreEvent } from './round-event.ts'

const hash = (byte: string): `0x${string}` => `0x${byte.repeat(32)}`
const cid = contentId(Buffer.from('x'), 'raw')

const manifest: RoundManifest = {
  run: someRun,
  term: 8,
  round: 0,
  epoch: 0,
  parent: null,
  baseRoot: hash('01'),
  stateRoot: hash('02'),
  entries: [],
  refused: [],
  closesEpoch: false,
  checkpoint: null,
  slots: [{ worker: somePeer(1), steps: 5 }],
  average: null,
}
const block = encode('SignedManifest', {
  manifest: encode('RoundManifest', manifest),
  signer: somePeer(0),
  signature: new Uint8Array(64),
})
const manifestCid = contentId(block, 'raw')

const events: readonly RoundEvent[] = [
  { kind: 'lead', term: 8, heads: [somePeer(0)] },
  { kind: 'join', worker: somePeer(1), fresh: true },
  {
    kind: 'message',
    author: somePeer(1),
    message: { run: someRun, term: 8, body: { kind: 'commit', round: 3, hash: hash('0a') } },
  },
  {
    kind: 'aggregated',
    round: 3,
    admitted: [somePeer(1)],
    refused: [{ worker: somePeer(2), code: 'LATE' }],
    stateRoot: hash('0b'),
    checkpoint: cid,
    average: { cid, bytes: 7 },
  },
  { kind: 'published', round: 0, cid: manifestCid, block },
  { kind: 'adopt', manifests: [{ manifest, cid: manifestCid }] },
  { kind: 'tick' },
  { kind: 'stop', reason: 'asked' },
]

test('every event comes back from the journal as it was, blocks included', async () => {
  for (const event of events) {
    const record: HeadRecord = { kind: 'round', run: someRun, now: 12.5, event: loggedEvent(event) }
    const read = decodeRecord(encodeRecord(record))
    expect(read).toEqual(record)
    if (read.kind !== 'round') throw new Error('another kind')
    const restored = await restoreEvent(read.event, async (wanted) =>
      wanted === manifestCid ? block : undefined,
    )
    expect(restored).toEqual(event)
  }
})

test('a long manifest is not in the journal, and one that is missing or another is said to be', async () => {
  const long = loggedEvent({ kind: 'published', round: 0, cid: manifestCid, block: new Uint8Array(20_000) })
  expect(long).toMatchObject({ block: null })
  const logged = { kind: 'published', round: 0, cid: manifestCid, block: null } as const
  await expect(restoreEvent(logged, async () => undefined)).rejects.toThrow(/not in the block store/)
  await expect(restoreEvent(logged, async () => new Uint8Array(3))).rejects.toThrow(/in place of/)
})

test('a record that breaks a bound is refused when it is written, and when it is read', () => {
  const bad: HeadRecord = { ...numbered(1), run: 'short' as typeof someRun }
  expect(() => encodeRecord(bad)).toThrow(/run: not a run id/)
  for (const bytes of [
    dagCbor.encode({ kind: 'unheard of' }),
    dagCbor.encode({ ...numbered(1), more: 1 }),
    dagCbor.encode({ kind: 'term', term: -1 }),
    new Uint8Array([0xff, 0xff]),
    new Uint8Array(5 * 1024 * 1024),
  ]) {
    const refused = attempt(() => decodeRecord(bytes))
    expect(isMurmurError(refused, 'JOURNAL_RECORD_INVALID')).toBe(true)
  }
})

test('bytes from anywhere never do worse than be refused', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
      const result = attempt(() => decodeRecord(bytes))
      expect(result === undefined || isMurmurError(result, 'JOURNAL_RECORD_INVALID')).toBe(true)
    }),
  )
})

test('the settlement of a full run is many entries, each short enough for one Append, and one record again', () => {
  const record = settlement(1024)
  const entries = entriesOf(record)
  expect(entries.length).toBeGreaterThan(5)
  for (const entry of entries) expect(entry.length).toBeLessThanOrEqual(maxEntryBytes)
  expect(recordsOf([...entriesOf(numbered(1)), ...entries, ...entriesOf(numbered(2))])).toEqual([
    numbered(1),
    record,
    numbered(2),
  ])
})

test('a record whose end never came is skipped, one without beginning is refused', () => {
  const parts = entriesOf(long(5, 65_536))
  expect(parts).toHaveLength(3)
  expect(recordsOf([parts[0]!, ...entriesOf(numbered(6)), ...parts])).toEqual([numbered(6), long(5, 65_536)])
  expect(() => recordsOf([parts[1]!])).toThrow(/no beginning/)
  const read = recordReader(true)
  expect([parts[1]!, parts[2]!, ...entriesOf(numbered(7))].map(read)).toEqual([null, null, numbered(7)])
})

function attempt(work: () => unknown): unknown {
  try {
    work()
    return undefined
  } catch (error) {
    return error
  }
}
