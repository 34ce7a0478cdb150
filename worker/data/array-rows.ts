import type { FileHandle } from 'node:fs/promises'
import {
  type ArrayHeader,
  type ElementType,
  elementBytes,
  idxHeader,
  maxHeaderBytes,
  npyHeader,
} from './array-header.ts'
import { refused, withDataFile } from './open-file.ts'
import type { Cell, RowSource } from './row-source.ts'

/** Of a file that is read at once. */
const chunkBytes = 1024 * 1024

/**
 * Rows of one array file, along its first axis, with the targets in another of the same format.
 * @throws MurmurError DATA_MALFORMED; DATA_LABELS_MISFIT: not one target a row; what opening a file throws; reading:
 * DATA_VALUE_INVALID: a target that is no finite number, which would pass for the name of a class.
 */
export async function arrayRows(format: 'npy' | 'idx', path: string, labels: string): Promise<RowSource> {
  const header = format === 'npy' ? npyHeader : idxHeader
  const [inputs, targets] = [await headerOf(path, header), await headerOf(labels, header)]
  const [rows, ...shape] = inputs.shape
  if (targets.shape[0] !== rows)
    throw refused(
      'DATA_LABELS_MISFIT',
      `${path} has ${rows} rows, ${labels} has ${targets.shape[0]}`,
      'name the labels of this very file in data.labels',
    )
  return {
    name: path,
    shape: asRow(shape),
    type: inputs.type === 'u8' ? 'u8' : 'f32',
    columns: null,
    async read(visit) {
      const told = elements(labels, targets)
      try {
        let row = 0
        for await (const values of elements(path, inputs)) {
          const { value } = await told.next()
          const cells: Cell[] = Array.from(value as Float64Array)
          row++
          if (!cells.every(Number.isFinite))
            throw refused(
              'DATA_VALUE_INVALID',
              `${labels}: row ${row} is not a finite number`,
              'mend the row or leave it out, here and in data.file',
            )
          visit(values, cells, row)
        }
      } finally {
        await told.return(undefined)
      }
    },
  }
}

/** Grey images have one channel. */
const asRow = (shape: readonly number[]): readonly number[] =>
  shape.length === 0 ? [1] : shape.length === 2 ? [1, ...shape] : shape

async function headerOf(
  path: string,
  parse: (bytes: Uint8Array, name: string) => ArrayHeader,
): Promise<ArrayHeader> {
  return await withDataFile(path, async (file, size) => {
    const head = new Uint8Array(Math.min(size, maxHeaderBytes))
    await file.read(head, 0, head.length, 0)
    const header = parse(head, path)
    const { shape, type, offset } = header
    const expected = offset + shape.reduce((product, each) => product * each, elementBytes[type])
    if (size === expected) return header
    throw refused('DATA_MALFORMED', `${path} has ${size} bytes, its header says ${expected}`, 'save it again')
  })
}

/** The elements of each row in turn; the list is good until the next. */
async function* elements(path: string, header: ArrayHeader): AsyncGenerator<Float64Array, undefined, void> {
  const { shape, type, littleEndian, offset } = header
  const [rows, ...rest] = shape
  const width = rest.reduce((product, size) => product * size, 1)
  const rowBytes = width * elementBytes[type]
  const atOnce = Math.max(1, Math.floor(chunkBytes / rowBytes))
  const values = new Float64Array(width)
  const chunk = Buffer.alloc(Math.min(rows!, atOnce) * rowBytes)
  const view = new DataView(chunk.buffer, chunk.byteOffset, chunk.length)
  const read = reader(type, littleEndian)
  for (let start = 0; start < rows!; start += atOnce) {
    const count = Math.min(atOnce, rows! - start)
    await withDataFile(path, (file) =>
      fill(file, chunk.subarray(0, count * rowBytes), offset + start * rowBytes),
    )
    for (let row = 0; row < count; row++) {
      for (let at = 0; at < width; at++) values[at] = read(view, row * rowBytes + at * elementBytes[type])
      yield values
    }
  }
  return undefined
}

async function fill(file: FileHandle, bytes: Buffer, position: number): Promise<void> {
  for (let at = 0; at < bytes.length; ) {
    const { bytesRead } = await file.read(bytes, at, bytes.length - at, position + at)
    if (bytesRead === 0)
      throw refused('DATA_CHANGED', 'a file became shorter while it was read', 'run it again')
    at += bytesRead
  }
}

type Reader = (view: DataView, at: number) => number

function reader(type: ElementType, little: boolean): Reader {
  const readers: Readonly<Record<ElementType, Reader>> = {
    u8: (view, at) => view.getUint8(at),
    i8: (view, at) => view.getInt8(at),
    u16: (view, at) => view.getUint16(at, little),
    i16: (view, at) => view.getInt16(at, little),
    u32: (view, at) => view.getUint32(at, little),
    i32: (view, at) => view.getInt32(at, little),
    i64: (view, at) => Number(view.getBigInt64(at, little)),
    u64: (view, at) => Number(view.getBigUint64(at, little)),
    f32: (view, at) => view.getFloat32(at, little),
    f64: (view, at) => view.getFloat64(at, little),
  }
  return readers[type]
}
