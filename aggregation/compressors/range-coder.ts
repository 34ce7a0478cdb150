import { malformed } from '../contribution-format.ts'

/**
 * An adaptive binary range coder (Martin, "Range encoding", 1979): a decision takes −log₂ p bits, p being what its context has
 * learnt of the decisions before it. Integers alone, so that encoder and decoder learn the same on every host.
 *
 * A context holds two estimates of the chance of a 0, in 1/65,536: one follows the last sixteen or so decisions, one the last 128
 * or so. Their mean, cut to 12 bits and kept 1/64 away from 0 and 1, is p.
 */
export type Contexts = Uint16Array

const half = 2 ** 15
const fast = 4
const slow = 7
const precision = 12
const leastChance = 2 ** precision / 64
const mostChance = 2 ** precision - leastChance
/** The range stays above this, so that there is always something of it to deal out in 1/4,096. */
const bottom = 2 ** 24
/** Of the number that the coder narrows down; all of it is written at the end. */
const numberBytes = 4

/** No decision takes more bits: −log₂ 1/64, and what the range loses by being cut to integers. */
export const mostBitsOfDecision = 6.01
/** What is written beyond the bits of the decisions, at most. */
export const mostFlushBytes = numberBytes + 1

/** Of which nothing is known yet: zeros are as likely as ones. */
export const newContexts = (count: number): Contexts => new Uint16Array(2 * count).fill(half)

function chanceOfZero(contexts: Contexts, context: number): number {
  const chance = (contexts[2 * context]! + contexts[2 * context + 1]!) >> (17 - precision)
  return Math.min(Math.max(chance, leastChance), mostChance)
}

function learn(contexts: Contexts, context: number, bit: number): void {
  const target = bit === 0 ? 2 ** 16 - 1 : 0
  const [recent, long] = [contexts[2 * context]!, contexts[2 * context + 1]!]
  contexts[2 * context] = recent + ((target - recent) >> fast)
  contexts[2 * context + 1] = long + ((target - long) >> slow)
}

/** Writes decisions to a byte array that has room for them, from an offset on. */
export class RangeEncoder {
  readonly #into: Uint8Array
  #offset: number
  /** Lower end of the range; 2³² of it is a carry into the bytes before. */
  #low = 0
  #range = 2 ** 32 - 1
  /** The last byte that is not 255, −1 before there is one, and how many 255s are behind it: a carry still changes them all. */
  #held = -1
  #full = 0

  constructor(into: Uint8Array, offset: number) {
    this.#into = into
    this.#offset = offset
  }

  encode(contexts: Contexts, context: number, bit: number): void {
    this.#narrow((this.#range >>> precision) * chanceOfZero(contexts, context), bit)
    learn(contexts, context, bit)
  }

  /** A decision of which nothing can be known: one bit. */
  encodeEven(bit: number): void {
    this.#narrow(this.#range >>> 1, bit)
  }

  /** Writes what is left, and gives the offset behind it. */
  finish(): number {
    for (let byte = 0; byte < numberBytes; byte++) this.#shift()
    this.#release(0)
    return this.#offset
  }

  #narrow(zeros: number, bit: number): void {
    if (bit === 0) this.#range = zeros
    else {
      this.#low += zeros
      this.#range -= zeros
    }
    while (this.#range < bottom) {
      this.#range = (this.#range << 8) >>> 0
      this.#shift()
    }
  }

  /** Takes the highest byte off `low`. */
  #shift(): void {
    const carry = this.#low >= 2 ** 32 ? 1 : 0
    const low = this.#low % 2 ** 32
    const highest = low >>> 24
    if (carry === 0 && highest === 255) this.#full++
    else {
      this.#release(carry)
      this.#held = highest
    }
    this.#low = (low << 8) >>> 0
  }

  #release(carry: number): void {
    if (this.#held >= 0) this.#into[this.#offset++] = this.#held + carry
    for (; this.#full > 0; this.#full--) this.#into[this.#offset++] = carry === 0 ? 255 : 0
  }
}

/** Reads decisions, given contexts in the state in which the encoder's were. */
export class RangeDecoder {
  readonly #from: Uint8Array
  #offset: number
  /** How far the coded number lies above the lower end of the range. */
  #above = 0
  #range = 2 ** 32 - 1

  /** @throws MurmurError CONTRIBUTION_MALFORMED: the bytes end before the decisions do; so do both kinds of decoding. */
  constructor(from: Uint8Array, offset: number) {
    this.#from = from
    this.#offset = offset
    for (let byte = 0; byte < numberBytes; byte++) this.#above = this.#appended()
  }

  /** Behind the last byte that was needed. */
  get offset(): number {
    return this.#offset
  }

  decode(contexts: Contexts, context: number): number {
    const bit = this.#narrow((this.#range >>> precision) * chanceOfZero(contexts, context))
    learn(contexts, context, bit)
    return bit
  }

  decodeEven(): number {
    return this.#narrow(this.#range >>> 1)
  }

  #narrow(zeros: number): number {
    const bit = this.#above < zeros ? 0 : 1
    if (bit === 0) this.#range = zeros
    else {
      this.#above -= zeros
      this.#range -= zeros
    }
    while (this.#range < bottom) {
      this.#range = (this.#range << 8) >>> 0
      this.#above = this.#appended()
    }
    return bit
  }

  #appended(): number {
    if (this.#offset >= this.#from.length) throw malformed('codes are cut short')
    return ((this.#above << 8) | this.#from[this.#offset++]!) >>> 0
  }
}
