import { invariant } from '../protocol/errors.ts'
import { kernelsFor } from './kernels/kernels.ts'

/**
 * bfloat16: the upper half of an f32, rounded to nearest, ties to even. Local state (optimizer moments, error
 * feedback) is rounded to it at each round start, so that an auditor fetches half the bytes and begins from the very
 * same values. Bytes are little-endian, two a value. Magnitudes above the largest bf16 become infinite, NaN stays NaN.
 */
export function packBf16(values: Float32Array): Uint8Array {
  const bytes = new Uint8Array(values.length * 2)
  const kernels = kernelsFor(values.length)
  if (kernels !== null) {
    kernels.packBf16(values, bytes)
    return bytes
  }
  const bits = new Uint32Array(values.buffer, values.byteOffset, values.length)
  for (let index = 0; index < bits.length; index++) {
    const rounded = upperHalf(bits[index]!)
    bytes[index * 2] = rounded & 0xff
    bytes[index * 2 + 1] = rounded >>> 8
  }
  return bytes
}

/** The f32 values of packed bf16 bytes: exact, every bf16 is an f32. */
export function unpackBf16(bytes: Uint8Array): Float32Array {
  invariant(bytes.length % 2 === 0, 'two bytes a bf16')
  const values = new Float32Array(bytes.length / 2)
  const kernels = kernelsFor(values.length)
  if (kernels !== null) {
    kernels.unpackBf16(bytes, values)
    return values
  }
  const bits = new Uint32Array(values.buffer)
  for (let index = 0; index < bits.length; index++) {
    bits[index] = (bytes[index * 2]! | (bytes[index * 2 + 1]! << 8)) << 16
  }
  return values
}

/** Packs to `into`, of two bytes a value, and rounds in place. */
export function roundAndPackBf16(values: Float32Array, into: Uint8Array): void {
  invariant(into.length === values.length * 2, 'two bytes a bf16')
  const kernels = kernelsFor(values.length)
  if (kernels !== null) {
    kernels.roundAndPackBf16(values, into)
    return
  }
  roundToBf16(values)
  into.set(packBf16(values))
}

/** Rounds every value to its nearest bf16, in place: what unpack(pack(values)) would give. */
export function roundToBf16(values: Float32Array): void {
  const bits = new Uint32Array(values.buffer, values.byteOffset, values.length)
  for (let index = 0; index < bits.length; index++) bits[index] = upperHalf(bits[index]!) << 16
}

function upperHalf(bits: number): number {
  if ((bits & 0x7fffffff) > 0x7f800000) return (bits >>> 16) | 0x40 // a quiet NaN, never an infinity
  return ((bits + 0x7fff + ((bits >>> 16) & 1)) >>> 16) & 0xffff
}
