import { contentId } from '../../protocol/content-id.ts'
import type { DataFormatName, DataSection } from '../../protocol/data-section.ts'
import { arrayRows } from './array-rows.ts'
import { csvTable } from './csv-table.ts'
import { encodeText } from './encode-text.ts'
import { type Reading, refuseIdleKeys } from './idle-keys.ts'
import { jsonTable } from './json-table.ts'
import { mnistRows } from './mnist.ts'
import { mobyDick } from './moby-dick.ts'
import { refused } from './open-file.ts'
import { parquetTable } from './parquet-table.ts'
import { readText } from './read-text.ts'
import { type RowSource, tableRows } from './row-source.ts'
import { shardRows } from './shard-rows.ts'
import { defaultHeldOutFraction, type ShardedData, shardText, shardTokens } from './shards.ts'
import type { Table } from './table.ts'
import { columnTexts, folderTexts, joined } from './texts.ts'
import { parseTokenizer, type TextTokenizer } from './tokenizer.ts'

export interface LoadedTokenizer extends TextTokenizer {
  /** Of the `tokenizer.json`: the block that the manifest names. */
  readonly block: Uint8Array
}

/** What the section says that is learned of its data, as far as it tells without being read. */
export function isText(data: DataSection): boolean {
  if (data.task !== undefined) return data.task === 'language'
  if (data.builtin !== undefined) return data.builtin === 'moby-dick'
  if (data.folder !== undefined || data.field !== undefined || data.tokenizer !== undefined) return true
  return formatOf(data) === 'text'
}

/** @throws MurmurError TOKENIZER_INVALID, and what reading a file throws. */
export async function loadTokenizer(path: string): Promise<LoadedTokenizer> {
  const block = await readText(path)
  return { ...parseTokenizer(block), block }
}

/**
 * The text of a section, cut into shards; of tokens where there is a tokenizer.
 * @throws MurmurError, exit `usage`: what is wrong with the data (docs/data.md).
 */
export async function loadText(
  data: DataSection,
  tokenizer: LoadedTokenizer | null,
  context: number,
): Promise<ShardedData> {
  refuseIdleKeys(data, readingOf(data, 'text'))
  const options = { context, heldOutFraction: data.heldOut ?? defaultHeldOutFraction }
  const text = await textOf(data)
  if (tokenizer === null) return shardText(text, options)
  const { bytes, width } = encodeText(text, tokenizer)
  const cid = contentId(tokenizer.block, 'raw')
  return shardTokens(
    bytes,
    { kind: 'tokens', width, vocabulary: tokenizer.vocabulary, tokenizer: cid },
    options,
  )
}

/** The bytes of a section's text. */
export async function textOf(data: DataSection): Promise<Uint8Array> {
  if (data.builtin === 'moby-dick') return await mobyDick()
  if (data.folder !== undefined) return await joined(await folderTexts(data.folder))
  if (data.file === undefined) throw notText('the built-in mnist')
  const format = formatOf(data)
  if (format === 'text') return await readText(data.file)
  if (format !== 'jsonl' && format !== 'parquet') throw notText(data.file)
  if (data.field === undefined)
    throw refused('DATA_FIELD_MISSING', `${data.file} has fields`, 'name the one with the text in data.field')
  return await joined(columnTexts(await tableOf(format, data.file), data.field))
}

/**
 * The rows of a section, cut into shards.
 * @throws MurmurError, exit `usage`: what is wrong with the data (docs/data.md).
 */
export async function loadRows(data: DataSection): Promise<ShardedData> {
  const source = await rowsOf(data)
  refuseIdleKeys(data, readingOf(data, 'rows'))
  return await shardRows(source, {
    task: data.task === 'language' ? undefined : data.task,
    standardize: data.standardize ?? source.columns !== null,
    heldOutFraction: data.heldOut ?? defaultHeldOutFraction,
    split: data.split ?? 'shuffled',
    shards: data.shards,
    seed: data.seed ?? 0,
  })
}

/** The rows of a section, with their targets. */
export async function rowsOf(data: DataSection): Promise<RowSource> {
  if (data.builtin === 'mnist') return mnistRows()
  if (data.file === undefined) throw notRows(data.folder ?? 'the built-in text')
  const format = formatOf(data)
  if (format === 'text') throw notRows(data.file)
  if (format === 'npy' || format === 'idx') {
    if (data.labels === undefined)
      throw refused('DATA_TARGET_MISSING', `${data.file} has no targets`, 'name their file in data.labels')
    return await arrayRows(format, data.file, data.labels)
  }
  if (data.target === undefined)
    throw refused(
      'DATA_TARGET_MISSING',
      `nothing says what is to be told of a row of ${data.file}`,
      'name its column in data.target, or for text the one to read in data.field',
    )
  const targets = typeof data.target === 'string' ? [data.target] : data.target
  return tableRows(await tableOf(format, data.file), { targets, features: data.features })
}

function tableOf(format: 'csv' | 'jsonl' | 'parquet', file: string): Promise<Table> {
  if (format === 'csv') return csvTable(file)
  return format === 'jsonl' ? jsonTable(file) : parquetTable(file)
}

const endings: readonly (readonly [RegExp, DataFormatName])[] = [
  [/\.(jsonl|ndjson)$/i, 'jsonl'],
  [/\.(csv|tsv)$/i, 'csv'],
  [/\.parquet$/i, 'parquet'],
  [/\.npy$/i, 'npy'],
  [/(\.idx|[.-]idx\d-ubyte)$/i, 'idx'],
]

/** As the section says, else as the file's name ends; text where neither tells. */
const formatOf = ({ format, file = '' }: DataSection): DataFormatName =>
  format ?? endings.find(([ending]) => ending.test(file))?.[1] ?? 'text'

const readingOf = (data: DataSection, as: Reading['as']): Reading => ({
  as,
  format: data.file === undefined ? null : formatOf(data),
})

const notText = (name: string) =>
  refused('DATA_NOT_TEXT', `${name} is not text`, 'give text, or another model than gpt: model.preset')

const notRows = (name: string) =>
  refused(
    'DATA_NOT_ROWS',
    `${name} is text, without rows to learn from`,
    'leave model.preset out: gpt learns text',
  )
