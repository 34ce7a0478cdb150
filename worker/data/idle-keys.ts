import { type DataFormatName, type DataSection, rowKeys } from '../../protocol/data-section.ts'
import { refused } from './open-file.ts'

/** What is read, once the format of a section is known. */
export interface Reading {
  readonly as: 'text' | 'rows'
  /** Null for what is no file of a format: a folder, what comes with murmur. */
  readonly format: DataFormatName | null
}

/**
 * Refuses keys of a section that would change nothing: someone wrote them to have an effect.
 * @throws MurmurError DATA_KEY_UNUSED (exit `usage`).
 */
export function refuseIdleKeys(data: DataSection, { as, format }: Reading): void {
  const isTable = format === 'csv' || format === 'jsonl' || format === 'parquet'
  const isArray = format === 'npy' || format === 'idx'
  const problems: string[] = []
  const refuse = (keys: readonly (keyof DataSection)[], reason: string) => {
    for (const key of keys) if (data[key] !== undefined) problems.push(`data.${key}: ${reason}`)
  }
  if (as === 'text') refuse(rowKeys, 'is of rows, and text is learned')
  if (as === 'rows') refuse(['field', 'tokenizer'], 'is of text, and rows are learned')
  if (as === 'rows' && data.task === 'language') problems.push('data.task: rows are no language')
  if (as === 'text' && data.task !== undefined && data.task !== 'language')
    problems.push(`data.task: text is no ${data.task}`)
  if (as === 'text' && (!isTable || format === 'csv')) refuse(['field'], 'only jsonl and parquet have fields')
  if (as === 'rows' && !isArray) refuse(['labels'], 'only npy and idx have them in a file of their own')
  if (as === 'rows' && !isTable) refuse(['target', 'features'], 'only tables have columns')
  if (problems.length > 0)
    throw refused(
      'DATA_KEY_UNUSED',
      problems.join('; '),
      'leave it out, or see docs/data.md for what it needs',
    )
}
