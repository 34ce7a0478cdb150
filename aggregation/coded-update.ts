import type { DenseUpdate, Update } from './update.ts'

/** Writes the values from index `start` on to `into`, as many as it has. */
export type ReadValues = (start: number, into: Float32Array) => void

const readers = new WeakMap<Update, ReadValues>()

/**
 * A dense update that stays as it was sent, an eighth to a quarter of its values' bytes, until somebody asks for `values`. Who
 * goes over it once, as a sum does, has it decoded part by part ({@link readerOf}): a round of many members would otherwise
 * write as many models to memory and read them again.
 */
export function codedUpdate(parameterCount: number, read: ReadValues): DenseUpdate {
  const update: DenseUpdate = {
    kind: 'dense',
    parameterCount,
    get values() {
      const values = new Float32Array(parameterCount)
      read(0, values)
      // From now on these are the update, whatever becomes of them.
      readers.delete(update)
      Object.defineProperty(update, 'values', { value: values, enumerable: true })
      return values
    },
  }
  readers.set(update, read)
  return update
}

/** How to decode parts of an update whose values nobody has asked for; null for all others. */
export const readerOf = (update: Update): ReadValues | null => readers.get(update) ?? null

/** Elements that are decoded at a time where nothing else decides it. */
const partLength = 16_384

/** The values of an update, stored or dense, in order, part by part; a part is only good until the next. */
export function* partsOf(update: Update): Generator<Float32Array> {
  const read = readerOf(update)
  if (read === null) {
    yield update.values
    return
  }
  const part = new Float32Array(Math.min(partLength, update.parameterCount))
  for (let start = 0; start < update.parameterCount; start += partLength) {
    const given = part.subarray(0, Math.min(partLength, update.parameterCount - start))
    read(start, given)
    yield given
  }
}
