import { createHash } from 'node:crypto'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import type { Compressor } from '../compressor.ts'
import golden from '../fixtures/compressors.json' with { type: 'json' }
import { floatBytes } from '../float-bytes.ts'
import { toDense } from '../update.ts'
import { int4, int8 } from './absmax.ts'
import { demo } from './demo.ts'
import { f32 } from './f32.ts'
import { bf16, f16 } from './half-precision.ts'
import { sign } from './sign.ts'
import { sparseLoCoRice } from './sparse-loco-rice.ts'

/** Each with the configuration that the fixture has for it. */
const byName: Record<string, (config: never) => Compressor> = {
  ...{ f32, bf16, f16, int8, int4, sign, demo },
  'sparse-loco-rice': sparseLoCoRice,
}
const sha = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex')

/** The input of fixtures/compressors.py. */
function signal(seed: number, length: number): Float32Array {
  let x = seed
  return Float32Array.from({ length }, (_, index) => {
    x = (Math.imul(x, 1664525) + 1013904223) >>> 0
    if (index >= 128 && index < 168) return 0
    if (index % 7 === 0) return [0, 0.75, -0.75][(x >>> 30) % 3]!
    const v = ((x >>> 8) - 2 ** 23) / 2 ** 23
    return Math.fround(Math.fround(v * v) * v) * (index % 5 === 0 ? 2 ** (((x >>> 5) % 40) - 20) : 1)
  })
}

test.each(golden.compressors)(
  '$name $config has the bytes and the error feedback that numpy computes',
  (want) => {
    const compressor = byName[want.name]!(want.config as never)
    expect(compressor.name).toBe(want.name)
    const { count } = want
    const small = compressor.compress(signal(3, 20), compressor.init(20)).bytes
    expect(Buffer.from(small).toString('hex')).toBe(want.small)
    const error = compressor.init(count)
    want.contributions.forEach((contribution, round) => {
      expect(sha(compressor.compress(signal(100 + round, count), error, error).bytes)).toBe(contribution)
    })
    expect(sha(floatBytes(error.map((value) => value + 0)))).toBe(want.residual)
  },
)

const beta = 0.9
const compressors: readonly Compressor[] = [
  ...[f32(), bf16({ beta }), f16({ beta })],
  ...[3, 8, 128].flatMap((blockSize) => [int8, int4, sign].map((make) => make({ blockSize, beta }))),
  ...[sparseLoCoRice({ chunkSize: 16, k: 3, beta }), sparseLoCoRice({ chunkSize: 4096, k: 40, beta })],
  ...[demo({ chunkSize: 8, k: 3, beta }), demo({ chunkSize: 5, k: 5, beta })],
]
const wide = fc.float({ noNaN: true, noDefaultInfinity: true, min: -(2 ** 90), max: 2 ** 90 })
const usual = fc.integer({ min: -1000, max: 1000 }).map((value) => Math.fround(value / 300))
const special = fc.constantFrom(
  0,
  -0,
  1,
  -1,
  2 ** -149,
  -(2 ** -149),
  2 ** -126,
  65_520,
  2 ** -25,
  -(2 ** 111),
)
const value = fc.oneof({ weight: 3, arbitrary: usual }, wide, special)
const vectors = fc.array(fc.tuple(value, value), { maxLength: 40 }).map((pairs) => ({
  delta: Float32Array.from(pairs, ([a]) => a),
  error: Float32Array.from(pairs, ([, b]) => b),
}))

/** Those whose e − s is a number that f32 holds; f16 below 2²⁹. */
const isExact = (name: string, accumulated: number): boolean =>
  ['f32', 'bf16', 'int8', 'int4'].includes(name) || (name === 'f16' && Math.abs(accumulated) < 2 ** 29)

test.each(compressors)(
  '$name: what is sent and what remains add up to what was accumulated',
  (compressor) => {
    const decay = compressor.name === 'f32' ? 1 : Math.fround(beta)
    fc.assert(
      fc.property(vectors, ({ delta, error }) => {
        const { bytes, residual } = compressor.compress(delta, error)
        expect(bytes.length).toBeLessThanOrEqual(compressor.maxBytes(delta.length))
        const sent = toDense(compressor.decompress(bytes, delta.length))
        expect(sent.length).toBe(delta.length)
        for (let index = 0; index < delta.length; index++) {
          const accumulated = Math.fround(Math.fround(decay * error[index]!) + delta[index]!)
          expect(residual[index]! + 0).toBe(Math.fround(accumulated - sent[index]!) + 0)
          if (isExact(compressor.name, accumulated)) {
            expect(sent[index]! + residual[index]! + 0).toBe(accumulated + 0)
          }
        }
      }),
      { numRuns: 150 },
    )
  },
)

