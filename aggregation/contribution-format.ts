import { MurmurError } from '../protocol/errors.ts'

/**
 * The byte format of a SparseLoCo contribution (docs/protocol.md, "Contribution"). All numbers are little-endian; a
 * header of 16 bytes, then one record a chunk, whose size the header determines:
 *
 *     0   4  ASCII "MSLC"          8   2  k, selected entries a chunk, 1 … chunk size
 *     4   2  version, 1            10  2  zero
 *     6   2  chunk size, 1 … 4096  12  4  N, parameters
 *
 *     record: f32 low · f32 high · k′ indices of 12 bits · k′ codes of 2 bits, each list padded with zero bits
 *
 * k′ = min(k, chunk length). A code is sign | high << 1. Canonical, so that bytes and updates correspond one to one:
 * indices strictly ascend; 0 ≤ low ≤ high, finite, no −0; some entry is low; high > low exactly when some entry is
 * high; with low = 0 the low entries carry no sign.
 */
export const headerBytes = 16
const version = 1
/** Twelve bits name a place in a chunk. */
export const maxChunkSize = 4096
const magic = 0x434c534d // "MSLC"

export interface ChunkLayout {
  readonly chunkSize: number
  /** Entries selected in a chunk. */
  readonly k: number
}

/** Bytes of one chunk's record with `entries` selected entries. */
export const recordBytes = (entries: number): number =>
  8 + Math.ceil((entries * 12) / 8) + Math.ceil((entries * 2) / 8)

/** Bytes of a whole contribution for N parameters. */
export function contributionBytes({ chunkSize, k }: ChunkLayout, parameterCount: number): number {
  const whole = Math.floor(parameterCount / chunkSize)
  const rest = parameterCount % chunkSize
  return headerBytes + whole * recordBytes(k) + (rest > 0 ? recordBytes(Math.min(k, rest)) : 0)
}

export function writeHeader(view: DataView, layout: ChunkLayout, parameterCount: number): void {
  view.setUint32(0, magic, true)
  view.setUint16(4, version, true)
  view.setUint16(6, layout.chunkSize, true)
  view.setUint16(8, layout.k, true)
  view.setUint16(10, 0, true)
  view.setUint32(12, parameterCount, true)
}

/** Refuses a header that isn't exactly the one of this run, and any length but the one it implies. */
export function checkHeader(view: DataView, layout: ChunkLayout, parameterCount: number): void {
  if (view.byteLength < headerBytes) throw malformed(`${view.byteLength} bytes are shorter than a header`)
  if (view.getUint32(0, true) !== magic) throw malformed('it does not begin with "MSLC"')
  if (view.getUint16(4, true) !== version) {
    throw malformed(`version ${view.getUint16(4, true)} where ${version} is spoken`)
  }
  if (view.getUint16(6, true) !== layout.chunkSize || view.getUint16(8, true) !== layout.k) {
    throw malformed(`chunks of ${view.getUint16(6, true)} with k ${view.getUint16(8, true)}, not the run's`)
  }
  if (view.getUint16(10, true) !== 0) throw malformed('reserved bytes are not zero')
  if (view.getUint32(12, true) !== parameterCount) {
    throw malformed(`${view.getUint32(12, true)} parameters where the program has ${parameterCount}`)
  }
  const expected = contributionBytes(layout, parameterCount)
  if (view.byteLength !== expected) throw malformed(`${view.byteLength} bytes where ${expected} are due`)
}

/** Writes the 12-bit index of entry `entry` of a list that begins at `offset`; earlier entries first. */
export function writeIndex(bytes: Uint8Array, offset: number, entry: number, index: number): void {
  const at = offset + ((entry * 3) >> 1)
  if ((entry & 1) === 0) {
    bytes[at] = index & 0xff
    bytes[at + 1] = index >> 8
  } else {
    bytes[at] = bytes[at]! | ((index & 0xf) << 4)
    bytes[at + 1] = index >> 4
  }
}

export function readIndex(bytes: Uint8Array, offset: number, entry: number): number {
  const at = offset + ((entry * 3) >> 1)
  return (entry & 1) === 0
    ? bytes[at]! | ((bytes[at + 1]! & 0xf) << 8)
    : (bytes[at]! >> 4) | (bytes[at + 1]! << 4)
}

export function writeCode(bytes: Uint8Array, offset: number, entry: number, code: number): void {
  const at = offset + (entry >> 2)
  bytes[at] = bytes[at]! | (code << ((entry & 3) * 2))
}

export function readCode(bytes: Uint8Array, offset: number, entry: number): number {
  return (bytes[offset + (entry >> 2)]! >> ((entry & 3) * 2)) & 3
}

/** True when the bits behind the last of `entries` fields of `width` bits are zero. */
export function paddingIsZero(bytes: Uint8Array, offset: number, entries: number, width: number): boolean {
  const bits = entries * width
  const used = bits & 7
  return used === 0 || bytes[offset + (bits >> 3)]! >> used === 0
}

export function malformed(reason: string): MurmurError {
  return new MurmurError('CONTRIBUTION_MALFORMED', {
    message: `a contribution is malformed: ${reason}`,
    next: 'leave it out of the round; its sender runs other software or is hostile',
    exit: 'verification',
    verdict: 'reject',
  })
}
