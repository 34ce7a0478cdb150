import { partsOf } from './coded-update.ts'
import { signsOf, squareOfSigns } from './sign-update.ts'

/** A decompressed contribution that names its places: `values[i]` at parameter `indices[i]`; all else is zero. */
export interface SparseUpdate {
  readonly kind: 'sparse'
  readonly parameterCount: number
  /** Ascending and distinct. */
  readonly indices: Uint32Array
  readonly values: Float32Array
}

/** One with a value for every parameter. */
export interface DenseUpdate {
  readonly kind: 'dense'
  readonly parameterCount: number
  /** `parameterCount` values; of one that stays coded (coded-update.ts) they are decoded when they are first asked for. */
  readonly values: Float32Array
}

/** What a contribution stands for: an estimate of Δ. All values are finite. */
export type Update = SparseUpdate | DenseUpdate

/** The updates if all of them are sparse; null if not, or if there are none. */
export function sparseOf(updates: readonly Update[]): readonly SparseUpdate[] | null {
  const sparse = updates.filter((update) => update.kind === 'sparse')
  return sparse.length === updates.length && sparse.length > 0 ? sparse : null
}

/** into ← into + weight · update, each product and each sum rounded to f32. `into` has `parameterCount` elements. */
export function addScaled(into: Float32Array, update: Update, weight: number): void {
  const { values } = update
  if (update.kind === 'dense') {
    for (let index = 0; index < values.length; index++)
      into[index] = into[index]! + Math.fround(weight * values[index]!)
    return
  }
  const { indices } = update
  for (let entry = 0; entry < indices.length; entry++) {
    const index = indices[entry]!
    into[index] = into[index]! + Math.fround(weight * values[entry]!)
  }
}

/** The update as one dense vector of `parameterCount` elements; of a dense update its own values, not a copy. */
export function toDense(update: Update): Float32Array {
  if (update.kind === 'dense') return update.values
  const dense = new Float32Array(update.parameterCount)
  for (let entry = 0; entry < update.indices.length; entry++) {
    dense[update.indices[entry]!] = update.values[entry]!
  }
  return dense
}

/**
 * Euclidean norm: squares summed in double precision in index order, of signs block by block, then one square root (exact by
 * IEEE-754).
 */
export function normOf(update: Update): number {
  const [signs] = signsOf([update]) ?? []
  if (signs !== undefined) return Math.sqrt(squareOfSigns(signs))
  let sum = 0
  for (const values of partsOf(update)) {
    for (let index = 0; index < values.length; index++) sum += values[index]! * values[index]!
  }
  return Math.sqrt(sum)
}
