import fc from 'fast-check'
import { expect, test } from 'vitest'
import type { Hash } from '../protocol/ids.ts'
import { boundaryHash, segmentEnd, traceLength, traceRoot } from './trace.ts'

// The Merkle tree test vectors of Certificate Transparency (google/certificate-transparency, merkle_tree_test.cc).
const inputs = [
  '',
  '00',
  '10',
  '2021',
  '3031',
  '40414243',
  '5051525354555657',
  '606162636465666768696a6b6c6d6e6f',
]
test.each([
  [0, 'e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855'],
  [1, '6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d'],
  [2, 'fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125'],
  [3, 'aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77'],
  [4, 'd37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7'],
  [5, '4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4'],
  [6, '76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef'],
  [7, 'ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c'],
  [8, '5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328'],
])('RFC 6962 root of %i leaves', (count, expected) => {
  expect(traceRoot(inputs.slice(0, count).map((leaf): Hash => `0x${leaf}`))).toBe(`0x${expected}`)
})

test('segments end in order, none is empty, the last ends the round', () => {
  const sizes = fc.tuple(fc.integer({ min: 1, max: 16 }), fc.nat(2000))
  fc.assert(
    fc.property(sizes, ([segments, more]) => {
      const innerSteps = segments + more
      const ends = Array.from({ length: segments }, (_, segment) => segmentEnd(segment, segments, innerSteps))
      expect(ends.at(-1)).toBe(innerSteps)
      const lengths = ends.map((end, index) => end - (ends[index - 1] ?? 0))
      expect(Math.min(...lengths)).toBeGreaterThan(0)
      expect(Math.max(...lengths) - Math.min(...lengths)).toBeLessThanOrEqual(1)
    }),
  )
})

test('a trace has its segments, the local states before and after, and the contribution', () => {
  expect(traceLength(4)).toBe(7)
})

test('a boundary is its step, its vectors, and where they part', () => {
  const of = (step: number, ...vectors: number[][]) =>
    boundaryHash(
      step,
      vectors.map((vector) => Float32Array.from(vector)),
    )
  const hashes = [
    of(1, [1, 2], [3]),
    of(2, [1, 2], [3]),
    of(1, [1], [2, 3]),
    of(1, [1, 2, 3]),
    of(1, [3], [1, 2]),
    of(1, [1, 2], [-3]),
    of(1, [1, 2], [3], []),
    of(1, [0], [0]),
    of(1, [-0], [0]),
  ]
  expect(new Set(hashes).size).toBe(hashes.length)
  // A view into a larger buffer hashes as its own values.
  expect(boundaryHash(1, [Float32Array.from([9, 1, 2, 9]).subarray(1, 3), Float32Array.of(3)])).toBe(
    hashes[0],
  )
})
