import { type Averaging, hasDrift, movingOf } from '../aggregation/averaging.ts'
import { roundAndPackBf16, unpackBf16 } from '../aggregation/bf16.ts'
import type { Kept } from '../aggregation/contribute.ts'
import { cidFromDigest, sha256 } from '../protocol/content-id.ts'
import { MurmurError } from '../protocol/errors.ts'
import type { CidText, Hash } from '../protocol/ids.ts'

/**
 * What a worker carries from round to round and nobody else has: the inner optimizer's moments, the error feedback,
 * and how many optimizer steps it has taken. Between rounds it is rounded to bf16, so that the block an auditor
 * fetches is half the size and holds exactly the values the worker went on with.
 */
export interface LocalState extends Kept {
  readonly step: number
  readonly moments: readonly Float32Array[]
}

/** What decides how long a local state is. */
export interface LocalShape {
  /** Those that rounds move. */
  readonly parameterCount: number
  /** Of the inner optimizer. */
  readonly moments: number
  readonly hasDrift: boolean
}

const magic = 'MLS1'
const headerBytes = 16

export function emptyLocalState({ parameterCount, moments, hasDrift }: LocalShape): LocalState {
  const zeros = () => new Float32Array(parameterCount)
  return {
    step: 0,
    moments: Array.from({ length: moments }, zeros),
    errorFeedback: zeros(),
    drift: hasDrift ? zeros() : null,
  }
}

const vectorsOf = ({ moments, hasDrift }: LocalShape): number => moments + 1 + (hasDrift ? 1 : 0)

/** Of a run's workers. */
export const localShape = (
  { parameterCount, moments }: Pick<LocalShape, 'parameterCount' | 'moments'>,
  averaging: Averaging,
): LocalShape => ({
  parameterCount: movingOf(averaging, parameterCount),
  moments,
  hasDrift: hasDrift(averaging),
})

/** Rounds every vector to bf16 in place and gives the block: magic, step, vectors, N (u32 LE), then bf16 values. */
export function packLocalState(state: LocalState): Uint8Array {
  const vectors = [...state.moments, state.errorFeedback, ...(state.drift === null ? [] : [state.drift])]
  const parameterCount = state.errorFeedback.length
  const bytes = new Uint8Array(headerBytes + vectors.length * parameterCount * 2)
  const view = new DataView(bytes.buffer)
  bytes.set(new TextEncoder().encode(magic))
  view.setUint32(4, state.step, true)
  view.setUint32(8, vectors.length, true)
  view.setUint32(12, parameterCount, true)
  vectors.forEach((vector, index) => {
    const start = headerBytes + index * parameterCount * 2
    roundAndPackBf16(vector, bytes.subarray(start, start + parameterCount * 2))
  })
  return bytes
}

/** SHA-256 of a packed local state: the digest of its block's CID, and a leaf of the trace. */
export const localStateDigest = (block: Uint8Array): Hash => `0x${Buffer.from(sha256(block)).toString('hex')}`

/** The block that a leaf of a trace is the digest of: a local state or a contribution. */
export const blockOf = (leaf: Hash): CidText => cidFromDigest(Buffer.from(leaf.slice(2), 'hex'), 'raw')

/** Bytes of a packed local state: known before it is fetched. */
export function localStateBytes(shape: LocalShape): number {
  return headerBytes + vectorsOf(shape) * shape.parameterCount * 2
}

/** @throws MurmurError LOCAL_STATE_MALFORMED: not a local state of this program. */
export function unpackLocalState(bytes: Uint8Array, shape: LocalShape): LocalState {
  const { parameterCount, moments, hasDrift } = shape
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  const fits =
    bytes.length === localStateBytes(shape) &&
    new TextDecoder().decode(bytes.subarray(0, 4)) === magic &&
    view.getUint32(8, true) === vectorsOf(shape) &&
    view.getUint32(12, true) === parameterCount
  if (!fits) {
    throw new MurmurError('LOCAL_STATE_MALFORMED', {
      message: `${bytes.length} bytes are not the local state of a program with ${parameterCount} parameters`,
      next: 'the worker starts again from an empty local state',
    })
  }
  const vectors = Array.from({ length: vectorsOf(shape) }, (_, index) => {
    const start = headerBytes + index * parameterCount * 2
    return unpackBf16(bytes.subarray(start, start + parameterCount * 2))
  })
  return {
    step: view.getUint32(4, true),
    moments: vectors.slice(0, moments),
    errorFeedback: vectors[moments]!,
    drift: hasDrift ? vectors[moments + 1]! : null,
  }
}
