import { refused } from './open-file.ts'

/* The two formats of one array in a file: NumPy's .npy, and IDX as MNIST is distributed. */

export interface ArrayHeader {
  readonly shape: readonly number[]
  readonly type: ElementType
  readonly littleEndian: boolean
  /** Where the elements begin. */
  readonly offset: number
}

export type ElementType = 'u8' | 'i8' | 'u16' | 'i16' | 'u32' | 'i32' | 'i64' | 'u64' | 'f32' | 'f64'

export const elementBytes: Readonly<Record<ElementType, number>> = {
  ...{ u8: 1, i8: 1, u16: 2, i16: 2, u32: 4, i32: 4 },
  ...{ i64: 8, u64: 8, f32: 4, f64: 8 },
}

/** A header is within the first bytes of its file: NumPy pads to 64, and writes longer ones for records only. */
export const maxHeaderBytes = 64 * 1024
const maxDimensions = 8
const maxSize = 2 ** 31 - 1

const arrayMalformed = (name: string, reason: string) =>
  refused('DATA_MALFORMED', `${name}: ${reason}`, 'save it again, as plain numbers in C order')

const numpyTypes = new Map<string, ElementType>([
  ...([
    ['u1', 'u8'],
    ['b1', 'u8'],
    ['i1', 'i8'],
    ['u2', 'u16'],
    ['i2', 'i16'],
    ['u4', 'u32'],
    ['i4', 'i32'],
  ] as const),
  ...([
    ['i8', 'i64'],
    ['u8', 'u64'],
    ['f4', 'f32'],
    ['f8', 'f64'],
  ] as const),
])

/**
 * NumPy's format, versions 1 to 3 (numpy.lib.format): magic, header length, a Python dictionary as text.
 * @throws MurmurError DATA_MALFORMED: also for Fortran order, objects, records and complex numbers.
 */
export function npyHeader(bytes: Uint8Array, name: string): ArrayHeader {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length)
  const magic =
    bytes.length >= 12 && bytes[0] === 0x93 && String.fromCharCode(...bytes.subarray(1, 6)) === 'NUMPY'
  if (!magic) throw arrayMalformed(name, 'not a .npy file')
  const version = bytes[6]!
  if (version < 1 || version > 3) throw arrayMalformed(name, `version ${version} is not known`)
  const start = version === 1 ? 10 : 12
  const length = version === 1 ? view.getUint16(8, true) : view.getUint32(8, true)
  const offset = start + length
  if (offset > bytes.length) throw arrayMalformed(name, `its header of ${length} bytes is cut or too long`)
  const text = Buffer.from(bytes.subarray(start, offset)).toString('latin1')
  const found =
    /^\{'descr': '([<>|=]?)(\w{2,4})', 'fortran_order': (True|False), 'shape': \(([\d, ]*)\), ?\}\s*$/.exec(
      text,
    )
  if (found === null) throw arrayMalformed(name, 'its header is not of plain numbers')
  const [, order, code, fortran, sizes] = found
  const type = numpyTypes.get(code!)
  if (type === undefined)
    throw arrayMalformed(name, `elements of type ${code} are not numbers that are known here`)
  if (fortran === 'True') throw arrayMalformed(name, 'it is in Fortran order')
  const shape = sizes!.split(',').flatMap((size) => (size.trim() === '' ? [] : [Number(size)]))
  return { shape: checked(shape, name), type, littleEndian: order !== '>', offset }
}

const idxTypes = new Map<number, ElementType>([
  [0x08, 'u8'],
  [0x09, 'i8'],
  [0x0b, 'i16'],
  [0x0c, 'i32'],
  [0x0d, 'f32'],
  [0x0e, 'f64'],
])

/**
 * IDX (LeCun, Cortes & Burges): two zeros, a type, the number of dimensions, then each as a big-endian u32.
 * @throws MurmurError DATA_MALFORMED.
 */
export function idxHeader(bytes: Uint8Array, name: string): ArrayHeader {
  const type = idxTypes.get(bytes[2] ?? 0)
  const dimensions = bytes[3] ?? 0
  const offset = 4 + 4 * dimensions
  if (bytes[0] !== 0 || bytes[1] !== 0 || type === undefined || bytes.length < offset)
    throw arrayMalformed(name, 'not an IDX file; one that is compressed has to be unpacked')
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length)
  const shape = Array.from({ length: dimensions }, (_, at) => view.getUint32(4 + 4 * at))
  return { shape: checked(shape, name), type, littleEndian: false, offset }
}

function checked(shape: readonly number[], name: string): readonly number[] {
  const count = shape.reduce((product, size) => product * size, 1)
  const fine = shape.length >= 1 && shape.length <= maxDimensions && count >= 1 && count <= maxSize
  if (fine && shape.every(Number.isSafeInteger)) return shape
  throw arrayMalformed(name, `it is of shape (${shape.slice(0, 10).join(', ')})`)
}
