import { createHash } from 'node:crypto'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { contributionBytes } from './contribution-format.ts'
import golden from './fixtures/sparse-loco.json' with { type: 'json' }
import { floatBytes } from './float-bytes.ts'
import { outerSgd } from './outer/sgd.ts'
import { weightedMean } from './rules/weighted-mean.ts'
import { sparseLoCo } from './sparse-loco.ts'
import { stateRoot } from './state-root.ts'
import { type SparseUpdate, toDense } from './update.ts'

const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex')
const sha = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex')

/** The input of fixtures/sparse-loco.py. */
function signal(seed: number, length: number): Float32Array {
  let x = seed
  return Float32Array.from({ length }, (_, index) => {
    x = (Math.imul(x, 1664525) + 1013904223) >>> 0
    const v = ((x >>> 8) - 2 ** 23) / 2 ** 23
    return index % 7 === 0 ? [0, 0.75, -0.75][(x >>> 30) % 3]! : Math.fround(Math.fround(v * v) * v)
  })
}

test('a small contribution, byte by byte as numpy computes it', () => {
  const compressor = sparseLoCo({ chunkSize: 8, k: 3, beta: 0.95 })
  const { bytes, residual } = compressor.compress(signal(3, 10), compressor.init(10))
  expect(hex(bytes)).toBe(golden.small.bytes)
  expect(hex(floatBytes(residual))).toBe(golden.small.residual)
})

test('three rounds of three workers have the bytes and state roots that numpy computes', () => {
  const compressor = sparseLoCo()
  const parameterCount = 10_000
  const theta = signal(99, parameterCount)
  const errors = [0, 1, 2].map(() => compressor.init(parameterCount))
  const tokens = [640, 1280, 960]
  golden.rounds.forEach((expected, round) => {
    const updates = errors.map((error, worker) => {
      const delta = signal(1000 * round + worker, parameterCount)
      const { bytes } = compressor.compress(delta, error, error)
      expect(sha(bytes)).toBe(expected.contributions[worker])
      return { update: compressor.decompress(bytes, parameterCount), tokens: tokens[worker]! }
    })
    outerSgd(0.7).apply(theta, weightedMean.aggregate(updates, parameterCount, []), [], round)
    expect(stateRoot({ theta, vectors: [] })).toBe(expected.stateRoot)
  })
  expect(errors.map((error) => sha(floatBytes(error)))).toEqual(golden.errors)
})

const layout = fc
  .record({ chunkSize: fc.integer({ min: 1, max: 40 }), k: fc.integer({ min: 1, max: 40 }) })
  .map(({ chunkSize, k }) => ({ chunkSize, k: Math.min(k, chunkSize), beta: 0.9 }))
const finite = fc.float({ noNaN: true, noDefaultInfinity: true, min: -(2 ** 100), max: 2 ** 100 })
const tied = fc.constantFrom(0, -0, 1, -1, 0.5, 1e-45, -1e-45)
const vectors = fc
  .array(fc.tuple(fc.oneof(finite, tied), fc.oneof(finite, tied)), { minLength: 0, maxLength: 100 })
  .map((pairs) => ({
    delta: Float32Array.from(pairs, ([a]) => a),
    error: Float32Array.from(pairs, ([, b]) => b),
  }))

test('what is sent and what remains add up, and the largest are what is sent', () => {
  fc.assert(
    fc.property(layout, vectors, (config, { delta, error }) => {
      const compressor = sparseLoCo(config)
      const count = delta.length
      const { bytes, residual } = compressor.compress(delta, error)
      expect(bytes.length).toBe(contributionBytes(config, count))
      const sent = compressor.decompress(bytes, count) as SparseUpdate
      const isSent = new Set(sent.indices)
      const dense = toDense(sent)
      for (let index = 0; index < count; index++) {
        const accumulated = Math.fround(Math.fround(Math.fround(0.9) * error[index]!) + delta[index]!)
        // Not selected: everything remains, to the bit. Selected: the difference, rounded to f32 once.
        const remains = isSent.has(index) ? Math.fround(accumulated - dense[index]!) : accumulated
        expect(residual[index]).toBe(remains)
      }
      for (let start = 0; start < count; start += config.chunkSize) {
        const places = Array.from({ length: Math.min(config.chunkSize, count - start) }, (_, i) => start + i)
        const size = (i: number): number =>
          Math.abs(Math.fround(Math.fround(Math.fround(0.9) * error[i]!) + delta[i]!))
        const wanted = [...places].sort((a, b) => size(b) - size(a) || a - b).slice(0, config.k)
        expect(places.filter((i) => isSent.has(i))).toEqual(wanted.sort((a, b) => a - b))
      }
    }),
    { numRuns: 300 },
  )
})

test('compressing over Δ or the error feedback before gives the same as into a fresh array', () => {
  const compressor = sparseLoCo({ chunkSize: 64, k: 5, beta: 0.5 })
  const [delta, error] = [signal(1, 1000), signal(2, 1000)]
  const fresh = compressor.compress(delta, error)
  expect(error).toEqual(signal(2, 1000))
  expect(compressor.compress(delta.slice(), error, error)).toEqual(fresh)
  error.set(signal(2, 1000))
  expect(compressor.compress(delta, error, delta)).toEqual(fresh)
  expect(error).toEqual(signal(2, 1000))
})

test('equal magnitudes, zeros, and a magnitude that rounds to zero are written canonically', () => {
  const compressor = sparseLoCo({ chunkSize: 4, k: 4, beta: 0 })
  const send = (...values: number[]): number[] => {
    const { bytes } = compressor.compress(Float32Array.from(values), compressor.init(values.length))
    return [...compressor.decompress(bytes, values.length).values]
  }
  expect(send(0.1, -0.1, 0.1, -0.1).map((value) => value / Math.fround(0.1))).toEqual([1, -1, 1, -1])
  expect(send(0, -0, 0, 0)).toEqual([0, 0, 0, 0])
  expect(send(1, -(2 ** -149), 0, 0)).toEqual([1, 0, 0, 0])
  const above = 1 + 2 ** -23
  expect(send(1, above, -1, -above)).toEqual([1, above, -1, -above])
})

test.each([Number.NaN, Number.POSITIVE_INFINITY, 3.4e38])('an update with %d is refused', (poison) => {
  const compressor = sparseLoCo({ chunkSize: 4, k: 1, beta: 1 })
  const delta = Float32Array.of(0, poison, 0)
  expect(() => compressor.compress(delta, Float32Array.of(0, 3.4e38, 0))).toThrow(
    expect.objectContaining({ code: 'UPDATE_NOT_FINITE' }),
  )
})
