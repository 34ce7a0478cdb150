import {
  type AsyncBuffer,
  type ColumnData,
  type FileMetaData,
  parquetMetadataAsync,
  parquetRead,
} from 'hyparquet'
import { refused, withDataFile } from './open-file.ts'
import { maxPageBytes, parquetCodecs } from './parquet-codecs.ts'
import { assertColumns, invalidCell, malformedData, refuseWide, type Table } from './table.ts'

/** What a row group may unpack to: it is held whole, each number as some sixteen bytes. */
const maxGroupBytes = maxPageBytes

/**
 * An Apache Parquet file with flat columns, uncompressed or by any codec of the format but LZO, a row group at a time.
 * @throws MurmurError DATA_MALFORMED; DATA_TOO_LARGE; DATA_COLUMN_MISSING; what opening a file throws.
 */
export async function parquetTable(path: string): Promise<Table> {
  const { row_groups: groups, schema } = await withParquet(path, async (_, metadata) => metadata)
  const columns = schema.filter(({ num_children: children }) => !children).map(({ name }) => name)
  refuseWide(path, columns)
  const largest = groups.reduce((most, group) => Math.max(most, Number(group.total_byte_size)), 0)
  if (largest > maxGroupBytes)
    throw refused(
      'DATA_TOO_LARGE',
      `${path} has a row group of ${largest} bytes, over ${maxGroupBytes}`,
      'write it with smaller row groups',
    )
  const table: Table = {
    name: path,
    columns,
    async read(wanted, visit) {
      assertColumns(table, wanted)
      await withParquet(path, async (file, metadata) => {
        let start = 0
        for (const group of metadata.row_groups) {
          const rowEnd = start + Number(group.num_rows)
          const cells = await cellsOf(file, metadata, wanted, start, rowEnd).catch((cause: unknown) => {
            throw malformedData(path, String(cause).slice(0, 200), cause)
          })
          for (let row = start; row < rowEnd; row++)
            visit(
              cells.map((cell) => cell(row)),
              row + 1,
            )
          start = rowEnd
        }
      })
    },
    invalid: (...of) => invalidCell(path, ...of),
  }
  return table
}

/** For each column a function that gives the cell of a row; the rows are asked for in their order. */
async function cellsOf(
  file: AsyncBuffer,
  metadata: FileMetaData,
  wanted: readonly string[],
  rowStart: number,
  rowEnd: number,
): Promise<((row: number) => unknown)[]> {
  const chunks = new Map(wanted.map((column): [string, ColumnData[]] => [column, []]))
  await parquetRead({
    ...{ file, metadata, columns: [...wanted], rowStart, rowEnd, compressors: parquetCodecs },
    onChunk: (chunk) => chunks.get(chunk.columnName)?.push(chunk),
  })
  return wanted.map((column) => {
    const parts = chunks.get(column)!.sort((a, b) => a.rowStart - b.rowStart)
    if ((parts.at(-1)?.rowEnd ?? rowStart) < rowEnd) throw new Error(`column ${column} ends too early`)
    let at = 0
    return (row) => {
      while (at < parts.length && row >= parts[at]!.rowEnd) at++
      const part = parts[at]
      return part?.columnData[row - part.rowStart]
    }
  })
}

async function withParquet<T>(
  path: string,
  work: (file: AsyncBuffer, metadata: FileMetaData) => Promise<T>,
): Promise<T> {
  return await withDataFile(path, async (handle, size) => {
    const file: AsyncBuffer = {
      byteLength: size,
      slice: async (start, end = size) => {
        const bytes = new Uint8Array(Math.max(0, Math.min(end, size) - start))
        await handle.read(bytes, 0, bytes.length, start)
        return bytes.buffer
      },
    }
    let metadata: FileMetaData
    try {
      metadata = await parquetMetadataAsync(file)
    } catch (cause) {
      throw malformedData(path, `not a Parquet file: ${String(cause).slice(0, 200)}`, cause)
    }
    return await work(file, metadata)
  })
}
