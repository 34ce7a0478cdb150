import { setImmediate as turn } from 'node:timers/promises'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { afterEach, expect, test } from 'vitest'
import { applyRound, decodeContributions } from '../apply-round.ts'
import { type Averaging, initialState } from '../averaging.ts'
import { int8 } from '../compressors/absmax.ts'
import { contribute } from '../contribute.ts'
import { outerSgd } from '../outer/sgd.ts'
import { weightedMean } from '../rules/weighted-mean.ts'
import { expectSameBits, kernels, values } from './fixtures/vectors.ts'
import { useKernels } from './kernels.ts'
import { vectorsOfRun } from './vectors-of-run.ts'

afterEach(() => useKernels(null))

const length = 10_001

test('places do not overlap, are given back once, and run out', () => {
  const places = kernels.placesFor(length, 3)!
  const [first, second, third] = [length, length - 1, length].map((size) => places.take(size))
  const { buffer } = first!
  expect([second!.buffer, third!.buffer]).toEqual([buffer, buffer])
  ;[first!, second!, third!].forEach((vector, index) => {
    vector.fill(index + 1)
  })
  expect(new Set(first)).toEqual(new Set([1]))
  expect(new Set(second)).toEqual(new Set([2]))
  expect(second!.length).toBe(length - 1)
  const fourth = places.take(length)
  expect(fourth.buffer).not.toBe(buffer)
  places.release(fourth)
  expect(places.take(length).buffer).not.toBe(buffer)
  places.release(second!)
  places.release(second!)
  expect(places.take(length).byteOffset).toBe(second!.byteOffset)
  expect(places.take(length).buffer).not.toBe(buffer)
})

test('what is longer than a place, or empty, lies elsewhere', () => {
  const places = kernels.placesFor(length, 1)!
  expect(places.take(length + 1).length).toBe(length + 1)
  expect(places.take(0).length).toBe(0)
  expect(places.take(length).buffer.byteLength).toBeGreaterThan(4 * length)
})

test('more than a linear memory can have is not to be had', () => {
  expect(kernels.placesFor(1.1e9, 1)).toBeNull()
  expect(kernels.placesFor(3e8, 4)).toBeNull()
})

test('the largest memory can be used up to its end', () => {
  const places = kernels.placesFor(2 ** 29 - 2 ** 20, 2)!
  places.take(8)
  const last = places.take(2 ** 29 - 2 ** 20)
  const end = last.subarray(-5000)
  end.fill(1.5)
  expect(kernels.allFinite(end)).toBe(true)
  end[4999] = Number.NaN
  expect(kernels.allFinite(end)).toBe(false)
})

test('a place whose vector nobody can reach is used again', async () => {
  setFlagsFromString('--expose-gc')
  const collect = runInNewContext('gc') as () => void
  const places = kernels.placesFor(length, 1)!
  const isPlaced = (vector: Float32Array) => vector.buffer.byteLength > vector.byteLength
  expect(isPlaced(places.take(length))).toBe(true)
  let kept = places.take(length)
  for (let tries = 0; tries < 50 && !isPlaced(kept); tries++) {
    collect()
    await turn()
    kept = places.take(length)
  }
  expect(isPlaced(kept)).toBe(true)
  collect()
  await turn()
  expect(isPlaced(places.take(length))).toBe(false)
  expect(kept.length).toBe(length)
})

test('the vectors of a run lie where the kernels work on them once there are kernels, and large ones', () => {
  const vectors = vectorsOfRun()
  const isFresh = (vector: Float32Array) => vector.buffer.byteLength === vector.byteLength
  expect(isFresh(vectors.take(length))).toBe(true)
  useKernels(kernels)
  expect(isFresh(vectors.take(100))).toBe(true)
  const three = [1, 2, 3].map(() => vectors.take(length))
  expect(three.map(isFresh)).toEqual([false, false, false])
  expect(isFresh(vectors.take(length))).toBe(true)
  vectors.release(three[1]!)
  expect(vectors.take(length).byteOffset).toBe(three[1]!.byteOffset)
})

test('a compressor gives the same wherever its vectors lie', () => {
  const [delta, residual] = [values(1, length, 'noise'), values(2, length, 'noise')]
  const wanted = int8().compress(delta, residual)
  useKernels(kernels)
  const vectors = vectorsOfRun()
  const [there, into] = [vectors.take(length), vectors.take(length)]
  there.set(delta)
  const found = int8().compress(there, residual, into)
  expectSameBits(found.bytes, wanted.bytes)
  expectSameBits(into, wanted.residual)
})

test('a round of a worker has the same bytes wherever its vectors lie: its error feedback takes the place of Δ, and the mean is given back', () => {
  const [theta, end, errorFeedback] = [1, 2, 3].map((seed) => values(seed, length, 'noise'))
  const parts = { compressor: int8(), rule: weightedMean, outer: outerSgd(0.7), fragments: 1, eager: false }
  const round = (averaging: Averaging) => {
    const kept = { errorFeedback: errorFeedback!, drift: null }
    const sent = contribute(theta!, end!, kept, 0, averaging)
    const updates = decodeContributions(averaging, 0, length, [{ bytes: sent.bytes, tokens: 1 }])
    return { ...sent, ...applyRound(initialState(theta!, averaging), updates, averaging, 0) }
  }
  const wanted = round(parts)
  useKernels(kernels)
  const vectors = vectorsOfRun()
  const found = round({ ...parts, vectors })
  expect(found.stateRoot).toBe(wanted.stateRoot)
  expectSameBits(found.bytes, wanted.bytes)
  expectSameBits(found.errorFeedback, wanted.errorFeedback)
  const { buffer } = found.errorFeedback
  expect(found.state.theta.buffer).not.toBe(buffer)
  expect([1, 2, 3].map(() => vectors.take(length).buffer === buffer)).toEqual([true, true, false])
})
