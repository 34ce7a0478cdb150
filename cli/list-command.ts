import { setTimeout as sleep } from 'node:timers/promises'
import { tokens } from './amounts.ts'
import { type ApiClient, connectApi } from './api-client.ts'
import { homeFolder } from './home.ts'
import type { ListOptions } from './list.ts'
import {
  columns,
  type Filter,
  type Listed,
  parseFilters,
  parseListed,
  type Row,
  rowsOf,
} from './list-rows.ts'
import { printable } from './log.ts'
import { table } from './table.ts'
import { watching } from './watching.ts'

/** What changes without an event (speeds, money on chain) is seen at least this often. */
const watchMs = 2_000

export async function listCommand(what: string, options: ListOptions): Promise<void> {
  const list = parseListed(what)
  const filters = parseFilters(options.filter, list)
  const api = await connectApi(homeFolder(options.home))
  if (options.watch !== true) {
    const rows = await rowsOf(api, list, filters)
    process.stdout.write(options.json === true ? `${JSON.stringify(rows, null, 2)}\n` : listText(list, rows))
    if (rows.length === 0) process.stderr.write(`no ${list}${filters.length > 0 ? ' like that' : ' yet'}\n`)
    return
  }
  await watching((signal) => watch(api, list, filters, options.json === true, signal))
}

async function watch(
  api: ApiClient,
  list: Listed,
  filters: readonly Filter[],
  json: boolean,
  signal: AbortSignal,
): Promise<void> {
  let last = ''
  while (!signal.aborted) {
    const rows = await rowsOf(api, list, filters)
    const text = json ? `${JSON.stringify(rows)}\n` : listText(list, rows)
    if (text !== last) {
      const isTerminal = process.stdout.isTTY && !json
      if (isTerminal) process.stdout.write('\u001b[H\u001b[2J')
      else if (last !== '' && !json) process.stdout.write('\n')
      process.stdout.write(text)
      last = text
    }
    await sleep(watchMs, undefined, { signal }).catch(() => {})
  }
}

const money = new Set(['paid', 'earned', 'claimed', 'open'])

/** The list as people read it. */
function listText(list: Listed, rows: readonly Row[]): string {
  const cell = (column: string, value: Row[string] | undefined): string => {
    if (value === null || value === undefined) return ''
    if (money.has(column)) return tokens(String(value))
    if (typeof value === 'number')
      return Number.isInteger(value) ? value.toLocaleString('en') : value.toFixed(3)
    if (typeof value === 'boolean') return value ? 'yes' : 'no'
    return printable(value)
  }
  const shown = columns[list]
  const lines = table(
    shown,
    rows.map((row) => shown.map((column) => cell(column, row[column]))),
  )
  return `${lines.join('\n')}\n`
}
