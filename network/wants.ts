import { CID } from 'multiformats/cid'
import { parseCid } from '../protocol/content-id.ts'
import { MurmurError } from '../protocol/errors.ts'
import type { CidText } from '../protocol/ids.ts'

/**
 * The wire form of `/murmur/blocks/1`, integers big-endian. Want list: u16 count, then per block its binary CID, which
 * for the CIDs of this protocol is always 36 bytes. Answer, per want in order: u8 status (0 not found, 1 found), and
 * when found u32 length and the bytes.
 */
export const wantBytes = 36
export const notFound = 0
export const found = 1

export const notFoundHeader: Uint8Array = Uint8Array.of(notFound)

export function foundHeader(length: number): Uint8Array {
  const header = new Uint8Array(5)
  header[0] = found
  new DataView(header.buffer).setUint32(1, length)
  return header
}

export function encodeWants(cids: readonly CidText[]): Uint8Array {
  const list = new Uint8Array(2 + cids.length * wantBytes)
  new DataView(list.buffer).setUint16(0, cids.length)
  cids.forEach((cid, index) => {
    list.set(CID.parse(parseCid(cid)).bytes, 2 + index * wantBytes)
  })
  return list
}

/** Throws WANT_MALFORMED. */
export function decodeWant(bytes: Uint8Array): CidText {
  try {
    return parseCid(CID.decode(bytes).toString())
  } catch (cause) {
    throw new MurmurError('WANT_MALFORMED', {
      message: 'a want is not the CID of a raw, dag-pb or dag-cbor block',
      next: 'the asker runs other software or is hostile; nothing to do here',
      cause,
    })
  }
}