test.each(compressors.filter(({ name }) => name !== 'demo' && name !== 'sparse-loco-rice'))(
  '$name: what was sent, compressed again, gives the same bytes and leaves nothing',
  (compressor) => {
    fc.assert(
      fc.property(vectors, ({ delta, error }) => {
        const { bytes } = compressor.compress(delta, error)
        const sent = toDense(compressor.decompress(bytes, delta.length))
        const again = compressor.compress(sent, compressor.init(sent.length))
        expect(again.bytes).toEqual(bytes)
        expect(again.residual.every((left) => left === 0)).toBe(true)
      }),
      { numRuns: 150 },
    )
  },
)

test.each([sparseLoCoRice({ chunkSize: 16, k: 3, beta }), demo({ chunkSize: 8, k: 3, beta })])(
  '$name: as well, where no value is lost beside a far larger one',
  (compressor) => {
    for (let seed = 0; seed < 100; seed++) {
      const delta = signal(seed, 40).map((value, index) => (Math.abs(value) % 1) + index / 40 + 0.1)
      const { bytes } = compressor.compress(delta, compressor.init(40))
      const sent = toDense(compressor.decompress(bytes, 40))
      expect(compressor.compress(sent, compressor.init(40)).bytes).toEqual(bytes)
    }
  },
)

test.each([
  ...[f32(), bf16({ beta: 1 }), f16({ beta: 1 }), int8(), int4(), sign()],
  ...[sparseLoCoRice({ chunkSize: 16, k: 3, beta: 1 }), demo({ chunkSize: 8, k: 1, beta: 1 })],
])(
  '$name: what is pushed every round arrives in the end, however little of it a round sends',
  (compressor) => {
    const rounds = 300
    const delta = signal(5, 64).map((value) => value % 1)
    const arrived = new Float64Array(64)
    const error = compressor.init(64)
    for (let round = 0; round < rounds; round++) {
      const sent = toDense(compressor.decompress(compressor.compress(delta, error, error).bytes, 64))
      for (let index = 0; index < 64; index++) arrived[index] = arrived[index]! + sent[index]!
    }
    const missing = arrived.map((sum, index) => sum / rounds - delta[index]!)
    expect(Math.hypot(...missing)).toBeLessThan(0.05 * Math.hypot(...delta))
  },
)

test.each(compressors)('$name: over Δ or the error feedback before as into a fresh array', (compressor) => {
  const [delta, error] = [signal(1, 1000), signal(2, 1000)]
  const fresh = compressor.compress(delta, error)
  expect(error).toEqual(signal(2, 1000))
  expect(compressor.compress(delta.slice(), error, error)).toEqual(fresh)
  error.set(signal(2, 1000))
  expect(compressor.compress(delta, error, delta)).toEqual(fresh)
  expect(error).toEqual(signal(2, 1000))
})

test.each(compressors)('$name: an update that is not finite is refused', (compressor) => {
  for (const poison of [Number.NaN, Number.POSITIVE_INFINITY, -3.4e38]) {
    const delta = Float32Array.of(0, poison, 0)
    const error = Float32Array.of(0, -3.4e38, 0)
    expect(() => compressor.compress(delta, error)).toThrow(
      expect.objectContaining({ code: 'UPDATE_NOT_FINITE' }),
    )
  }
})

test.each(compressors)('$name: zeros of either sign travel as zeros', (compressor) => {
  const zeros = new Float32Array(10).fill(-0)
  const { bytes } = compressor.compress(zeros, zeros)
  expect(bytes).toEqual(compressor.compress(new Float32Array(10), compressor.init(10)).bytes)
  expect([...toDense(compressor.decompress(bytes, 10))]).toEqual([...new Float32Array(10)])
})

test.each([int8, int4, sign])('a block too small for a scale is not sent, and remains', (make) => {
  const compressor = make({ blockSize: 4, beta: 1 })
  const tiny = Float32Array.of(-(2 ** -149), 0, 0, 2 ** -149, 0, -(2 ** -149))
  const { bytes, residual } = compressor.compress(tiny, compressor.init(6))
  expect(bytes.subarray(16).every((byte) => byte === 0)).toBe(true)
  expect(residual).toEqual(tiny)
  compressor.decompress(bytes, 6)
})

test('integers are rounded to nearest, ties to even', () => {
  const compressor = int8({ blockSize: 8, beta: 1 })
  const { bytes } = compressor.compress(
    Float32Array.of(127, 0.5, 1.5, 2.5, -0.5, -1.5, -2.5, 2.4999),
    compressor.init(8),
  )
  expect([...new Int8Array(bytes.buffer, 20)]).toEqual([127, 0, 2, 2, 0, -2, -2, 2])
})
