import crc32c from 'crc-32/crc32c.js'
import { MurmurError } from '../../protocol/errors.ts'
import { checkEntry, type Entry, maxEntryBytes } from './entries.ts'

/*
 * The file of a journal: eight bytes that name the format, then frames. A frame is one group commit: what one write and one
 * fsync made durable.
 *
 *     u32 length of the payload ‖ u32 masked CRC-32C of (offset of the frame as u64 ‖ payload) ‖ payload
 *     payload: (u32 length ‖ entry)*          all integers little-endian
 *
 * The next frame is written only after the fsync of the one before has returned. So at most one frame, the last, can be
 * torn, however the disk reorders what it was given; nobody was told that its entries are durable, and it is cut off.
 * A bad frame with a good one after it was good once: that is a damaged disk, and cutting there would lose what was
 * promised, so it is an error. The offset is in the sum so that a frame counts only where it was written: bytes
 * inside an entry, which a stranger may have chosen, or a stale block of the disk, are not taken for one.
 */
export const fileHeader = new TextEncoder().encode('MURMLOG1')
export const frameHeaderBytes = 8
/** Entries of one group commit: what a disk writes in some milliseconds. */
export const maxFrameBytes = 1024 * 1024

/** LevelDB's mask: a sum over bytes that hold sums is weak (google/leveldb, util/crc32c.h). */
const mask = (crc: number): number => (((crc >>> 15) | (crc << 17)) + 0xa282ead8) >>> 0

function checksum(offset: number, payload: Uint8Array): number {
  const place = new Uint8Array(8)
  new DataView(place.buffer).setBigUint64(0, BigInt(offset), true)
  return mask(crc32c.buf(payload, crc32c.buf(place)) >>> 0)
}

/** Bytes that an entry takes inside a frame. */
export const framedBytes = (entry: Entry): number => 4 + entry.length

/** The frame that holds `entries` (at least one, at most `maxFrameBytes` framed) when written at `offset` of the file. */
export function encodeFrame(offset: number, entries: readonly Entry[]): Uint8Array {
  const length = entries.reduce((sum, entry) => sum + framedBytes(entry), 0)
  const frame = new Uint8Array(frameHeaderBytes + length)
  const view = new DataView(frame.buffer)
  let at = frameHeaderBytes
  for (const entry of entries) {
    view.setUint32(at, entry.length, true)
    frame.set(entry, at + 4)
    at += framedBytes(entry)
  }
  view.setUint32(0, length, true)
  view.setUint32(4, checksum(offset, frame.subarray(frameHeaderBytes)), true)
  return frame
}

/**
 * The payload of the frame at `offset` of the bytes, which are those of the file from `start` on; null when no whole,
 * undamaged frame is there.
 */
export function payloadAt(file: Uint8Array, offset: number, start = 0): Uint8Array | null {
  if (offset + frameHeaderBytes > file.length) return null
  const view = new DataView(file.buffer, file.byteOffset + offset, frameHeaderBytes)
  const length = view.getUint32(0, true)
  if (length === 0 || length > maxFrameBytes || offset + frameHeaderBytes + length > file.length) return null
  const payload = file.subarray(offset + frameHeaderBytes, offset + frameHeaderBytes + length)
  return checksum(start + offset, payload) === view.getUint32(4, true) ? payload : null
}

/** @throws MurmurError JOURNAL_RECORD_INVALID when a payload whose sum is right isn't made of entries */
export function entriesIn(payload: Uint8Array): readonly Entry[] {
  const view = new DataView(payload.buffer, payload.byteOffset, payload.length)
  const entries: Entry[] = []
  let at = 0
  while (at < payload.length) {
    const length = at + 4 <= payload.length ? view.getUint32(at, true) : 0
    const entry = payload.subarray(at + 4, at + 4 + Math.min(length, maxEntryBytes + 1))
    checkEntry(entry)
    if (entry.length !== length) throw corrupt(at, 'a frame holds half an entry')
    entries.push(entry)
    at += framedBytes(entry)
  }
  return entries
}

export interface ReadFrame {
  readonly offset: number
  readonly entries: readonly Entry[]
}

export interface ReadFrames {
  readonly frames: readonly ReadFrame[]
  /** The file up to here is good; what follows is a torn write, to be cut off. 0: not even the header is whole. */
  readonly validBytes: number
}

/**
 * Reads a journal's file as a crash may have left it.
 * @throws MurmurError JOURNAL_CORRUPT: it is no journal, or a frame is damaged that was durable.
 */
export function readFrames(file: Uint8Array): ReadFrames {
  const begun = file.subarray(0, fileHeader.length)
  if (Buffer.compare(begun, fileHeader.subarray(0, begun.length)) !== 0)
    throw corrupt(0, 'it does not begin as a journal does')
  if (begun.length < fileHeader.length) return { frames: [], validBytes: 0 }
  const frames: ReadFrame[] = []
  let offset = fileHeader.length
  for (;;) {
    const payload = payloadAt(file, offset)
    if (payload === null) break
    frames.push({ offset, entries: entriesIn(payload) })
    offset += frameHeaderBytes + payload.length
  }
  refuseDamage(file, offset)
  return { frames, validBytes: offset }
}

/** What follows `offset` is either one torn frame, or damage. */
function refuseDamage(file: Uint8Array, offset: number): void {
  const tail = file.length - offset
  if (tail > frameHeaderBytes + maxFrameBytes)
    throw corrupt(offset, `${tail} bytes after the damage are more than one torn write`)
  for (let later = offset + 1; later + frameHeaderBytes < file.length; later++) {
    if (payloadAt(file, later) !== null) throw corrupt(offset, `a good frame follows at ${later}`)
  }
}

/** A frame that was durable is damaged. */
export function corrupt(offset: number, why: string): MurmurError {
  return new MurmurError('JOURNAL_CORRUPT', {
    message: `the journal is damaged at byte ${offset}: ${why}`,
    next: 'check this disk; keep the file, and start this head anew as a standby of another one, or from a copy',
    exit: 'verification',
    details: { offset },
  })
}
