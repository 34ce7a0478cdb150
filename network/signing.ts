import { peerIdFromString } from '@libp2p/peer-id'
import type { WorkerId } from '../protocol/ids.ts'
import type { NodeKey } from './identity.ts'

/**
 * The same key also signs handshakes and gossip, so that what we sign carries a prefix of its own: no signature of
 * one kind can be passed off as another.
 */
const domain = new TextEncoder().encode('murmur-signed-v1:')

/** Ed25519 signature (64 bytes) of `bytes` under our domain. */
export async function signBytes(key: NodeKey, bytes: Uint8Array): Promise<Uint8Array> {
  return new Uint8Array(await key.sign(inDomain(bytes)))
}

/** True when `signature` is the signer's; the public key is part of the peer id. Never throws: bad input is false. */
export async function verifySignature(
  signer: WorkerId,
  bytes: Uint8Array,
  signature: Uint8Array,
): Promise<boolean> {
  try {
    const { publicKey } = peerIdFromString(signer)
    if (publicKey?.type !== 'Ed25519' || signature.length !== 64) return false
    return await publicKey.verify(inDomain(bytes), signature)
  } catch {
    return false
  }
}

function inDomain(bytes: Uint8Array): Uint8Array {
  const signed = new Uint8Array(domain.length + bytes.length)
  signed.set(domain)
  signed.set(bytes, domain.length)
  return signed
}
