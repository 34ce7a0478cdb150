import { elements } from '../operators/operator.ts'
import type { ExternalData, ForeignTensor } from './foreign-model.ts'
import { malformedOnnx, shown, unsupportedOnnx } from './refusal.ts'
import { decodeElements, type StoredType, storedTypes } from './tensor-data.ts'
import {
  type FieldBudget,
  integerOf,
  messageOf,
  saturated,
  textOf,
  varintsOf,
  type WireField,
  wireFields,
} from './wire-reader.ts'

/** Elements of all tensors of a file: a state of four such vectors is what the largest machines here can hold. */
export const maxImportedElements = 2 ** 28

export interface TensorDecoding {
  readonly budget: FieldBudget
  /** Elements that may still come. */
  readonly elements: { left: number }
  readonly external: ExternalData | undefined
}

/** Where a tensor's bytes are, when not in the file itself. */
interface Place {
  location: string
  offset: number
  length: number
}

/** A TensorProto. Its size is checked against its shape and the limits before anything of that size is made. */
export function decodeTensor(message: Uint8Array, decoding: TensorDecoding): ForeignTensor {
  const dims: number[] = []
  let [name, code] = ['', 0]
  let raw: Uint8Array | undefined
  let place: Place | undefined
  let external = false
  const listed: WireField[] = []
  for (const field of wireFields(message, decoding.budget)) {
    switch (field.number) {
      case 1:
        for (const size of varintsOf(field)) {
          if (dims.push(saturated(size)) > 8) throw malformedOnnx('a tensor has more than eight axes')
        }
        break
      case 2:
        code = integerOf(field)
        break
      case 4:
      case 5:
      case 7:
      case 10:
        listed.push(field)
        break
      case 8:
        name = textOf(field)
        break
      case 9:
        raw = messageOf(field)
        break
      case 13:
        place = withEntry(place, messageOf(field), decoding)
        break
      case 14:
        external = integerOf(field) === 1
        break
      case 3:
      case 6:
      case 11:
        throw unsupportedOnnx(`tensor ${shown(name)} is text, in segments or of unsigned 64-bit integers`)
    }
  }
  const type = storedTypes.get(code)
  if (type === undefined) throw unsupportedOnnx(`tensor ${shown(name)} has the element type ${code}`)
  const count = elements(dims)
  if (dims.some((size) => size < 0) || !Number.isSafeInteger(count))
    throw malformedOnnx(`tensor ${shown(name)} has the shape [${dims}]`)
  decoding.elements.left -= count
  if (decoding.elements.left < 0)
    throw unsupportedOnnx(
      `with tensor ${shown(name)} of shape [${dims}] the file holds more than ${maxImportedElements} values`,
    )
  const bytes = bytesOf({ name, type, count, raw, place, external, listed }, decoding)
  return { name, type: type.becomes, shape: dims, read: () => decodeElements(type, dims, bytes()) }
}

interface Stored {
  readonly name: string
  readonly type: StoredType
  readonly count: number
  readonly raw: Uint8Array | undefined
  readonly place: Place | undefined
  readonly external: boolean
  readonly listed: readonly WireField[]
}

/** The elements' bytes, wherever they are; what can be checked without reading them is checked at once. */
function bytesOf(stored: Stored, { external }: TensorDecoding): () => Uint8Array {
  const { name, type, count, raw, place } = stored
  const due = count * type.bytes
  const fits = (length: number) => {
    if (length !== due)
      throw malformedOnnx(`tensor ${shown(name)} has ${length} bytes where its shape takes ${due}`)
  }
  if (stored.external || place !== undefined) {
    if (place === undefined || place.location === '')
      throw malformedOnnx(`tensor ${shown(name)} is in another file, which is not named`)
    const { location, offset, length } = place
    if (!insideFolder(location))
      throw unsupportedOnnx(
        `tensor ${shown(name)} is said to be in ${shown(location)}, which is not a file beside the model`,
      )
    if (external === undefined)
      throw unsupportedOnnx(`tensor ${shown(name)} is in another file, ${shown(location)}`)
    if (length !== -1) fits(length)
    return () => {
      const bytes = external(location, offset, due)
      fits(bytes.length)
      return bytes
    }
  }
  if (raw !== undefined) {
    fits(raw.length)
    return () => raw
  }
  const bytes = listedBytes(stored)
  fits(bytes.length)
  return () => bytes
}

/** Relative, without a step up. */
export function insideFolder(location: string): boolean {
  if (location.includes('\\') || location.includes('\0') || location.startsWith('/')) return false
  if (/^[A-Za-z]:/.test(location) || location.length > 1024) return false
  return location.split('/').every((part) => part !== '..')
}

function withEntry(place: Place | undefined, message: Uint8Array, { budget }: TensorDecoding): Place {
  let [key, value] = ['', '']
  for (const field of wireFields(message, budget)) {
    if (field.number === 1) key = textOf(field)
    if (field.number === 2) value = textOf(field)
  }
  const next = place ?? { location: '', offset: 0, length: -1 }
  if (key === 'location') next.location = value
  if (key === 'offset' || key === 'length') {
    const size = Number(value)
    if (!/^\d{1,16}$/.test(value) || !Number.isSafeInteger(size))
      throw malformedOnnx(`external ${key} ${shown(value)}`)
    next[key] = size
  }
  return next
}

/** Which list holds which types: float_data 4, int32_data 5, int64_data 7, double_data 10. */
const listFields: ReadonlyMap<string, number> = new Map([
  ['float32', 4],
  ['int64', 7],
  ['float64', 10],
])

/** The typed lists, as the bytes that raw data would have. */
function listedBytes({ name, type, count, listed }: Stored): Uint8Array {
  const wanted = listFields.get(type.name) ?? 5
  if (listed.some(({ number }) => number !== wanted))
    throw malformedOnnx(`tensor ${shown(name)} holds a list of another type`)
  if (wanted === 4 || wanted === 10) return Buffer.concat(listed.map(({ bytes }) => bytes))
  const bytes = new Uint8Array(count * type.bytes)
  const view = new DataView(bytes.buffer)
  let index = 0
  for (const field of listed) {
    for (const value of varintsOf(field)) {
      if (index >= count) throw malformedOnnx(`tensor ${shown(name)} holds more values than its shape`)
      writeInteger(view, index++ * type.bytes, type.bytes, value)
    }
  }
  return bytes.subarray(0, index * type.bytes)
}

function writeInteger(view: DataView, at: number, bytes: number, value: bigint): void {
  if (bytes === 1) view.setUint8(at, Number(BigInt.asUintN(8, value)))
  else if (bytes === 2) view.setUint16(at, Number(BigInt.asUintN(16, value)), true)
  else if (bytes === 4) view.setUint32(at, Number(BigInt.asUintN(32, value)), true)
  else view.setBigUint64(at, BigInt.asUintN(64, value), true)
}
