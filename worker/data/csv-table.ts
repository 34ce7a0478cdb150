import { CsvError, parse } from 'csv-parse'
import { withDataFile } from './open-file.ts'
import { assertColumns, invalidCell, malformedData, refuseWide, type Table } from './table.ts'

/** One record with all its line ends: the widest table allowed, with sixteen characters a cell. */
const maxRecordChars = 1024 * 1024

/**
 * Comma-separated values (RFC 4180) with a header, UTF-8; `.tsv` is separated by tabs. Read as a stream.
 * @throws MurmurError DATA_MALFORMED, with the line; DATA_COLUMN_MISSING; what opening a file throws.
 */
export async function csvTable(path: string): Promise<Table> {
  const columns: string[] = []
  await records(path, (cells) => {
    columns.push(...cells.map((name) => name.trim()))
    return false
  })
  if (new Set(columns).size < columns.length) throw malformedData(path, 'two columns have one name')
  refuseWide(path, columns)
  const table: Table = {
    name: path,
    columns,
    async read(wanted, visit) {
      assertColumns(table, wanted)
      const places = wanted.map((column) => columns.indexOf(column))
      let row = -1
      await records(path, (cells) => {
        row++
        if (row > 0)
          visit(
            places.map((place) => cells[place]),
            row,
          )
        return true
      })
    },
    invalid: (...of) => invalidCell(path, ...of),
  }
  return table
}

/** Visits records until `visit` says false. */
async function records(path: string, visit: (cells: readonly string[]) => boolean): Promise<void> {
  await withDataFile(path, async (file) => {
    const parser = parse({
      bom: true,
      delimiter: path.toLowerCase().endsWith('.tsv') ? '\t' : ',',
      skip_empty_lines: true,
      max_record_size: maxRecordChars,
    })
    const stream = file.createReadStream({ autoClose: false, highWaterMark: 1 << 18 })
    stream.on('error', (error) => parser.destroy(error))
    stream.pipe(parser)
    try {
      for await (const cells of parser) if (!visit(cells as string[])) break
    } catch (error) {
      if (error instanceof CsvError) throw malformedData(path, error.message.slice(0, 200), error)
      throw error
    } finally {
      stream.destroy()
      parser.destroy()
    }
  })
}
