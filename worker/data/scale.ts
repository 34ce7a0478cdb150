import type { Scale } from './format.ts'
import { refused } from './open-file.ts'
import type { Cell, RowSource } from './row-source.ts'
import { numberOf } from './table.ts'

/** Mean and variance of several values, row by row (Welford 1962), in double precision. */
class Moments {
  readonly #means: Float64Array
  readonly #squares: Float64Array
  #count = 0

  constructor(values: number) {
    this.#means = new Float64Array(values)
    this.#squares = new Float64Array(values)
  }

  add(row: ArrayLike<number>): void {
    this.#count++
    for (let at = 0; at < this.#means.length; at++) {
      const difference = row[at]! - this.#means[at]!
      this.#means[at]! += difference / this.#count
      this.#squares[at]! += difference * (row[at]! - this.#means[at]!)
    }
  }

  /** A value that never changes has a deviation of 1: it becomes 0. */
  get scale(): Scale {
    const deviations = Array.from(this.#squares, (sum) => Math.sqrt(sum / this.#count) || 1)
    return { means: [...this.#means], deviations }
  }

  /** Of all values together. */
  get whole(): { readonly mean: number; readonly deviation: number } {
    const size = this.#means.length
    const mean = this.#means.reduce((sum, value) => sum + value, 0) / size
    const within = this.#squares.reduce((sum, square) => sum + square, 0) / this.#count
    const between = this.#means.reduce((sum, value) => sum + (value - mean) ** 2, 0)
    return { mean, deviation: Math.sqrt((within + between) / size) || 1 }
  }
}

export interface Scales {
  readonly features: Scale
  readonly values: Scale | null
  /** One for all inputs that are bytes: v · factor + shift has mean 0 and deviation 1 over them. */
  readonly bytes: { readonly factor: number; readonly shift: number }
}

/**
 * Of each feature, and of each value to be told; over the rows that `isTrained` says, from 1.
 * @throws MurmurError DATA_VALUE_INVALID: numbers so large that their deviation is none.
 */
export async function scalesOf(
  source: RowSource,
  targets: number,
  isTrained: (row: number) => boolean,
): Promise<Scales> {
  const features = new Moments(source.shape.reduce((product, size) => product * size, 1))
  const values = targets === 0 ? null : new Moments(targets)
  await source.read((inputs, told, row) => {
    if (!isTrained(row)) return
    features.add(inputs)
    values?.add(told.map((cell: Cell) => numberOf(cell) ?? Number.NaN))
  })
  assertBounded(source, features.scale, source.columns?.features)
  if (values !== null) assertBounded(source, values.scale, source.columns?.targets)
  const { mean, deviation } = features.whole
  const bytes = { factor: Math.fround(1 / deviation), shift: Math.fround(-mean / deviation) }
  return { features: features.scale, values: values?.scale ?? null, bytes }
}

/** What is no number at all is left to the writer of rows, which knows the row. */
function assertBounded({ name }: RowSource, { means, deviations }: Scale, columns?: readonly string[]): void {
  const at = means.findIndex((mean, index) => [Math.abs(mean), deviations[index]].includes(Infinity))
  if (at === -1) return
  throw refused(
    'DATA_VALUE_INVALID',
    `${name}: ${columns?.[at] ?? `value ${at + 1}`} has numbers too large to be standardized`,
    'scale them down, or set data.standardize to false',
  )
}
