import { itemBytes, type RowsFormat } from './format.ts'
import { maxDataBytes, refused } from './open-file.ts'
import { tooLarge } from './read-text.ts'
import { orderRows } from './row-order.ts'
import type { RowSource } from './row-source.ts'
import { rowWriter } from './row-writer.ts'
import { scalesOf } from './scale.ts'
import { cut, type ShardedData, sealed, usualMembers } from './shards.ts'
import { labelOf, scanTargets, type Targets } from './targets.ts'

export interface RowOptions {
  /** Taken from the targets where it is not given. */
  readonly task?: 'classification' | 'regression'
  readonly standardize: boolean
  readonly heldOutFraction: number
  readonly split: 'shuffled' | 'by-label'
  /** Shards to cut; as many as usual where not given. */
  readonly shards?: number
  readonly seed: number
  readonly maxBytes?: number
}

/** Of a training shard: a hundred rows of a photograph, thousands of a table. */
const usualShardBytes = 256 * 1024
/** Rows that a place is kept for, of four bytes each. */
const maxRows = 2 ** 24

/**
 * Rows → records → shards. What is held out is drawn first, the others are cut into shards of equal length (to one row).
 * The source is read twice, and thrice to standardize, so that memory holds the data once.
 * @throws MurmurError DATA_TOO_LARGE, DATA_TOO_SHORT, DATA_SPLIT_IMPOSSIBLE, and what reading and scanning throw.
 */
export async function shardRows(source: RowSource, options: RowOptions): Promise<ShardedData> {
  const { maxBytes = maxDataBytes, heldOutFraction, seed } = options
  const values = source.shape.reduce((product, size) => product * size, 1)
  const rowBytes = values * (source.type === 'u8' ? 1 : 4)
  const targets = await scanTargets(source, options.task, Math.min(maxRows, Math.floor(maxBytes / rowBytes)))
  const { rows } = targets
  if (Math.round(rows * heldOutFraction) >= rows || rows < 2)
    throw refused('DATA_TOO_SHORT', `${source.name} has ${rows} rows`, 'use more, or lower data.heldOut')
  const byLabel = options.split === 'by-label'
  if (byLabel && targets.task !== 'classification')
    throw refused(
      'DATA_SPLIT_IMPOSSIBLE',
      'data.split by-label wants classes, and these targets are quantities',
      'leave it out, or set data.task to classification',
    )
  const labels = byLabel ? await labelsOf(source, targets) : null
  const { places, heldOut } = orderRows(rows, heldOutFraction, seed, labels)
  const format = await formatOf(source, targets, options, (row) => places[row - 1]! >= heldOut)
  const record = itemBytes(format)
  if (rows * record > maxBytes)
    throw tooLarge(`${source.name}, its targets included,`, rows * record, maxBytes)
  const bytes = new Uint8Array(rows * record)
  const write = rowWriter(source, format, bytes)
  let written = 0
  await source.read((inputs, told, row) => {
    if (row > rows) throw changed(source.name)
    write(inputs, told, row, places[row - 1]! * record)
    written++
  })
  if (written !== rows) throw changed(source.name)
  const trained = rows - heldOut
  const usual = Math.max(usualMembers, Math.ceil((trained * record) / usualShardBytes))
  const shards = cut(bytes.subarray(heldOut * record), Math.min(trained, options.shards ?? usual), record)
  const kept = cut(
    bytes.subarray(0, heldOut * record),
    Math.min(heldOut, Math.ceil((heldOut * record) / usualShardBytes)),
    record,
  )
  return sealed(shards, kept, format)
}

/**
 * Records of `format` of every row, in their order: what an evaluation on other data measures.
 * @throws MurmurError DATA_TOO_LARGE, DATA_MISFIT; what reading and writing rows throw.
 */
export async function recordsOf(source: RowSource, format: RowsFormat): Promise<Uint8Array> {
  const record = itemBytes(format)
  const values = source.shape.reduce((product, size) => product * size, 1)
  const wanted = format.inputs.shape.reduce((product, size) => product * size, 1)
  if (values !== wanted || (source.type === 'f32' && format.inputs.type === 'u8'))
    throw refused(
      'DATA_MISFIT',
      `a row of ${source.name} is ${values} values of ${source.type}, of the run's data ${wanted} of ${format.inputs.type}`,
      'give data of the form that the run was trained on',
    )
  let rows = 0
  await source.read((_, __, row) => {
    rows = row
    if (row * record > maxDataBytes)
      throw refused(
        'DATA_TOO_LARGE',
        `${source.name} takes over ${maxDataBytes} bytes`,
        'measure a part of it',
      )
  })
  if (rows === 0) throw refused('DATA_EMPTY', `${source.name} has no rows`, 'name data with rows in it')
  const bytes = new Uint8Array(rows * record)
  const write = rowWriter(source, format, bytes)
  let written = 0
  await source.read((inputs, told, row) => {
    if (row > rows) throw changed(source.name)
    write(inputs, told, row, (row - 1) * record)
    written++
  })
  if (written !== rows) throw changed(source.name)
  return bytes
}

async function formatOf(
  source: RowSource,
  { task, labels, classes, count }: Targets,
  { standardize }: RowOptions,
  isTrained: (row: number) => boolean,
): Promise<RowsFormat> {
  const { type, shape, columns } = source
  const classifies = task === 'classification'
  const scales = standardize ? await scalesOf(source, classifies ? 0 : count, isTrained) : null
  const scaled = scales?.bytes ?? { factor: Math.fround(1 / 255), shift: 0 }
  return {
    kind: 'rows',
    inputs: { type, shape: [...shape], ...(type === 'u8' ? scaled : { factor: 1, shift: 0 }) },
    targets: classifies
      ? { type: classes <= 256 ? 'u8' : classes <= 65_536 ? 'u16' : 'i32', classes }
      : { type: 'f32', values: count },
    columns: columns === null ? null : { features: [...columns.features], targets: [...columns.targets] },
    labels: labels === null ? null : [...labels],
    features: type === 'f32' ? (scales?.features ?? null) : null,
    values: scales?.values ?? null,
  }
}

/** The class of each row, by its place among the classes. */
async function labelsOf(source: RowSource, { rows, labels }: Targets): Promise<Uint32Array> {
  const numbers = labels === null ? null : new Map(labels.map((label, index) => [label, index]))
  const found = new Uint32Array(rows)
  await source.read((_, [cell], row) => {
    found[row - 1] = numbers === null ? Number(cell) : (numbers.get(labelOf(cell!)) ?? 0)
  })
  return found
}

const changed = (name: string) =>
  refused('DATA_CHANGED', `${name} changed while it was read`, 'run it again when nothing writes to it')
