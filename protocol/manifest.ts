import { MurmurError } from './errors.ts'
import type { WorkerId } from './ids.ts'
import { maxAnnouncementBytes } from './limits.ts'
import { leaderIndex } from './term.ts'
import { decode, encode, type RoundManifest } from './wire.ts'

const domain = new TextEncoder().encode('murmur/manifest/1\0')

const signedBytes = (manifest: Uint8Array): Uint8Array => Buffer.concat([domain, manifest])

/** Encodes and signs a manifest; its block's CID is what the next manifest names as its parent. */
export async function signManifest(
  manifest: RoundManifest,
  signer: WorkerId,
  sign: (bytes: Uint8Array) => Promise<Uint8Array>,
): Promise<Uint8Array> {
  const bytes = encode('RoundManifest', manifest)
  return encode('SignedManifest', { manifest: bytes, signer, signature: await sign(signedBytes(bytes)) })
}

/** Decodes a manifest without checking who signed it: for judging gossip, whose author is already proven. */
export function readManifest(block: Uint8Array): { manifest: RoundManifest; signer: WorkerId } {
  const { manifest, signer } = decode('SignedManifest', block, maxAnnouncementBytes)
  return { manifest: decode('RoundManifest', manifest, maxAnnouncementBytes), signer }
}

/**
 * Decodes a manifest and checks that the head that led its term signed it.
 * @throws MurmurError MANIFEST_FORGED (exit `verification`), MESSAGE_MALFORMED.
 */
export async function openManifest(
  block: Uint8Array,
  heads: readonly WorkerId[],
  verify: (signer: WorkerId, bytes: Uint8Array, signature: Uint8Array) => Promise<boolean>,
): Promise<RoundManifest> {
  const { manifest, signer, signature } = decode('SignedManifest', block, maxAnnouncementBytes)
  const read = decode('RoundManifest', manifest, maxAnnouncementBytes)
  if (signer !== heads[leaderIndex(read.term)] || !(await verify(signer, signedBytes(manifest), signature))) {
    throw new MurmurError('MANIFEST_FORGED', {
      message: `a manifest of term ${read.term} does not carry the signature of the head that led it`,
      next: 'fetch it from another peer; the one that served it is faulty or hostile',
      exit: 'verification',
    })
  }
  return read
}
