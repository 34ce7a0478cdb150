import { maxAnnouncementBytes } from '../protocol/limits.ts'
import { decode, encode, type Gossip } from '../protocol/wire.ts'

const decoded = new WeakMap<Uint8Array, Gossip>()

/** The real encoding. Equal messages are told in the same bytes, so that each is decoded once, whoever receives it. */
export function encodeGossip(message: Gossip): Uint8Array {
  return encode('Gossip', message)
}

/** The real, bounded decoder. Throws what it throws. */
export function decodeGossip(bytes: Uint8Array): Gossip {
  const known = decoded.get(bytes)
  if (known !== undefined) return known
  const message = decode('Gossip', bytes, maxAnnouncementBytes)
  decoded.set(bytes, message)
  return message
}
