import fc from 'fast-check'
import { expect, test } from 'vitest'
import { type SparseUpdate, toDense, type Update } from '../update.ts'
import { geometricMedian } from './geometric-median.ts'
import { innerProduct } from './inner-products.ts'
import { sparseProducts } from './sparse-products.ts'

const entry = fc.tuple(fc.nat({ max: 9_999 }), fc.float({ min: -1e3, max: 1e3, noNaN: true }))

const sparse = fc
  .uniqueArray(entry, { selector: ([index]) => index, maxLength: 300 })
  .map((entries): SparseUpdate => {
    const sorted = entries.toSorted(([a], [b]) => a - b)
    const indices = Uint32Array.from(sorted, ([index]) => index)
    return {
      ...{ kind: 'sparse', parameterCount: 10_000, indices },
      values: Float32Array.from(sorted, ([, value]) => value),
    }
  })

test('products of updates that name their places are those of their vectors, to the bit', () => {
  fc.assert(
    fc.property(fc.array(sparse, { minLength: 1, maxLength: 5 }), (updates) => {
      const products = sparseProducts(updates)
      for (const [row, a] of updates.entries()) {
        for (const [column, b] of updates.entries())
          expect(products[row * updates.length + column]! + 0).toBe(innerProduct(toDense(a), b) + 0)
      }
    }),
    { numRuns: 60 },
  )
})

test('their geometric median is that of their vectors', () => {
  fc.assert(
    fc.property(fc.array(sparse, { minLength: 2, maxLength: 6 }), (updates) => {
      const of = (each: readonly Update[]) =>
        geometricMedian().aggregate(
          each.map((update, index) => ({ update, tokens: 10 + index })),
          10_000,
          [],
        )
      const dense = updates.map((update): Update => {
        return { kind: 'dense', parameterCount: 10_000, values: toDense(update) }
      })
      const [found, wanted] = [of(updates), of(dense)]
      const largest = wanted.reduce((most, value) => Math.max(most, Math.abs(value)), 1e-30)
      for (let index = 0; index < wanted.length; index++)
        expect(Math.abs(found[index]! - wanted[index]!)).toBeLessThanOrEqual(1e-4 * largest)
    }),
    { numRuns: 40 },
  )
})
