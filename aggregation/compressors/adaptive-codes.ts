import { malformed } from '../contribution-format.ts'
import { kernelsFor } from '../kernels/kernels.ts'
import { type Contexts, newContexts, RangeDecoder, RangeEncoder } from './range-coder.ts'

/*
 * Small integers, most of them 0, as binary decisions of a range coder: whether there is any magnitude; which sign; then, for each
 * magnitude from 1 on, whether there is more. The first and the third are expected by the magnitudes of the two codes before, since what
 * neighbouring parameters learn is of like size; further ones by the magnitude so far.
 */

/** Sums of two magnitudes, each counted up to 2. */
const neighbourhoods = 5
const largestCounted = 2
/** Magnitudes from here on share a context. */
const largestTold = 16

interface Model {
  readonly any: Contexts
  readonly more: Contexts
}

const newModel = (): Model => ({
  any: newContexts(neighbourhoods),
  more: newContexts(neighbourhoods + largestTold),
})

/** The context of "more than `magnitude`?". */
const moreThan = (magnitude: number, neighbourhood: number): number =>
  magnitude === 1 ? neighbourhood : neighbourhoods + Math.min(magnitude, largestTold) - 1

const counted = (magnitude: number): number => Math.min(magnitude, largestCounted)

/** Writes the codes to `into`, which has room for them, from `offset` on; gives the offset behind them. */
export function encodeCodes(codes: Int16Array, into: Uint8Array, offset: number): number {
  return kernelsFor(codes.length)?.encodeCodes(codes, into, offset) ?? encodePlainly(codes, into, offset)
}

function encodePlainly(codes: Int16Array, into: Uint8Array, offset: number): number {
  const encoder = new RangeEncoder(into, offset)
  const { any, more } = newModel()
  let before = 0
  let neighbourhood = 0
  for (const code of codes) {
    const magnitude = code < 0 ? -code : code
    encoder.encode(any, neighbourhood, magnitude === 0 ? 0 : 1)
    if (magnitude > 0) {
      encoder.encodeEven(code < 0 ? 1 : 0)
      for (let so = 1; so < magnitude; so++) encoder.encode(more, moreThan(so, neighbourhood), 1)
      encoder.encode(more, moreThan(magnitude, neighbourhood), 0)
    }
    const last = counted(magnitude)
    neighbourhood = before + last
    before = last
  }
  return encoder.finish()
}

/**
 * Fills `codes` from `bytes` at `offset`; gives the offset behind what it needed.
 * @throws MurmurError CONTRIBUTION_MALFORMED: they are cut short, or a magnitude is above `largest`.
 */
export function decodeCodes(bytes: Uint8Array, offset: number, codes: Int16Array, largest: number): number {
  const end = kernelsFor(codes.length)?.decodeCodes(bytes, offset, codes, largest)
  // What the kernel finds malformed, the plain reader refuses with the reason.
  return end ?? decodePlainly(bytes, offset, codes, largest)
}

function decodePlainly(bytes: Uint8Array, offset: number, codes: Int16Array, largest: number): number {
  const decoder = new RangeDecoder(bytes, offset)
  const { any, more } = newModel()
  let before = 0
  let neighbourhood = 0
  for (let index = 0; index < codes.length; index++) {
    let magnitude = 0
    codes[index] = 0
    if (decoder.decode(any, neighbourhood) === 1) {
      const isNegative = decoder.decodeEven() === 1
      magnitude = 1
      while (decoder.decode(more, moreThan(magnitude, neighbourhood)) === 1) {
        magnitude++
        if (magnitude > largest) throw malformed(`a code beyond ${largest}`)
      }
      codes[index] = isNegative ? -magnitude : magnitude
    }
    const last = counted(magnitude)
    neighbourhood = before + last
    before = last
  }
  return decoder.offset
}
