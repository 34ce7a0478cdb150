// The codes of aggregation/compressors/adaptive-codes.ts and the range coder below them, bit for bit. What goes on from one call to
// the next lies at `state`.

const LOW: usize = 0 // u64: lower end of the range; of the decoder how far the number lies above it
const RANGE: usize = 8 // u32
const HELD: usize = 12 // i32
const FULL: usize = 16 // u32
const BEFORE: usize = 20 // i32
const NEIGHBOURHOOD: usize = 24 // i32
const MOVED: usize = 28 // i32: bytes written or read in the last call
const ANY: usize = 32
const NEIGHBOURHOODS: i32 = 5
const LARGEST_TOLD: i32 = 16
const LARGEST_COUNTED: i32 = 2
const MORE: usize = ANY + (<usize>NEIGHBOURHOODS << 2)
const CONTEXTS: usize = 2 * 5 + 16

/** More bytes than any one code takes: 32,769 decisions of 6.01 bits. */
const MOST_CODE_BYTES: usize = 25_000

let low: u64 = 0
let range: u32 = 0
let held: i32 = 0
let full: u32 = 0
let at: usize = 0

/** Before the first code of a vector. */
export function startCodes(state: usize): void {
  store<u64>(state, 0, LOW)
  store<u32>(state, 0xffffffff, RANGE)
  store<i32>(state, -1, HELD)
  memory.fill(state + FULL, 0, ANY - FULL)
  for (let context: usize = 0; context < CONTEXTS; context++) store<u32>(state + ANY + (context << 2), 0x80008000)
}

@inline
function chanceOfZero(context: usize): u32 {
  const chance = (<u32>load<u16>(context) + <u32>load<u16>(context, 2)) >> 5
  return min<u32>(max<u32>(chance, 64), 4096 - 64)
}

@inline
function learn(context: usize, bit: i32): void {
  const target = bit == 0 ? 0xffff : 0
  const recent = <i32>load<u16>(context)
  const long = <i32>load<u16>(context, 2)
  store<u16>(context, recent + ((target - recent) >> 4))
  store<u16>(context, long + ((target - long) >> 7), 2)
}

@inline
function moreThan(state: usize, magnitude: i32, neighbourhood: i32): usize {
  const context = magnitude == 1 ? neighbourhood : NEIGHBOURHOODS + min<i32>(magnitude, LARGEST_TOLD) - 1
  return state + MORE + (<usize>context << 2)
}

@inline
function release(carry: i32): void {
  if (held >= 0) store<u8>(at++, held + carry)
  for (; full > 0; full--) store<u8>(at++, carry == 0 ? 255 : 0)
}

function shift(): void {
  const carry = <i32>(low >> 32)
  const highest = <i32>((low >> 24) & 0xff)
  if (carry == 0 && highest == 255) full++
  else {
    release(carry)
    held = highest
  }
  low = (low << 8) & 0xffffffff
}

@inline
function put(zeros: u32, bit: i32): void {
  if (bit == 0) range = zeros
  else {
    low += zeros
    range -= zeros
  }
  while (range < 0x1000000) {
    range <<= 8
    shift()
  }
}

@inline
function encode(context: usize, bit: i32): void {
  put((range >> 12) * chanceOfZero(context), bit)
  learn(context, bit)
}

/**
 * Writes codes, i16 each, from `codes` on, to `out` until all `n` are written or no other may fit before `end`. Returns how many
 * were; the bytes are at MOVED.
 */
