import { packBf16, roundToBf16, unpackBf16 } from '../aggregation/bf16.ts'
import { sha256 } from '../protocol/content-id.ts'
import { MurmurError } from '../protocol/errors.ts'
import type { Hash } from '../protocol/ids.ts'

/**
 * What a worker carries from round to round and nobody else has: the inner optimizer's moments, the error feedback,
 * and how many optimizer steps it has taken. Between rounds it is rounded to bf16, so that the block an auditor
 * fetches is half the size and holds exactly the values the worker went on with.
 */
export interface LocalState {
  readonly step: number
  readonly moments: readonly Float32Array[]
  readonly errorFeedback: Float32Array
}

const magic = 'MLS1'
const headerBytes = 16

export function emptyLocalState(parameterCount: number, moments: number): LocalState {
  const zeros = () => new Float32Array(parameterCount)
  return { step: 0, moments: Array.from({ length: moments }, zeros), errorFeedback: zeros() }
}

/** Rounds every vector to bf16 in place and gives the block: magic, step, vectors, N (u32 LE), then bf16 values. */
export function packLocalState(state: LocalState): Uint8Array {
  const vectors = [...state.moments, state.errorFeedback]
  const parameterCount = state.errorFeedback.length
  const bytes = new Uint8Array(headerBytes + vectors.length * parameterCount * 2)
  const view = new DataView(bytes.buffer)
  bytes.set(new TextEncoder().encode(magic))
  view.setUint32(4, state.step, true)
  view.setUint32(8, vectors.length, true)
  view.setUint32(12, parameterCount, true)
  vectors.forEach((vector, index) => {
    roundToBf16(vector)
    bytes.set(packBf16(vector), headerBytes + index * parameterCount * 2)
  })
  return bytes
}

/** SHA-256 of a packed local state: the digest of its block's CID, and a leaf of the trace. */
export const localStateDigest = (block: Uint8Array): Hash => `0x${Buffer.from(sha256(block)).toString('hex')}`

/** Bytes of a packed local state: known before it is fetched. */
export function localStateBytes(parameterCount: number, moments: number): number {
  return headerBytes + (moments + 1) * parameterCount * 2
}

/** @throws MurmurError LOCAL_STATE_MALFORMED: not a local state of this program. */
export function unpackLocalState(bytes: Uint8Array, parameterCount: number, moments: number): LocalState {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  const fits =
    bytes.length === localStateBytes(parameterCount, moments) &&
    new TextDecoder().decode(bytes.subarray(0, 4)) === magic &&
    view.getUint32(8, true) === moments + 1 &&
    view.getUint32(12, true) === parameterCount
  if (!fits) {
    throw new MurmurError('LOCAL_STATE_MALFORMED', {
      message: `${bytes.length} bytes are not the local state of a program with ${parameterCount} parameters`,
      next: 'the worker starts again from an empty local state',
    })
  }
  const vectors = Array.from({ length: moments + 1 }, (_, index) => {
    const start = headerBytes + index * parameterCount * 2
    return unpackBf16(bytes.subarray(start, start + parameterCount * 2))
  })
  return {
    step: view.getUint32(4, true),
    moments: vectors.slice(0, moments),
    errorFeedback: vectors[moments]!,
  }
}
