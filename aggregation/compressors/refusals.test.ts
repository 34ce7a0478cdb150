import fc from 'fast-check'
import { expect, test } from 'vitest'
import { isMurmurError } from '../../protocol/errors.ts'
import type { Compressor } from '../compressor.ts'
import { toDense } from '../update.ts'
import { int4, int8 } from './absmax.ts'
import { demo } from './demo.ts'
import { f32 } from './f32.ts'
import { bf16, f16 } from './half-precision.ts'
import { sign } from './sign.ts'
import { sparseLoCoRice } from './sparse-loco-rice.ts'

const blocks = { blockSize: 5, beta: 0.9 }
const all = {
  ...{ f32: f32(), bf16: bf16(), f16: f16() },
  ...{ int8: int8(blocks), int4: int4(blocks), sign: sign(blocks) },
  rice: sparseLoCoRice({ chunkSize: 8, k: 3, beta: 0.95 }),
  demo: demo({ chunkSize: 5, k: 3, beta: 0.9 }),
}
const dense: readonly Compressor[] = [all.f32, all.bf16, all.f16, all.int8, all.int4, all.sign]
const each: readonly Compressor[] = Object.values(all)

const count = 13
const delta = Float32Array.of(0, 5, -1, 0.5, 2, -9, 1, 3, 1, -0.25, 1, 1, 2)
const good = (compressor: Compressor): Uint8Array => compressor.compress(delta, compressor.init(count)).bytes
const isMalformed = expect.objectContaining({ code: 'CONTRIBUTION_MALFORMED', verdict: 'reject' })

type Damage = (bytes: Uint8Array) => void
const byteAt =
  (offset: number, value: number): Damage =>
  (bytes) => {
    bytes[offset] = value
  }
const f32At =
  (offset: number, value: number): Damage =>
  (bytes) =>
    new DataView(bytes.buffer).setFloat32(offset, value, true)
const u16At =
  (offset: number, value: number): Damage =>
  (bytes) =>
    new DataView(bytes.buffer).setUint16(offset, value, true)
const both =
  (first: Damage, second: Damage): Damage =>
  (bytes) => {
    first(bytes)
    second(bytes)
  }

function refuses(compressor: Compressor, damage: Damage): void {
  const bytes = good(compressor)
  compressor.decompress(bytes, count)
  damage(bytes)
  expect(() => compressor.decompress(bytes, count)).toThrow(isMalformed)
}

test.each(each)('$name refuses any other header, and any other length', (compressor) => {
  for (const offset of [0, 3, 4, 6, 8, 10, 11, 12, 15]) {
    refuses(compressor, (bytes) => byteAt(offset, bytes[offset]! ^ 1)(bytes))
  }
  const bytes = good(compressor)
  for (let length = 0; length < bytes.length; length++) {
    expect(() => compressor.decompress(bytes.subarray(0, length), count)).toThrow(isMalformed)
  }
  expect(() => compressor.decompress(Uint8Array.of(...bytes, 0), count)).toThrow(isMalformed)
})

