import { inputBytes, type RowsFormat, rowValues, type Scale } from './format.ts'
import { refused } from './open-file.ts'
import type { Cell, RowSource } from './row-source.ts'
import { numberOf } from './table.ts'
import { labelOf } from './targets.ts'

type WriteRow = (inputs: ArrayLike<number>, targets: readonly Cell[], row: number, at: number) => void

/**
 * Writes rows of `source` as records of `format`, each `at` a byte of `into`.
 * @throws MurmurError DATA_VALUE_INVALID: a target that is none of the format's; a number that is no finite f32.
 */
export function rowWriter({ name, columns }: RowSource, format: RowsFormat, into: Uint8Array): WriteRow {
  const view = new DataView(into.buffer, into.byteOffset, into.length)
  const [width, offset] = [rowValues(format), inputBytes(format)]
  const {
    inputs: input,
    targets: target,
    features,
    values,
    labels,
    classes,
  } = { ...format, ...classesOf(format) }
  const invalid = (row: number, column: string, cell: Cell, wanted: string) =>
    refused(
      'DATA_VALUE_INVALID',
      `${name}: row ${row}, ${column}: ${JSON.stringify(cell).slice(0, 60)} is not ${wanted}`,
      'mend the row or leave it out',
    )
  const float = (value: number, scale: Scale | null, at: number): number =>
    Math.fround(scale === null ? value : (value - scale.means[at]!) / scale.deviations[at]!)
  return (inputs, targets, row, at) => {
    for (let column = 0; column < width; column++) {
      const value = inputs[column]!
      if (input.type === 'u8') into[at + column] = value
      else {
        const scaled = float(value, features, column)
        const title = columns?.features[column] ?? `value ${column + 1}`
        if (!Number.isFinite(scaled)) throw invalid(row, title, value, 'a number of 32 bits')
        view.setFloat32(at + 4 * column, scaled, true)
      }
    }
    const place = at + offset
    if (target.type === 'f32') {
      for (const [index, cell] of targets.entries()) {
        const value = numberOf(cell)
        const scaled = value === null ? Number.NaN : float(value, values, index)
        if (!Number.isFinite(scaled))
          throw invalid(row, columns?.targets[index] ?? 'its target', cell, 'a number of 32 bits')
        view.setFloat32(place + 4 * index, scaled, true)
      }
      return
    }
    const cell = targets[0]!
    const label = labels === null ? numberOf(cell) : (labels.get(labelOf(cell)) ?? null)
    if (label === null || !Number.isInteger(label) || label < 0 || label >= classes)
      throw invalid(row, columns?.targets[0] ?? 'its target', cell, `one of the ${classes} classes`)
    if (target.type === 'u8') view.setUint8(place, label)
    else if (target.type === 'u16') view.setUint16(place, label, true)
    else view.setInt32(place, label, true)
  }
}

const classesOf = ({ targets, labels }: RowsFormat) => ({
  classes: targets.type === 'f32' ? 0 : targets.classes,
  labels: labels === null ? null : new Map(labels.map((label, index) => [label, index])),
})
