import { sha256 } from '../../protocol/content-id.ts'
import { MurmurError } from '../../protocol/errors.ts'
import type { Hash } from '../../protocol/ids.ts'
import { maxAppendBytes } from '../../protocol/limits.ts'
import { decodeRecord, encodeRecord, type HeadRecord, maxRecordBytes } from './record.ts'

/**
 * The journal is a sequence of entries, numbered from 0. A record is one entry, or several where it is longer than one
 * message between heads can carry, told apart by the first byte as in LevelDB's log: `whole`, or `first middle* last`. A
 * record whose end never came (its head died, and another one led on) is followed by a `first` or `whole`: it is skipped.
 */
export type Entry = Uint8Array

/** One entry with its frame is one Append (protocol/messages.proto) at most. */
export const maxEntryBytes = maxAppendBytes
const whole = 0
const first = 1
const middle = 2
const last = 3

/** A record's entries, in order. Throws as `encodeRecord`. */
export function entriesOf(record: HeadRecord): readonly Entry[] {
  const bytes = encodeRecord(record)
  const room = maxEntryBytes - 1
  const parts: Entry[] = []
  for (let start = 0; start < bytes.length; start += room) {
    const part = bytes.subarray(start, start + room)
    const ends = start + room >= bytes.length
    const entry = new Uint8Array(1 + part.length)
    entry[0] = start === 0 ? (ends ? whole : first) : ends ? last : middle
    entry.set(part, 1)
    parts.push(entry)
  }
  return parts
}

/**
 * Puts records together from entries given one after the other: null where none ends. `midway`: the first entries may be
 * of a record that began before them, which is left out.
 * @throws MurmurError JOURNAL_RECORD_INVALID
 */
export function recordReader(midway = false): (entry: Entry) => HeadRecord | null {
  let parts: Entry[] = []
  let length = 0
  let skips = midway
  return (entry) => {
    checkEntry(entry)
    const kind = entry[0]!
    if (kind === whole || kind === first) {
      parts = []
      length = 0
      skips = false
    } else if (skips) {
      return null
    } else if (parts.length === 0) throw invalid('it has no beginning')
    parts.push(entry.subarray(1))
    length += entry.length - 1
    if (length > maxRecordBytes) throw invalid('it goes on beyond the longest record')
    if (kind === first || kind === middle) return null
    const bytes = parts.length === 1 ? parts[0]! : Buffer.concat(parts)
    parts = []
    return decodeRecord(bytes)
  }
}

/** All whole records of consecutive entries; a last one that isn't whole is left out. */
export function recordsOf(entries: Iterable<Entry>): readonly HeadRecord[] {
  const read = recordReader()
  const records: HeadRecord[] = []
  for (const entry of entries) {
    const record = read(entry)
    if (record !== null) records.push(record)
  }
  return records
}

/** @throws MurmurError JOURNAL_RECORD_INVALID when bytes cannot be an entry */
export function checkEntry(entry: Entry): void {
  if (entry.length < 2 || entry.length > maxEntryBytes || entry[0]! > last)
    throw invalid(`an entry of ${entry.length} bytes begins with ${entry[0]}`)
}

/** The chain before the first entry. */
export const emptyChain: Hash = `0x${'00'.repeat(32)}`

/** chain₀ = 0, chainₙ₊₁ = SHA-256(chainₙ ‖ entryₙ): two logs with the same chain at n are the same before n. */
export function chainAfter(chain: Hash, entry: Entry): Hash {
  const joined = Buffer.concat([Buffer.from(chain.slice(2), 'hex'), entry])
  return `0x${Buffer.from(sha256(joined)).toString('hex')}`
}

function invalid(reason: string): MurmurError {
  return new MurmurError('JOURNAL_RECORD_INVALID', {
    message: `a journal record is invalid: ${reason}`,
    next: 'start this head with the version of murmur that wrote the journal',
    exit: 'version',
  })
}