export function encodeCodes(state: usize, codes: usize, n: i32, out: usize, end: usize): i32 {
  low = load<u64>(state, LOW)
  range = load<u32>(state, RANGE)
  held = load<i32>(state, HELD)
  full = load<u32>(state, FULL)
  at = out
  let before = load<i32>(state, BEFORE)
  let neighbourhood = load<i32>(state, NEIGHBOURHOOD)
  let done = 0
  for (; done < n && at + <usize>full + MOST_CODE_BYTES < end; done++) {
    const code = <i32>load<i16>(codes + (<usize>done << 1))
    const magnitude = code < 0 ? -code : code
    encode(state + ANY + (<usize>neighbourhood << 2), i32(magnitude > 0))
    if (magnitude > 0) {
      put(range >> 1, i32(code < 0))
      for (let so = 1; so < magnitude; so++) encode(moreThan(state, so, neighbourhood), 1)
      encode(moreThan(state, magnitude, neighbourhood), 0)
    }
    const last = min<i32>(magnitude, LARGEST_COUNTED)
    neighbourhood = before + last
    before = last
  }
  keep(state, before, neighbourhood, out)
  return done
}

function keep(state: usize, before: i32, neighbourhood: i32, start: usize): void {
  store<u64>(state, low, LOW)
  store<u32>(state, range, RANGE)
  store<i32>(state, held, HELD)
  store<u32>(state, full, FULL)
  store<i32>(state, before, BEFORE)
  store<i32>(state, neighbourhood, NEIGHBOURHOOD)
  store<i32>(state, <i32>(at - start), MOVED)
}

/** Behind the last code: writes what is left, and returns how many bytes that is. */
export function endCodes(state: usize, out: usize): i32 {
  low = load<u64>(state, LOW)
  held = load<i32>(state, HELD)
  full = load<u32>(state, FULL)
  at = out
  for (let byte = 0; byte < 4; byte++) shift()
  release(0)
  return <i32>(at - out)
}

let last: usize = 0

/** Beyond the last byte come zeros, and `at` goes past `last`, which is found when the code is through. */
@inline
function next(): u64 {
  const byte = at < last ? <u64>load<u8>(at) : 0
  at++
  return byte
}

@inline
function take(zeros: u32): i32 {
  const bit = i32(low >= <u64>zeros)
  if (bit == 0) range = zeros
  else {
    low -= zeros
    range -= zeros
  }
  while (range < 0x1000000) {
    range <<= 8
    low = ((low << 8) | next()) & 0xffffffff
  }
  return bit
}

@inline
function decode(context: usize): i32 {
  const bit = take((range >> 12) * chanceOfZero(context))
  learn(context, bit)
  return bit
}

/** Before the first code: the first four bytes, which are there. */
export function startDecoding(state: usize, bytes: usize): void {
  startCodes(state)
  store<u64>(state, bswap<u32>(load<u32>(bytes)), LOW)
}

/**
 * Reads codes from the bytes [bytes, end) to `codes` until there are `n`, or, where more bytes are to come, until another may need
 * them. Returns how many were read, the bytes read at MOVED, or −1: the bytes end before the codes do, or a magnitude is above
 * `largest`.
 */
export function decodeCodes(
  state: usize,
  bytes: usize,
  end: usize,
  isLast: bool,
  codes: usize,
  n: i32,
  largest: i32,
): i32 {
  low = load<u64>(state, LOW)
  range = load<u32>(state, RANGE)
  at = bytes
  last = end
  let before = load<i32>(state, BEFORE)
  let neighbourhood = load<i32>(state, NEIGHBOURHOOD)
  let done = 0
  for (; done < n && (isLast || at + MOST_CODE_BYTES < end); done++) {
    let magnitude = 0
    let code = 0
    if (decode(state + ANY + (<usize>neighbourhood << 2)) != 0) {
      const isNegative = take(range >> 1) != 0
      magnitude = 1
      while (decode(moreThan(state, magnitude, neighbourhood)) != 0) {
        if (++magnitude > largest) return -1
      }
      code = isNegative ? -magnitude : magnitude
    }
    if (at > end) return -1
    store<i16>(codes + (<usize>done << 1), <i16>code)
    const capped = min<i32>(magnitude, LARGEST_COUNTED)
    neighbourhood = before + capped
    before = capped
  }
  keep(state, before, neighbourhood, bytes)
  return done
}
