import fc from 'fast-check'
import { afterEach, expect, test } from 'vitest'
import { packBf16, roundAndPackBf16, unpackBf16 } from '../bf16.ts'
import { contributionBytes, headerBytes } from '../contribution-format.ts'
import { outerSgd } from '../outer/sgd.ts'
import { pseudoGradient, pseudoGradientBothWays } from '../pseudo-gradient.ts'
import { weightedMean } from '../rules/weighted-mean.ts'
import { sparseLoCo } from '../sparse-loco.ts'
import {
  expectSameBits,
  kernels,
  kindOf,
  laid,
  length,
  lift,
  pair,
  seed,
  updateOf,
  values,
  vector,
  where,
} from './fixtures/vectors.ts'
import { kernelEngine, kernelsFor, useKernels } from './kernels.ts'
import { loadKernels } from './load.ts'

afterEach(() => useKernels(null))

test('the weighted sum of sparse and dense updates, in their order', () => {
  const kinds = fc.array(kindOf, { minLength: 1, maxLength: 40 })
  fc.assert(
    fc.property(seed, length, kinds, where, (seed, parameterCount, kinds, where) => {
      const updates = kinds.map((kind, index) => {
        const update = updateOf(seed + index, parameterCount, kind, 'noise')
        const [values] = laid(where & ~index, update.values)
        return {
          update: update.kind === 'dense' ? { ...update, values } : update,
          tokens: 1 + ((seed + index) % 1000),
        }
      })
      const wanted = weightedMean.aggregate(updates, parameterCount, [])
      const total = updates.reduce((sum, { tokens }) => sum + tokens, 0)
      const [found] = laid(where >> 1, new Float32Array(parameterCount).fill(5))
      kernels.weightedSum(
        found,
        updates.map(({ update, tokens }) => ({ update, weight: Math.fround(tokens / total) })),
      )
      expectSameBits(found, wanted)
      lift()
    }),
    { numRuns: 60 },
  )
})

test('differences, outer steps and their aliases', () => {
  fc.assert(
    fc.property(pair, fc.constantFrom(1, 0.7, 2 ** -120), where, ([first, second], alpha, where) => {
      const wanted = pseudoGradient(first, second, new Float32Array(first.length))
      const [start, end, into] = laid(where, first, second, second)
      kernels.difference(start, end, into)
      expectSameBits(into, wanted)
      kernels.difference(start, end, end)
      expectSameBits(end, wanted)
      const theta = first.slice()
      outerSgd(alpha).apply(theta, second, [], 0)
      const [stepped, delta] = laid(where, first, second)
      kernels.descend(stepped, delta, Math.fround(alpha))
      expectSameBits(stepped, theta)
      lift()
    }),
  )
})

test('a difference with its negative, and a sum, with their aliases', () => {
  fc.assert(
    fc.property(pair, where, ([first, second], where) => {
      const [wanted, back] = [new Float32Array(first.length), new Float32Array(first.length)]
      pseudoGradientBothWays(first, second, wanted, back)
      expectSameBits(wanted, pseudoGradient(first, second, new Float32Array(first.length)))
      const [start, end, into] = laid(where, first, second, second)
      const [negative] = laid(where >> 1, second)
      kernels.differenceBothWays(start, end, into, negative)
      expectSameBits(into, wanted)
      expectSameBits(negative, back)
      expectSameBits(start, first)
      expectSameBits(end, second)
      kernels.differenceBothWays(start, end, start, end)
      expectSameBits(start, wanted)
      expectSameBits(end, back)
      const total = first.map((value, index) => value + second[index]!)
      const [one, other, sum] = laid(where, first, second, second)
      kernels.sum(one, other, sum)
      expectSameBits(sum, total)
      kernels.sum(one, other, other)
      expectSameBits(other, total)
      lift()
    }),
  )
})

test('error feedback is accumulated, and said to be within a bound or not', () => {
  fc.assert(
    fc.property(
      pair,
      fc.constantFrom(0, 0.95, 1),
      fc.option(fc.nat()),
      where,
      (pair, decay, place, where) => {
        const [delta, residual, into] = laid(where, ...pair, new Float32Array(pair[0].length))
        const beta = Math.fround(decay)
        const wanted = delta.map((value, index) => Math.fround(beta * residual[index]!) + value)
        const largest = wanted.reduce((most, value) => Math.max(most, Math.abs(value)), 0)
        expect(kernels.accumulate(delta, residual, beta, into, largest)).toBe(true)
        expectSameBits(into, wanted)
        if (largest > 0) {
          expect(kernels.accumulate(delta, residual, beta, into, largest / 2)).toBe(false)
          if (place !== null) delta[place % delta.length] = Number.NaN
          expect(kernels.accumulate(delta, residual, beta, residual, largest)).toBe(place === null)
        }
        lift()
      },
    ),
  )
})

