import { createHash } from 'node:crypto'
import { base32 } from 'multiformats/bases/base32'
import { CID } from 'multiformats/cid'
import * as digest from 'multiformats/hashes/digest'
import { MurmurError } from './errors.ts'
import { type CidText, cidText, type Hash } from './ids.ts'

/** Multicodec codes (github.com/multiformats/multicodec, table.csv) of the only block kinds that this protocol has. */
export const codecs = { raw: 0x55, 'dag-pb': 0x70, 'dag-cbor': 0x71 } as const

export type Codec = keyof typeof codecs

const sha256Code = 0x12
const digestBytes = 32
/** CIDv1 in base32: 'b' and 58 characters for version, codec and a 34-byte multihash, each prefix one byte. */
const cidTextLength = 59

/** SHA-256 of `bytes`: 32 bytes. */
export function sha256(bytes: Uint8Array): Uint8Array {
  return new Uint8Array(createHash('sha256').update(bytes).digest())
}

/** The CIDv1 (base32 text, sha2-256) of a block's bytes. */
export function contentId(bytes: Uint8Array, codec: Codec): CidText {
  return cidFromDigest(sha256(bytes), codec)
}

/** The CID of a block whose SHA-256 (32 bytes) is already known. Throws DIGEST_LENGTH_INVALID. */
export function cidFromDigest(sha256Digest: Uint8Array, codec: Codec): CidText {
  if (sha256Digest.length !== digestBytes)
    throw new MurmurError('DIGEST_LENGTH_INVALID', {
      message: `a sha2-256 digest has ${digestBytes} bytes, this one has ${sha256Digest.length}`,
      next: 'pass the whole digest, not its hex text or a part of it',
    })
  return cidText(CID.createV1(codecs[codec], digest.create(sha256Code, sha256Digest)).toString(base32))
}

/**
 * Checks text from outside: CIDv1, base32, sha2-256, codec raw, dag-pb or dag-cbor, in its one canonical spelling
 * (so that equal blocks have equal ids). Throws CID_INVALID.
 */
export function parseCid(text: string): CidText {
  decode(text)
  return cidText(text)
}

/** The codec that a CID names. Throws CID_INVALID. */
export function codecOf(cid: CidText): Codec {
  const { code } = decode(cid)
  return code === codecs.raw ? 'raw' : code === codecs['dag-pb'] ? 'dag-pb' : 'dag-cbor'
}

/** The 32 bytes of SHA-256 that a CID names. Throws CID_INVALID. */
export function digestOf(cid: CidText): Uint8Array {
  return decode(cid).multihash.digest
}

/** The same as 0x-prefixed hex: how contracts and traces name a block. Throws CID_INVALID. */
export function digestHash(cid: CidText): Hash {
  return `0x${Buffer.from(digestOf(cid)).toString('hex')}`
}

/** True when `bytes` are the block that `cid` names. */
export function matchesCid(cid: CidText, bytes: Uint8Array): boolean {
  return Buffer.compare(digestOf(cid), sha256(bytes)) === 0
}

function decode(text: string): CID {
  // Length first: nothing is decoded from a text that cannot be an id, however long it is.
  if (text.length !== cidTextLength)
    throw invalid(text, `has ${text.length} characters instead of ${cidTextLength}`)
  let cid: CID
  try {
    cid = CID.parse(text)
  } catch (cause) {
    throw invalid(text, 'is not a CID', cause)
  }
  const known = Object.values(codecs).some((code) => code === cid.code)
  if (cid.version !== 1 || !known || cid.multihash.code !== sha256Code || cid.multihash.size !== digestBytes)
    throw invalid(text, 'is not a CIDv1 of a raw, dag-pb or dag-cbor block by sha2-256')
  // Spare bits at the end of base32 text decode alike: only the canonical spelling is an id.
  if (cid.toString(base32) !== text) throw invalid(text, 'is not in canonical base32')
  return cid
}

function invalid(text: string, why: string, cause?: unknown): MurmurError {
  return new MurmurError('CID_INVALID', {
    message: `"${text.length > 80 ? `${text.slice(0, 80)}…` : text}" ${why}`,
    next: 'give the CID in its base32 text form (bafy…, bafk…), as `murmur` prints it',
    exit: 'usage',
    cause,
  })
}
