import type { Update } from './update.ts'

/** An update of signs as it was sent (compressors/sign.ts): per block of `blockSize` values an f32 scale, then a bit each. */
export interface Signs {
  readonly records: Uint8Array
  readonly blockSize: number
  readonly parameterCount: number
}

const signs = new WeakMap<Update, Signs>()

/** Σ over blocks of n s², in double precision in block order. */
export function squareOfSigns({ records, blockSize, parameterCount }: Signs): number {
  const view = new DataView(records.buffer, records.byteOffset)
  let sum = 0
  for (let done = 0, offset = 0; done < parameterCount; done += blockSize) {
    const length = Math.min(blockSize, parameterCount - done)
    const scale = view.getFloat32(offset, true)
    sum += scale * scale * length
    offset += 4 + Math.ceil(length / 8)
  }
  return sum
}

/** The update, known from now on as one of signs. Its records are canonical. */
export function asSigns<Kind extends Update>(update: Kind, sent: Signs): Kind {
  signs.set(update, sent)
  return update
}

/** What was sent, of updates of signs in blocks of one size; null where any is another. */
export function signsOf(updates: readonly Update[]): readonly Signs[] | null {
  const sent = updates.flatMap((update) => signs.get(update) ?? [])
  const isUniform = sent.every(({ blockSize }) => blockSize === sent[0]?.blockSize)
  return isUniform && sent.length === updates.length && sent.length > 0 ? sent : null
}
