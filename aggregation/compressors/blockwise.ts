import { invariant } from '../../protocol/errors.ts'
import { codedUpdate, type ReadValues } from '../coded-update.ts'
import { malformed, paddingIsZero } from '../contribution-format.ts'
import { type BlockLayout, type Kernels, kernelsFor } from '../kernels/kernels.ts'
import { asSigns } from '../sign-update.ts'
import type { DenseUpdate } from '../update.ts'
import { type Codec, largestMagnitude } from './codec.ts'
import { viewOf } from './format-header.ts'

/** How the values of one block become integer codes that share one scale. */
export interface Quantizer {
  /** Bits of a code: a divisor of 8, so that no code straddles two bytes. The kernels know sign.ts by 1, absmax.ts by 4 and 8. */
  readonly bits: 1 | 4 | 8
  /** The scale of a block, an f32; 0 when nothing of it is sent. */
  scaleOf(values: Float32Array): number
  /** Whether `scaleOf` can give it, so far as a positive finite f32 tells. */
  isScale(scale: number): boolean
  /** The code of a value in a block whose scale is not 0. */
  encode(value: number, scale: number): number
  /** The f32 that a code stands for. */
  decode(code: number, scale: number): number
  isCode(code: number): boolean
  /** Whether the code stands for the largest magnitude of its scale: every block that is sent has one. */
  isPeak(code: number): boolean
}

export interface BlockwiseConfig {
  /** Values that share a scale, 1 … 4096. */
  readonly blockSize: number
  /** Decay of the error feedback, an f32. */
  readonly beta: number
}

const maxBlockSize = 4096
const scaleBytes = 4

/**
 * One record a block of the flat parameter vector, the last block may be short:
 *
 *     f32 scale · a code of `bits` bits a value, from the least significant bit, padded with zero bits to whole bytes
 *
 * Canonical, so that bytes and updates correspond one to one: the scale is one that the quantizer gives, never −0; with
 * scale 0 all codes are 0; otherwise some code is at its peak.
 */
export function blockwise(name: string, magic: string, quantizer: Quantizer, blockSize: number): Codec {
  invariant(
    Number.isInteger(blockSize) && blockSize >= 1 && blockSize <= maxBlockSize,
    'block size is between 1 and 4096',
  )
  const { bits } = quantizer
  const recordBytes = (length: number): number => scaleBytes + Math.ceil((length * bits) / 8)
  const bodyBytes = (parameterCount: number): number => {
    const rest = parameterCount % blockSize
    return ((parameterCount - rest) / blockSize) * recordBytes(blockSize) + (rest > 0 ? recordBytes(rest) : 0)
  }
  const layout: BlockLayout = { blockSize, bits }
  return {
    name,
    header: { magic, version: 1, layout: [blockSize, 0] },
    bodyBytes,
    encodeSum: (delta, residual, beta, into, body) => {
      const kernels = kernelsFor(into.length)
      if (kernels === null) return null
      return kernels.compressBlocks(delta, residual, into, beta, largestMagnitude, layout, body)
    },
    encode: (values, body) => {
      let offset = 0
      for (let start = 0; start < values.length; start += blockSize) {
        const end = Math.min(start + blockSize, values.length)
        const record = body.subarray(offset, offset + recordBytes(end - start))
        encodeBlock(values.subarray(start, end), quantizer, record)
        offset += record.length
      }
    },
    decode: (body, parameterCount) => {
      const update = decoded(body, parameterCount)
      return bits === 1 ? asSigns(update, { records: body, blockSize, parameterCount }) : update
    },
  }

  function decoded(body: Uint8Array, parameterCount: number): DenseUpdate {
    const kernels = kernelsFor(parameterCount)
    // What the kernel finds malformed, the plain reader refuses with the reason.
    if (kernels?.areBlocks(body, layout, parameterCount))
      return codedUpdate(parameterCount, partReader(kernels, body, parameterCount, layout, bodyBytes))
    const values = new Float32Array(parameterCount)
    let offset = 0
    for (let start = 0; start < parameterCount; start += blockSize) {
      const end = Math.min(start + blockSize, parameterCount)
      const record = body.subarray(offset, offset + recordBytes(end - start))
      decodeBlock(record, quantizer, values.subarray(start, end))
      offset += record.length
    }
    return { kind: 'dense', parameterCount, values }
  }
}

/** Decodes any part of records that are known to be canonical. */
function partReader(
  kernels: Kernels,
  body: Uint8Array,
  parameterCount: number,
  layout: BlockLayout,
  bodyBytes: Codec['bodyBytes'],
): ReadValues {
  return (start, into) => {
    const { blockSize } = layout
    const end = start + into.length
    const first = start - (start % blockSize)
    const last = Math.min(Math.ceil(end / blockSize) * blockSize, parameterCount)
    const isWhole = first === start && last === end
    const values = isWhole ? into : new Float32Array(last - first)
    const records = body.subarray(bodyBytes(first), bodyBytes(last))
    invariant(kernels.readBlocks(records, layout, values), 'what was canonical still is')
    if (!isWhole) into.set(values.subarray(start - first, end - first))
  }
}

function encodeBlock(values: Float32Array, quantizer: Quantizer, record: Uint8Array): void {
  const { bits } = quantizer
  const scale = quantizer.scaleOf(values)
  viewOf(record).setFloat32(0, scale, true)
  if (scale === 0) return
  for (let entry = 0; entry < values.length; entry++) {
    const code = quantizer.encode(values[entry]!, scale)
    const at = scaleBytes + ((entry * bits) >> 3)
    record[at] = record[at]! | (code << ((entry * bits) & 7))
    values[entry] = values[entry]! - quantizer.decode(code, scale)
  }
}

function decodeBlock(record: Uint8Array, quantizer: Quantizer, into: Float32Array): void {
  const { bits } = quantizer
  const mask = (1 << bits) - 1
  const scale = viewOf(record).getFloat32(0, true)
  if (!(scale >= 0 && scale <= largestMagnitude)) throw malformed(`a scale of ${scale}`)
  if (!paddingIsZero(record, scaleBytes, into.length, bits)) throw malformed('padding bits are not zero')
  if (scale === 0) {
    if (record.some((byte) => byte !== 0)) throw malformed('a sign or codes in a block whose scale is zero')
    return
  }
  if (!quantizer.isScale(scale)) throw malformed(`a scale of ${scale} that no block has`)
  let hasPeak = false
  for (let entry = 0; entry < into.length; entry++) {
    const code = (record[scaleBytes + ((entry * bits) >> 3)]! >> ((entry * bits) & 7)) & mask
    if (!quantizer.isCode(code)) throw malformed(`code ${code} of ${bits} bits`)
    hasPeak ||= quantizer.isPeak(code)
    into[entry] = quantizer.decode(code, scale)
  }
  if (!hasPeak) throw malformed('no value of a block is as large as its scale says')
}
