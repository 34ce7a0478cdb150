import { invariant, MurmurError } from '../protocol/errors.ts'
import { parseStrictJson, type StrictJson } from './strict-json.ts'

/**
 * The safetensors format (github.com/huggingface/safetensors, "Format"): u64 little-endian header length, a JSON header
 * padded with spaces to a multiple of 8, then the tensors' bytes, row-major and little-endian, without gaps.
 */
const dtypeBytes = new Map([
  ...(['F64', 'I64', 'U64'] as const).map((name) => [name, 8] as const),
  ...(['F32', 'I32', 'U32'] as const).map((name) => [name, 4] as const),
  ...(['F16', 'BF16', 'I16', 'U16'] as const).map((name) => [name, 2] as const),
  ...(['I8', 'U8', 'BOOL', 'F8_E4M3', 'F8_E5M2'] as const).map((name) => [name, 1] as const),
])

export interface Tensor {
  readonly dtype: string
  readonly shape: readonly number[]
  /** A view into the file's bytes when read. */
  readonly bytes: Uint8Array
}

export interface Safetensors {
  readonly tensors: ReadonlyMap<string, Tensor>
  readonly metadata: ReadonlyMap<string, string>
}

/** The reference reader's own bound on a header. */
const maxHeaderBytes = 100_000_000
const metadataKey = '__metadata__'

/**
 * The canonical bytes: tensors sorted by element size, largest first, then by name in UTF-8 order, as the reference
 * writer does, or `as given`, which readers take too; metadata by key. The same tensors always give the same bytes.
 */
export function writeSafetensors(
  { tensors, metadata }: Safetensors,
  order: 'by name' | 'as given' = 'by name',
): Uint8Array {
  const entries = [...tensors]
  if (order === 'by name')
    entries.sort(([nameA, a], [nameB, b]) => sizeOf(b.dtype) - sizeOf(a.dtype) || compareUtf8(nameA, nameB))
  const fields: string[] = []
  if (metadata.size > 0) {
    const pairs = [...metadata].sort(([a], [b]) => compareUtf8(a, b))
    const body = pairs.map(([key, value]) => `${JSON.stringify(key)}:${JSON.stringify(value)}`)
    fields.push(`"${metadataKey}":{${body.join(',')}}`)
  }
  let end = 0
  for (const [name, { dtype, shape, bytes }] of entries) {
    invariant(
      name !== metadataKey && bytes.length === byteLength(dtype, shape),
      `tensor ${name} fits its shape`,
    )
    const offsets = [end, end + bytes.length]
    end += bytes.length
    fields.push(`${JSON.stringify(name)}:${JSON.stringify({ dtype, shape, data_offsets: offsets })}`)
  }
  const json = Buffer.from(`{${fields.join(',')}}`, 'utf8')
  const headerBytes = Math.ceil(json.length / 8) * 8
  const file = new Uint8Array(8 + headerBytes + end)
  new DataView(file.buffer).setBigUint64(0, BigInt(headerBytes), true)
  file.set(json, 8)
  file.fill(0x20, 8 + json.length, 8 + headerBytes)
  let at = 8 + headerBytes
  for (const [, { bytes }] of entries) {
    file.set(bytes, at)
    at += bytes.length
  }
  return file
}

/**
 * Reads a safetensors file strictly.
 * @throws MurmurError SAFETENSORS_MALFORMED: truncated, trailing or overlapping bytes, duplicate names, unknown dtypes,
 * shapes that do not match their bytes.
 */
export function readSafetensors(file: Uint8Array): Safetensors {
  if (file.length < 8) throw malformed(`${file.length} bytes are shorter than a header`)
  const claimed = new DataView(file.buffer, file.byteOffset, file.byteLength).getBigUint64(0, true)
  if (claimed > BigInt(Math.min(maxHeaderBytes, file.length - 8)))
    throw malformed(`a header of ${claimed} bytes`)
  const headerBytes = Number(claimed)
  const header = parseHeader(file.subarray(8, 8 + headerBytes))
  const data = file.subarray(8 + headerBytes)
  const metadata = new Map<string, string>()
  const places: { name: string; dtype: string; shape: number[]; begin: number; end: number }[] = []
  for (const [name, value] of header) {
    if (!(value instanceof Map)) throw malformed(`"${name}" is not an object`)
    if (name !== metadataKey) {
      places.push({ name, ...placeOf(name, value) })
      continue
    }
    for (const [key, text] of value) {
      if (typeof text !== 'string') throw malformed('metadata holds something else than text')
      metadata.set(key, text)
    }
  }
  places.sort((a, b) => a.begin - b.begin || a.end - b.end)
  const tensors = new Map<string, Tensor>()
  let covered = 0
  for (const { name, dtype, shape, begin, end } of places) {
    if (begin !== covered || end > data.length)
      throw malformed(`"${name}" leaves a gap, overlaps or ends outside`)
    covered = end
    tensors.set(name, { dtype, shape, bytes: data.subarray(begin, end) })
  }
  if (covered !== data.length) throw malformed(`${data.length - covered} bytes belong to no tensor`)
  return { tensors, metadata }
}

function parseHeader(bytes: Uint8Array): ReadonlyMap<string, StrictJson> {
  try {
    const text = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes)
    if (!text.startsWith('{')) throw new SyntaxError("it does not begin with '{'")
    return parseStrictJson(text) as ReadonlyMap<string, StrictJson>
  } catch (cause) {
    throw malformed(cause instanceof Error ? cause.message : 'its header is not JSON', cause)
  }
}

function placeOf(name: string, fields: ReadonlyMap<string, StrictJson>) {
  const dtype = fields.get('dtype')
  const shape = fields.get('shape')
  const offsets = fields.get('data_offsets')
  if (fields.size !== 3 || typeof dtype !== 'string' || !dtypeBytes.has(dtype as never)) {
    throw malformed(`"${name}" has no known dtype, or other fields than dtype, shape and data_offsets`)
  }
  if (!isIntegers(shape) || !isIntegers(offsets) || offsets.length !== 2) {
    throw malformed(`"${name}" has no shape or no offsets`)
  }
  const [begin, end] = offsets as [number, number]
  if (end - begin !== byteLength(dtype, shape)) {
    throw malformed(`"${name}" has ${end - begin} bytes, which is not what its shape takes`)
  }
  return { dtype, shape: [...shape], begin, end }
}

function isIntegers(value: StrictJson | undefined): value is readonly number[] {
  return Array.isArray(value) && value.every((item) => typeof item === 'number')
}

/** NaN when it is beyond the safe integers, which then equals no length. */
function byteLength(dtype: string, shape: readonly number[]): number {
  let product = sizeOf(dtype)
  for (const size of shape) product *= size
  return Number.isSafeInteger(product) ? product : Number.NaN
}

const sizeOf = (dtype: string): number => dtypeBytes.get(dtype as never) ?? Number.NaN

const compareUtf8 = (a: string, b: string): number => Buffer.compare(Buffer.from(a), Buffer.from(b))

function malformed(reason: string, cause?: unknown): MurmurError {
  return new MurmurError('SAFETENSORS_MALFORMED', {
    message: `a safetensors file is malformed: ${reason.slice(0, 300)}`,
    next: 'fetch or export it again; if it comes from other software, save it again with that software',
    exit: 'verification',
    cause,
  })
}
