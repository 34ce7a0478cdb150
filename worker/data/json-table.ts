import { withDataFile } from './open-file.ts'
import { assertColumns, invalidCell, malformedData, refuseWide, type Table } from './table.ts'

/** One line: a long book as one string. */
const maxLineBytes = 16 * 1024 * 1024

/**
 * JSON Lines: one object a line, UTF-8; the first one's keys are the columns. Read as a stream.
 * @throws MurmurError DATA_MALFORMED, with the line; DATA_COLUMN_MISSING; what opening a file throws.
 */
export async function jsonTable(path: string): Promise<Table> {
  let columns: readonly string[] = []
  await lines(path, (value) => {
    columns = [...value.keys()]
    return false
  })
  refuseWide(path, columns)
  const table: Table = {
    name: path,
    columns,
    async read(wanted, visit) {
      assertColumns(table, wanted)
      await lines(path, (value, row) => {
        visit(
          wanted.map((column) => value.get(column)),
          row,
        )
        return true
      })
    },
    invalid: (...of) => invalidCell(path, ...of),
  }
  return table
}

/** Visits the objects of a file, counted from 1, until `visit` says false. Blank lines are passed over. */
async function lines(
  path: string,
  visit: (value: ReadonlyMap<string, unknown>, row: number) => boolean,
): Promise<void> {
  await withDataFile(path, async (file) => {
    const decoder = new TextDecoder('utf-8', { fatal: true })
    let [line, row] = [0, 0]
    const take = (parts: readonly Buffer[]): boolean => {
      line++
      const bytes = parts.length === 1 ? parts[0]! : Buffer.concat(parts)
      let value: unknown
      try {
        const text = decoder.decode(bytes)
        if (text.trim() === '') return true
        value = JSON.parse(text)
      } catch (cause) {
        throw malformedData(path, `line ${line} is not JSON in UTF-8`, cause)
      }
      if (typeof value !== 'object' || value === null || Array.isArray(value))
        throw malformedData(path, `line ${line} is not an object`)
      return visit(new Map(Object.entries(value)), ++row)
    }
    let parts: Buffer[] = []
    let length = 0
    for await (const chunk of file.createReadStream({ autoClose: false, highWaterMark: 1 << 18 })) {
      let rest = chunk as Buffer
      for (let end = rest.indexOf(10); end !== -1; end = rest.indexOf(10)) {
        if (!take([...parts, rest.subarray(0, end)])) return
        parts = []
        length = 0
        rest = rest.subarray(end + 1)
      }
      parts.push(rest)
      length += rest.length
      if (length > maxLineBytes) throw malformedData(path, `line ${line + 1} is over ${maxLineBytes} bytes`)
    }
    if (length > 0) take(parts)
  })
}
