import { invariant, MurmurError } from '../../protocol/errors.ts'
import { below } from '../../protocol/random.ts'
import type { Batch, TensorData } from '../engine/engine.ts'
import { type BatchPlace, batchDraws, spread } from './draws.ts'
import { inputBytes, itemBytes, type RowsFormat, rowValues } from './format.ts'

/** One record of a shard. */
interface Row {
  readonly shard: Uint8Array
  readonly index: number
}

/**
 * The batch of one inner step: `batch` rows drawn uniformly, with repetition, from all rows of the member's shards; a
 * pure function of its place, so that an auditor can redo any step alone.
 */
export function rowBatchAt(
  place: BatchPlace,
  batch: number,
  shards: readonly Uint8Array[],
  format: RowsFormat,
): Batch {
  const record = itemBytes(format)
  const ends: number[] = []
  let rows = 0
  for (const shard of shards) {
    rows += shard.length / record
    ends.push(rows)
  }
  invariant(rows > 0 && rows < 2 ** 32, 'the shards hold at least one row')
  const draw = batchDraws(place)
  const drawn = Array.from({ length: batch }, (): Row => {
    const row = below(rows, draw())
    const at = ends.findIndex((end) => row < end)
    return { shard: shards[at]!, index: row - (ends[at - 1] ?? 0) }
  })
  return rowBatch(drawn, format)
}

/** The batches of an evaluation: all rows in their order, or as many as fill `maxBatches`, spread evenly. */
export function* heldOutRows(
  shards: readonly Uint8Array[],
  batch: number,
  maxBatches: number,
  format: RowsFormat,
): Generator<Batch> {
  const record = itemBytes(format)
  const rows = shards.flatMap((shard) =>
    Array.from({ length: shard.length / record }, (_, index): Row => ({ shard, index })),
  )
  for (const drawn of spread(rows, batch, maxBatches)) yield rowBatch(drawn, format)
}

/** @throws MurmurError DATA_ROW_INVALID: a class that there is not. */
function rowBatch(rows: readonly Row[], format: RowsFormat): Batch {
  const values = rowValues(format)
  const offset = inputBytes(format)
  const record = itemBytes(format)
  const inputs = new Float32Array(rows.length * values)
  const targets = emptyTargets(rows.length, format)
  const table = format.inputs.type === 'u8' ? byteTable(format.inputs) : null
  for (const [row, { shard, index }] of rows.entries()) {
    const bytes = shard.subarray(index * record, (index + 1) * record)
    if (table === null) copyFloats(bytes.subarray(0, offset), inputs, row * values)
    else for (let at = 0; at < values; at++) inputs[row * values + at] = table[bytes[at]!]!
    copyTarget(bytes.subarray(offset), targets, row, format)
  }
  return { inputs, targets }
}

/** What each byte stands for: v · factor + shift, rounded to f32 after each operation. */
const byteTable = ({ factor, shift }: RowsFormat['inputs']): Float32Array =>
  Float32Array.from(
    { length: 256 },
    (_, value) => Math.fround(value * Math.fround(factor)) + Math.fround(shift),
  )

const emptyTargets = (rows: number, { targets }: RowsFormat): TensorData =>
  targets.type === 'f32' ? new Float32Array(rows * targets.values) : new BigInt64Array(rows)

/** Records are not aligned to their floats. */
function copyFloats(bytes: Uint8Array, into: Float32Array, at: number): void {
  new Uint8Array(into.buffer, into.byteOffset + 4 * at, bytes.length).set(bytes)
}

function copyTarget(bytes: Uint8Array, into: TensorData, row: number, { targets }: RowsFormat): void {
  if (into instanceof Float32Array) {
    copyFloats(bytes, into, (row * bytes.length) / 4)
    return
  }
  let label = 0
  for (let byte = bytes.length - 1; byte >= 0; byte--) label = label * 256 + bytes[byte]!
  invariant(targets.type !== 'f32', 'a class is no value')
  if (label >= targets.classes) {
    throw new MurmurError('DATA_ROW_INVALID', {
      message: `a row is of class ${label}, of ${targets.classes}`,
      next: 'submit the run again; its data was written by other software',
      exit: 'verification',
    })
  }
  into[row] = BigInt(label)
}