test('bf16 of every kind of bits', () => {
  const bits = fc.oneof(
    fc.uint32Array({ maxLength: 70 }),
    fc.uint32Array({ min: 0x7f7fff00, max: 0x7fc00100 }),
  )
  const check = (values: Float32Array, where: number) => {
    const [input, unpacked, rounded] = laid(where, values, new Float32Array(values.length), values)
    const packed = new Uint8Array(2 * input.length)
    kernels.packBf16(input, packed)
    expectSameBits(packed, packBf16(values))
    kernels.unpackBf16(packed, unpacked)
    expectSameBits(unpacked, unpackBf16(packed))
    const wanted = values.slice()
    const [bytes, wantedBytes] = [new Uint8Array(packed.length), new Uint8Array(packed.length)]
    kernels.roundAndPackBf16(rounded, bytes)
    roundAndPackBf16(wanted, wantedBytes)
    expectSameBits(rounded, wanted)
    expectSameBits(bytes, wantedBytes)
    expectSameBits(bytes, packed)
    lift()
  }
  fc.assert(
    fc.property(bits, where, (bits, where) => check(new Float32Array(bits.buffer, 0, bits.length), where)),
  )
  fc.assert(fc.property(vector, where, check))
})

test('one value that is not finite is found wherever it is', () => {
  const poison = fc.constantFrom(Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY)
  const layout = { chunkSize: 50, k: 3 }
  fc.assert(
    fc.property(vector, fc.nat(), poison, where, (values, place, poison, where) => {
      const zeros = new Float32Array(values.length)
      const [input, residual, into] = laid(where, values, zeros, zeros)
      const compress = () =>
        kernels.compressChunks(
          input,
          residual,
          into,
          1,
          layout,
          new Uint8Array(contributionBytes(layout, input.length) - headerBytes),
        )
      expect(kernels.allFinite(input)).toBe(true)
      expect(compress()).toBe(true)
      if (input.length > 0) {
        input[place % input.length] = poison
        expect(kernels.allFinite(input)).toBe(false)
        expect(compress()).toBe(false)
      }
      lift()
    }),
  )
})

test('once in use, the kernels compute what the plain code computes, of large vectors only', () => {
  const [delta, residual] = [values(1, 10_000, 'noise'), values(2, 10_000, 'ties')]
  const compressor = sparseLoCo()
  const round = () => {
    const { bytes } = compressor.compress(delta, residual)
    const left = residual.slice()
    compressor.compress(delta, left, left)
    const update = compressor.decompress(bytes, delta.length)
    const theta = weightedMean.aggregate([{ update, tokens: 3 }], delta.length, [])
    outerSgd(0.7).apply(theta, pseudoGradient(delta, residual, new Float32Array(delta.length)), [], 0)
    const rounded = new Uint8Array(2 * theta.length)
    roundAndPackBf16(theta, rounded)
    return [bytes, left, theta, rounded, packBf16(theta), unpackBf16(packBf16(theta))]
  }
  const plain = round()
  expect([kernelEngine(), kernelsFor(1_000_000)]).toEqual(['plain', null])
  useKernels(kernels)
  expect([kernelEngine(), kernelsFor(100), kernelsFor(4096)]).toEqual(['wasm-simd', null, kernels])
  round().forEach((found, index) => {
    expectSameBits(found, plain[index]!)
  })
  const { bytes } = compressor.compress(delta, residual)
  bytes.fill(0xff, headerBytes)
  expect(() => compressor.decompress(bytes, delta.length)).toThrow(
    expect.objectContaining({ code: 'CONTRIBUTION_MALFORMED' }),
  )
  expect(() => compressor.decompress(bytes, delta.length + 1)).toThrow(/parameters where/)
  delta[9_999] = Number.NaN
  expect(() => compressor.compress(delta, residual)).toThrow(
    expect.objectContaining({ code: 'UPDATE_NOT_FINITE' }),
  )
})

test('loading puts them in use', async () => {
  expect(await loadKernels()).toEqual({ engine: 'wasm-simd' })
  expect(kernelEngine()).toBe('wasm-simd')
})
