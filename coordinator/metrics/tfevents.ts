import { readFileSync } from 'node:fs'
import crc32c from 'crc-32/crc32c.js'
import protobuf from 'protobufjs'

/*
 * TensorBoard event files: TFRecord frames around Event messages (tensorflow/core/util/event.proto,
 * tensorflow/core/lib/io/record_writer.h). A frame is the length (u64), its checksum (u32), the bytes, their checksum,
 * little-endian; checksums are CRC-32C, rotated and offset so that a checksum of checksums stays a good one.
 */

const root = protobuf.parse(readFileSync(new URL('./tfevents.proto', import.meta.url), 'utf8')).root
const eventType = root.lookupType('ScalarEvent')

/** The record that an event file begins with. */
export function fileVersionRecord(wallTimeSeconds: number): Uint8Array {
  return recordOf({ wallTime: wallTimeSeconds, fileVersion: 'brain.Event:2' })
}

/** One record with the scalars of one step, by tag. */
export function scalarRecord(
  wallTimeSeconds: number,
  step: number,
  scalars: ReadonlyMap<string, number>,
): Uint8Array {
  const values = [...scalars].map(([tag, value]) => ({ tag, value }))
  return recordOf({ wallTime: wallTimeSeconds, step, scalars: { values } })
}

function recordOf(event: Record<string, unknown>): Uint8Array {
  const data = eventType.encode(eventType.fromObject(event)).finish()
  const record = Buffer.alloc(data.length + 16)
  record.writeBigUInt64LE(BigInt(data.length), 0)
  record.writeUInt32LE(maskedChecksum(record.subarray(0, 8)), 8)
  record.set(data, 12)
  record.writeUInt32LE(maskedChecksum(data), 12 + data.length)
  return record
}

function maskedChecksum(bytes: Uint8Array): number {
  const crc = crc32c.buf(bytes) >>> 0
  return ((((crc >>> 15) | (crc << 17)) >>> 0) + 0xa282ead8) >>> 0
}