test.each<[string, Compressor, Damage]>([
  ['f32 NaN', all.f32, f32At(20, Number.NaN)],
  ['f32 infinity', all.f32, f32At(20, Number.NEGATIVE_INFINITY)],
  ['f32 minus zero', all.f32, f32At(20, -0)],
  ['f32 that no update has', all.f32, f32At(20, 2 ** 113)],
  ['bf16 NaN', all.bf16, u16At(18, 0x7fc0)],
  ['bf16 infinity', all.bf16, u16At(18, 0x7f80)],
  ['bf16 minus zero', all.bf16, u16At(18, 0x8000)],
  ['f16 NaN', all.f16, u16At(18, 0x7e00)],
  ['f16 infinity', all.f16, u16At(18, 0xfc00)],
  ['f16 minus zero', all.f16, u16At(18, 0x8000)],
  // The first block: scale at 16, codes from 20 of 0, 5, −1, 0.5, 2; the peak is at 21.
  ['int8 scale NaN', all.int8, f32At(16, Number.NaN)],
  ['int8 infinite scale', all.int8, f32At(16, Number.POSITIVE_INFINITY)],
  ['int8 negative scale', all.int8, f32At(16, -1)],
  ['int8 scale of minus zero', all.int8, both(f32At(16, -0), (bytes) => bytes.fill(0, 20, 25))],
  ['int8 subnormal scale', all.int8, f32At(16, 2 ** -127)],
  ['int8 scale that no maximum has', all.int8, f32At(16, 1 + 66_112 / 2 ** 23)],
  ['int8 scale that overflows', all.int8, f32At(16, 2 ** 106)],
  ['int8 codes without a scale', all.int8, f32At(16, 0)],
  ['int8 code −128', all.int8, byteAt(22, 0x80)],
  ['int8 without a peak', all.int8, byteAt(21, 126)],
  ['int4 code −8', all.int4, byteAt(21, 0x81)],
  ['int4 without a peak', all.int4, byteAt(20, 0x60)],
  ['int4 padding', all.int4, (bytes) => byteAt(22, bytes[22]! | 0x10)(bytes)],
  ['int4 subnormal scale', all.int4, f32At(16, 2 ** -127)],
  ['sign scale of minus zero', all.sign, both(f32At(16, -0), byteAt(20, 0))],
  ['sign scale that is negative', all.sign, f32At(16, -1)],
  ['signs without a scale', all.sign, f32At(16, 0)],
  ['sign padding', all.sign, (bytes) => byteAt(20, bytes[20]! | 0x20)(bytes)],
  // The first chunk of 5: 3 indices of 3 bits at 16 and 17, coefficients at 18, 20, 22.
  ['demo indices out of order', all.demo, u16At(16, 1 | (0 << 3) | (2 << 6))],
  ['demo duplicate index', all.demo, u16At(16, 1 | (1 << 3) | (2 << 6))],
  ['demo index outside of the chunk', all.demo, u16At(16, 1 | (2 << 3) | (5 << 6))],
  ['demo padding', all.demo, (bytes) => byteAt(17, bytes[17]! | 2)(bytes)],
  ['demo coefficient NaN', all.demo, u16At(18, 0x7fc0)],
  ['demo infinite coefficient', all.demo, u16At(20, 0x7f80)],
  ['demo coefficient of minus zero', all.demo, both(u16At(16, 0 | (1 << 3) | (2 << 6)), u16At(18, 0x8000))],
  ['demo coefficient that no update has', all.demo, u16At(22, 0x7e80)],
  ['demo zero above an index left out', all.demo, both(u16At(16, 0 | (1 << 3) | (3 << 6)), u16At(22, 0))],
])('refuses %s', (_, compressor, damage) => refuses(compressor, damage))

test.each(dense)('$name: what is read is what would be written', (compressor) => {
  const bytes = good(compressor)
  const body = bytes.length - 16
  const damages = fc.array(fc.tuple(fc.nat(body - 1), fc.nat(255)), { minLength: 1, maxLength: 4 })
  let read = 0
  fc.assert(
    fc.property(damages, (changes) => {
      const changed = bytes.slice()
      for (const [at, value] of changes) changed[16 + at] = value
      try {
        const sent = toDense(compressor.decompress(changed, count))
        read++
        expect(compressor.compress(sent, compressor.init(count)).bytes).toEqual(changed)
      } catch (error) {
        if (!isMurmurError(error, 'CONTRIBUTION_MALFORMED')) throw error
      }
    }),
    { numRuns: 1000 },
  )
  expect(read).toBeGreaterThan(20)
})

test.each(each)('$name: any damage is refused or gives another update', (compressor) => {
  const bytes = good(compressor)
  const before = compressor.decompress(bytes, count)
  for (let bit = 0; bit < bytes.length * 8; bit++) {
    const damaged = bytes.slice()
    damaged[bit >> 3]! ^= 1 << (bit & 7)
    try {
      expect(compressor.decompress(damaged, count)).not.toEqual(before)
    } catch (error) {
      if (!isMurmurError(error, 'CONTRIBUTION_MALFORMED')) throw error
    }
  }
})

test.each(each)('$name: noise never crashes the reader', (compressor) => {
  const header = good(compressor).subarray(0, 16)
  const most = compressor.maxBytes(count) - 16
  fc.assert(
    fc.property(fc.uint8Array({ minLength: most, maxLength: most }), (noise) => {
      try {
        const update = compressor.decompress(Uint8Array.of(...header, ...noise), count)
        expect(update.values.every(Number.isFinite)).toBe(true)
      } catch (error) {
        if (!isMurmurError(error, 'CONTRIBUTION_MALFORMED')) throw error
      }
    }),
    { numRuns: 500 },
  )
})
