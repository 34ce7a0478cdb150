import type { SparseUpdate } from '../update.ts'

/** Parameters at a time: what is spread out of one update stays in a cache while all others go by. */
const span = 4096

/**
 * ⟨xᵢ, xⱼ⟩ of every pair, row-major [R, R], of updates that name their places: products of f32 summed in double precision in
 * index order. R² / 2 passes over an update's entries.
 */
export function sparseProducts(updates: readonly SparseUpdate[]): Float64Array {
  const count = updates.length
  const products = new Float64Array(count * count)
  const spread = new Float32Array(span)
  const ends = updates.map(() => 0)
  for (let first = 0; first < updates[0]!.parameterCount; first += span) {
    const begins = [...ends]
    for (const [member, update] of updates.entries())
      ends[member] = firstFrom(update, first + span, begins[member]!)
    for (let row = 0; row < count; row++) {
      const { indices, values } = updates[row]!
      for (let entry = begins[row]!; entry < ends[row]!; entry++)
        spread[indices[entry]! - first] = values[entry]!
      for (let column = row; column < count; column++) {
        const place = row * count + column
        products[place] = sumOn(
          products[place]!,
          spread,
          first,
          updates[column]!,
          begins[column]!,
          ends[column]!,
        )
      }
      for (let entry = begins[row]!; entry < ends[row]!; entry++) spread[indices[entry]! - first] = 0
    }
  }
  for (let row = 0; row < count; row++) {
    for (let column = 0; column < row; column++)
      products[row * count + column] = products[column * count + row]!
  }
  return products
}

/** The first entry, not before `from`, that names `place` or one behind it. */
function firstFrom({ indices }: SparseUpdate, place: number, from: number): number {
  let entry = from
  while (entry < indices.length && indices[entry]! < place) entry++
  return entry
}

function sumOn(
  sum: number,
  spread: Float32Array,
  first: number,
  { indices, values }: SparseUpdate,
  begin: number,
  end: number,
): number {
  let total = sum
  for (let entry = begin; entry < end; entry++) total += spread[indices[entry]! - first]! * values[entry]!
  return total
}
