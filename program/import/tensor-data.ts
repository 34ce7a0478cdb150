import type { ValueType } from '../operators/operator.ts'
import type { HostTensor } from './host-tensor.ts'

/**
 * How ONNX stores elements (onnx.proto, TensorProto.DataType), and what they become here: every float is computed in
 * float32, every integer is an int64.
 */
export interface StoredType {
  readonly name: string
  readonly bytes: number
  readonly becomes: ValueType
  readonly read: (view: DataView, offset: number) => number
}

export const storedTypes: ReadonlyMap<number, StoredType> = new Map<number, StoredType>([
  [1, { name: 'float32', bytes: 4, becomes: 'float32', read: (view, at) => view.getFloat32(at, true) }],
  [2, { name: 'uint8', bytes: 1, becomes: 'int64', read: (view, at) => view.getUint8(at) }],
  [3, { name: 'int8', bytes: 1, becomes: 'int64', read: (view, at) => view.getInt8(at) }],
  [6, { name: 'int32', bytes: 4, becomes: 'int64', read: (view, at) => view.getInt32(at, true) }],
  [7, { name: 'int64', bytes: 8, becomes: 'int64', read: readInt64 }],
  [9, { name: 'bool', bytes: 1, becomes: 'bool', read: (view, at) => (view.getUint8(at) === 0 ? 0 : 1) }],
  [
    10,
    { name: 'float16', bytes: 2, becomes: 'float32', read: (view, at) => halfOf(view.getUint16(at, true)) },
  ],
  [11, { name: 'float64', bytes: 8, becomes: 'float32', read: (view, at) => view.getFloat64(at, true) }],
  [
    16,
    { name: 'bfloat16', bytes: 2, becomes: 'float32', read: (view, at) => brainOf(view.getUint16(at, true)) },
  ],
])

function readInt64(view: DataView, at: number): number {
  const value = Number(view.getBigInt64(at, true))
  return Math.max(Number.MIN_SAFE_INTEGER, Math.min(Number.MAX_SAFE_INTEGER, value))
}

/** IEEE 754 binary16: one sign, five exponent and ten fraction bits. */
export function halfOf(bits: number): number {
  const sign = bits & 0x8000 ? -1 : 1
  const [exponent, fraction] = [(bits >> 10) & 0x1f, bits & 0x3ff]
  if (exponent === 0x1f) return fraction === 0 ? sign * Number.POSITIVE_INFINITY : Number.NaN
  if (exponent === 0) return sign * fraction * 2 ** -24
  return sign * (1024 + fraction) * 2 ** (exponent - 25)
}

/** bfloat16: the upper half of a float32. */
function brainOf(bits: number): number {
  const view = new DataView(new ArrayBuffer(4))
  view.setUint32(0, bits * 2 ** 16)
  return view.getFloat32(0)
}

/** Little-endian elements as a tensor; `bytes` is exactly as long as the shape says. */
export function decodeElements(type: StoredType, shape: readonly number[], bytes: Uint8Array): HostTensor {
  const count = bytes.length / type.bytes
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  const values = type.becomes === 'float32' ? new Float32Array(count) : new Float64Array(count)
  for (let index = 0; index < count; index++) values[index] = type.read(view, index * type.bytes)
  return { type: type.becomes, shape, values }
}
