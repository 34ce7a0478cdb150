import { maxChunkSize } from './contribution-format.ts'
import type { SparseUpdate, Update } from './update.ts'

/** Places of a sketch. The cosine c of two sketches is off by (1 − c²) / √1,024 in the standard deviation. */
const sketchLength = 1024
/** How far below the threshold a sketched cosine still has the true one computed: 16 deviations at c = 0.95. */
const sketchMargin = 0.05
/** With fewer entries, chance makes honest updates alike, and so does the one way downhill of a model with few parameters. */
const fewestEntries = 128
/** Who names more of each chunk agrees with everybody on most: see below on dense updates. The last chunk can be short. */
const mostOfChunk = maxChunkSize / 8
/** Of fewer than three chunks, a short last one that is sent whole would be much of the update. */
const highestDensity = 1 / 6

/**
 * For each update the index of the earlier one that it nearly copies, cosine at least `threshold`, or null. A copy is nobody's
 * original.
 *
 * Only top-k updates are judged, where two honest members mostly name different places: over all pairs of all rounds, with
 * batches of 4 to 64 and 8 to 60 inner steps, their cosine was at most 0.86 (in the first round of the largest batch), and 0.1
 * to 0.7 later. Dense pseudo-gradients from one θ honestly reach 0.99, as much as a copy with a tenth of noise has: no
 * threshold parts them.
 *
 * Costs R sketches of k operations, R² / 2 inner products of 1,024 places, and an exact cosine for each pair near the
 * threshold: 1.2 s at R = 1,024, 0.03 s at R = 32. `key` must be unknown while updates can still be chosen: who knows it could
 * bend a copy just where the sketch looks.
 */
export function nearCopies(
  updates: readonly { readonly update: Update; readonly norm: number }[],
  threshold: number,
  key: number,
): (number | null)[] {
  const originals: {
    readonly index: number
    readonly update: SparseUpdate
    readonly sketch: Float64Array
  }[] = []
  return updates.map(({ update, norm }, index) => {
    if (!isJudged(update) || norm === 0) return null
    const sketch = sketchOf(update, norm, key)
    const original = originals.find(
      (earlier) =>
        product(earlier.sketch, sketch) >= threshold - sketchMargin &&
        sparseProduct(earlier.update, update) >= threshold * updates[earlier.index]!.norm * norm,
    )
    if (original === undefined) originals.push({ index, update, sketch })
    return original?.index ?? null
  })
}

function isJudged(update: Update): update is SparseUpdate {
  if (update.kind !== 'sparse') return false
  const { indices, parameterCount } = update
  const most = Math.min(
    mostOfChunk * Math.ceil(parameterCount / maxChunkSize),
    highestDensity * parameterCount,
  )
  return indices.length >= fewestEntries && indices.length <= most
}

/**
 * Count sketch (Charikar, Chen & Farach-Colton, ICALP 2002): every entry is added, with a sign, to a place that a keyed hash of its
 * index says. Scaled to length 1, so that products of sketches are cosines.
 */
function sketchOf({ indices, values }: SparseUpdate, norm: number, key: number): Float64Array {
  const sketch = new Float64Array(sketchLength)
  for (let entry = 0; entry < indices.length; entry++) {
    const hash = mix(indices[entry]! ^ key)
    sketch[hash & (sketchLength - 1)]! += (hash < 0 ? -values[entry]! : values[entry]!) / norm
  }
  const length = Math.sqrt(product(sketch, sketch))
  return length === 0 ? sketch : sketch.map((value) => value / length)
}

/** The finalizer of MurmurHash3: every bit of the result depends on every bit of the argument. */
function mix(word: number): number {
  let hash = word
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b)
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35)
  return hash ^ (hash >>> 16)
}

function product(a: Float64Array, b: Float64Array): number {
  let sum = 0
  for (let index = 0; index < a.length; index++) sum += a[index]! * b[index]!
  return sum
}

/** ⟨a, b⟩ over the places that both name, in double precision in index order. */
function sparseProduct(a: SparseUpdate, b: SparseUpdate): number {
  let sum = 0
  let other = 0
  for (let entry = 0; entry < a.indices.length; entry++) {
    const index = a.indices[entry]!
    while (other < b.indices.length && b.indices[other]! < index) other++
    if (b.indices[other] === index) sum += a.values[entry]! * b.values[other]!
  }
  return sum
}
