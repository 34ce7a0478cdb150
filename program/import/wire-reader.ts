/** One field of a protobuf message, as it lies on the wire (protobuf.dev/programming-guides/encoding). */
export interface WireField {
  readonly number: number
  /** 0 varint, 1 eight bytes, 2 length-delimited, 5 four bytes. */
  readonly wire: number
  /** The value of a varint, as an unsigned 64-bit integer; 0 otherwise. */
  readonly varint: bigint
  /** A view of the content of any other field; empty for a varint. */
  readonly bytes: Uint8Array
}

/** Fields that may still be read of one file: a two-byte field must not cost a hundred times its size a million times. */
export interface FieldBudget {
  left: number
}

const nothing = new Uint8Array(0)

/**
 * The fields of one message, in order. Nothing is copied; groups, truncated and overlong fields are refused.
 * @throws Error that says what is wrong.
 */
export function* wireFields(message: Uint8Array, budget: FieldBudget): Generator<WireField> {
  const at = { position: 0 }
  while (at.position < message.length) {
    if (--budget.left < 0) throw new Error('it has too many fields')
    const tag = readVarint(message, at)
    const [number, wire] = [Number(tag >> 3n), Number(tag & 7n)]
    if (number < 1 || number > 2 ** 29 - 1) throw new Error(`a field has number ${number}`)
    if (wire === 0) {
      yield { number, wire, varint: readVarint(message, at), bytes: nothing }
      continue
    }
    const length = wire === 2 ? Number(readVarint(message, at)) : fixedLengths.get(wire)
    if (length === undefined) throw new Error(`field ${number} has wire type ${wire}`)
    if (length > message.length - at.position) throw new Error(`field ${number} runs past its message's end`)
    const bytes = message.subarray(at.position, at.position + length)
    at.position += length
    yield { number, wire, varint: 0n, bytes }
  }
}

const fixedLengths: ReadonlyMap<number, number> = new Map([
  [1, 8],
  [5, 4],
])

/** At most ten bytes, seven bits each, the lowest first. */
function readVarint(bytes: Uint8Array, at: { position: number }): bigint {
  let low = 0
  for (let shift = 0; shift < 28; shift += 7) {
    const byte = bytes[at.position++]
    if (byte === undefined) throw new Error('it ends within a number')
    low += (byte & 0x7f) * 2 ** shift
    if (byte < 0x80) return BigInt(low)
  }
  let value = BigInt(low)
  for (let shift = 28n; shift < 70n; shift += 7n) {
    const byte = bytes[at.position++]
    if (byte === undefined) throw new Error('it ends within a number')
    value |= BigInt(byte & 0x7f) << shift
    if (byte < 0x80) return BigInt.asUintN(64, value)
  }
  throw new Error('a number has more than ten bytes')
}

/** The numbers of a repeated varint field: packed into one field, or one of them. */
export function* varintsOf({ wire, varint, bytes }: WireField): Generator<bigint> {
  if (wire === 0) {
    yield varint
    return
  }
  if (wire !== 2) throw new Error(`a list of integers has wire type ${wire}`)
  const at = { position: 0 }
  while (at.position < bytes.length) yield readVarint(bytes, at)
}

/**
 * A 64-bit integer as a number. ONNX writes "to the end" as the largest of them: what lies beyond the exact integers
 * of a double becomes the nearest of those, which is as far beyond every axis.
 */
export function saturated(value: bigint): number {
  const signed = Number(BigInt.asIntN(64, value))
  return Math.max(Number.MIN_SAFE_INTEGER, Math.min(Number.MAX_SAFE_INTEGER, signed))
}

export function textOf({ wire, bytes }: WireField): string {
  if (wire !== 2) throw new Error(`a text has wire type ${wire}`)
  return new TextDecoder('utf-8', { fatal: true }).decode(bytes)
}

export function messageOf({ wire, bytes, number }: WireField): Uint8Array {
  if (wire !== 2) throw new Error(`field ${number} is no message`)
  return bytes
}

export function integerOf({ wire, varint, number }: WireField): number {
  if (wire !== 0) throw new Error(`field ${number} is no integer`)
  return saturated(varint)
}

export function floatOf({ wire, bytes, number }: WireField): number {
  if (wire !== 5) throw new Error(`field ${number} is no float`)
  return new DataView(bytes.buffer, bytes.byteOffset, 4).getFloat32(0, true)
}
