import fc from 'fast-check'
import { afterEach, expect, test } from 'vitest'
import { sign } from '../compressors/sign.ts'
import { kernels, values } from '../kernels/fixtures/vectors.ts'
import { useKernels } from '../kernels/kernels.ts'
import { signsOf } from '../sign-update.ts'
import { normOf, toDense, type Update } from '../update.ts'
import { geometricMedian } from './geometric-median.ts'
import { innerProduct } from './inner-products.ts'
import { signProducts } from './sign-products.ts'

afterEach(() => useKernels(null))

const signUpdate = (seed: number, length: number, blockSize: number): Update => {
  const compressor = sign({ blockSize, beta: 1 })
  const { bytes } = compressor.compress(values(seed, length, 'noise'), new Float32Array(length))
  return compressor.decompress(bytes, length)
}

const blockSize = fc.oneof(fc.integer({ min: 1, max: 300 }), fc.constantFrom(128, 4096))
const length = fc.oneof(fc.integer({ min: 1, max: 700 }), fc.constantFrom(4096, 12_289, 40_003))

test('products of signs: those of their values, and of the kernel to the bit', () => {
  fc.assert(
    fc.property(
      fc.nat(),
      length,
      blockSize,
      fc.integer({ min: 1, max: 7 }),
      (seed, length, blockSize, count) => {
        const updates = Array.from({ length: count }, (_, member) =>
          signUpdate(seed + member, length, blockSize),
        )
        const signs = signsOf(updates)!
        const products = signProducts(signs)
        for (const [row, a] of updates.entries()) {
          for (const [column, b] of updates.entries()) {
            const wanted = innerProduct(toDense(a), {
              kind: 'dense',
              parameterCount: length,
              values: toDense(b),
            })
            const found = products[row * count + column]!
            expect(Math.abs(found - wanted)).toBeLessThanOrEqual(1e-9 * normOf(a) * normOf(b))
            expect(found).toBe(products[column * count + row])
          }
          expect(normOf(a)).toBe(Math.sqrt(products[row * count + row]!))
        }
        const byKernel = new Float64Array(count * count)
        expect(kernels.signProducts(signs, byKernel)).toBe(true)
        for (let row = 0; row < count; row++) {
          const fromDiagonal = [row * count + row, (row + 1) * count] as const
          expect(byKernel.subarray(...fromDiagonal)).toEqual(products.subarray(...fromDiagonal))
        }
      },
    ),
    { numRuns: 60 },
  )
})

test('the geometric median of signs is that of their values, with kernels and without, asked for values or not', () => {
  const length = 20_001
  const members = Array.from({ length: 9 }, (_, seed) => {
    const update = signUpdate(seed, length, 4096)
    return { update, tokens: 100 + 31 * seed }
  })
  const plain = members.map(({ update, tokens }): { update: Update; tokens: number } => ({
    update: { kind: 'dense', parameterCount: length, values: toDense(update).slice() },
    tokens,
  }))
  const rule = geometricMedian()
  const wanted = rule.aggregate(plain, length, [])
  const found = rule.aggregate(members, length, [])
  for (let index = 0; index < length; index++) expect(found[index]).toBeCloseTo(wanted[index]!, 5)
  useKernels(kernels)
  const fresh = members.map(({ tokens }, seed) => ({ update: signUpdate(seed, length, 4096), tokens }))
  expect(Buffer.from(rule.aggregate(fresh, length, []).buffer).equals(Buffer.from(found.buffer))).toBe(true)
})

test('updates of other kinds, and of blocks that differ, are no signs', () => {
  const dense: Update = { kind: 'dense', parameterCount: 3, values: new Float32Array(3) }
  expect(signsOf([signUpdate(1, 300, 128), dense])).toBeNull()
  expect(signsOf([signUpdate(1, 300, 128), signUpdate(1, 300, 64)])).toBeNull()
  expect(signsOf([])).toBeNull()
})
