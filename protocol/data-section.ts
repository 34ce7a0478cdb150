import { z } from 'zod'
import { taskKinds } from './tasks.ts'

/* Where a run's data comes from, and what is made of it (docs/data.md). */

const path = z.string().min(1).max(4096)
const column = z.string().min(1).max(256)
const columns = z.union([column, z.array(column).min(1).max(10_000)])

export const dataFormats = ['text', 'jsonl', 'csv', 'parquet', 'npy', 'idx'] as const
export type DataFormatName = (typeof dataFormats)[number]

const builtins = ['moby-dick', 'mnist'] as const

export const dataSection = z.strictObject({
  builtin: z.enum(builtins).optional().describe('data that comes with murmur'),
  file: path.optional().describe('one file'),
  folder: path.optional().describe('every file in it is text; read in the order of their names'),
  format: z.enum(dataFormats).optional().describe('of the file; its name tells where it is left out'),
  task: z.enum(taskKinds).optional().describe('what is learned; the data tells where it is left out'),
  field: column.optional().describe('jsonl, parquet: the field that holds text'),
  target: columns.optional().describe('csv, jsonl, parquet: what is to be told: a column, or several'),
  features: z
    .array(column)
    .min(1)
    .max(10_000)
    .optional()
    .describe('csv, jsonl, parquet: columns to tell it from; every other one where left out'),
  labels: path.optional().describe('npy, idx: the file with the target of each row'),
  standardize: z
    .boolean()
    .optional()
    .describe('features (and values to be told) less their mean, over their deviation; true for columns'),
  tokenizer: path.optional().describe('text: a `tokenizer.json`; without it, tokens are bytes'),
  heldOut: z.number().min(0.001).max(0.5).optional().describe('share that is never trained on; 0.1'),
  split: z
    .enum(['shuffled', 'by-label'])
    .optional()
    .describe('by-label: each shard has rows of few classes; shuffled where left out'),
  shards: z.int().min(1).max(65_536).optional().describe('rows: shards to cut, where not as many as usual'),
  seed: z.int().min(0).max(Number.MAX_SAFE_INTEGER).optional().describe('rows: of their order; 0'),
})

export type DataSection = z.output<typeof dataSection>

/** Keys that only mean something where rows are learned. */
export const rowKeys = ['target', 'features', 'labels', 'standardize', 'split', 'shards', 'seed'] as const

/** Keys that are fine alone and impossible together. */
export function dataContradictions(data: DataSection): string[] {
  const sources = (['builtin', 'file', 'folder'] as const).filter((key) => data[key] !== undefined)
  if (sources.length !== 1)
    return ['data: give one of `builtin: moby-dick`, `file: <path>` and `folder: <path>`']
  const problems: string[] = []
  const refuse = (keys: readonly (keyof DataSection)[], reason: string) => {
    for (const key of keys) if (data[key] !== undefined) problems.push(`data.${key}: ${reason}`)
  }
  if (data.file === undefined) refuse(['format', 'field', 'target', 'features', 'labels'], 'needs data.file')
  if (data.folder !== undefined) refuse(rowKeys, 'a folder holds text')
  if (data.field !== undefined) refuse(rowKeys, 'data.field says that the data is text')
  if (data.tokenizer !== undefined) refuse(rowKeys, 'data.tokenizer says that the data is text')
  return problems
}
