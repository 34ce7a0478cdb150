import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { normOf, toDense, type Update } from '../update.ts'
import { centeredClipping } from './centered-clipping.ts'
import { geometricMedian } from './geometric-median.ts'
import { squaredDistances } from './inner-products.ts'
import { krum, krumScores, multiKrum } from './krum.ts'
import { median } from './median.ts'
import type { Rule, WeightedUpdate } from './rule.ts'
import { trimmedMean } from './trimmed-mean.ts'
import { weightedMean } from './weighted-mean.ts'

const faulty = 0.25
const robust: readonly Rule[] = [
  trimmedMean(faulty),
  median,
  krum(faulty),
  multiKrum(faulty),
  geometricMedian(),
  centeredClipping(),
]
const rules = [weightedMean, ...robust]

const dense = (...values: number[]): Update => ({
  kind: 'dense',
  parameterCount: values.length,
  values: Float32Array.from(values),
})

const sparse = (parameterCount: number, entries: Record<number, number>): Update => ({
  kind: 'sparse',
  parameterCount,
  indices: Uint32Array.from(Object.keys(entries), Number),
  values: Float32Array.from(Object.values(entries)),
})

const each = (updates: readonly Update[], tokens = 64): WeightedUpdate[] =>
  updates.map((update) => ({ update, tokens }))

function aggregate(rule: Rule, updates: readonly WeightedUpdate[]): Float32Array {
  const { parameterCount } = updates[0]!.update
  const state = Array.from({ length: rule.vectors }, () => new Float32Array(parameterCount))
  return rule.aggregate(updates, parameterCount, state)
}

const value = fc.integer({ min: -1000, max: 1000 }).map((integer) => integer / 64)
const parameterCount = 12

/** Sparse and dense ones, as a round never mixes them but a rule may. */
const anUpdate = fc.oneof(
  fc.array(value, { minLength: parameterCount, maxLength: parameterCount }).map((values) => dense(...values)),
  fc
    .uniqueArray(fc.tuple(fc.nat(parameterCount - 1), value), {
      minLength: 1,
      maxLength: 5,
      selector: ([index]) => index,
    })
    .map((entries) => sparse(parameterCount, Object.fromEntries(entries))),
)
const round = fc.array(fc.record({ update: anUpdate, tokens: fc.integer({ min: 1, max: 9999 }) }), {
  minLength: 1,
  maxLength: 9,
})

describe.each(rules)('$name', (rule) => {
  test('one member alone, or all of one mind: their update', () => {
    const update = sparse(4, { 1: 3, 3: -2 })
    for (const members of [1, 2, 3, 8]) {
      const result = aggregate(rule, each(Array.from({ length: members }, () => update)))
      expect([...result]).toEqual([0, 3, 0, -2].map((wanted) => expect.closeTo(wanted, 5)))
    }
  })

  // The geometric median finds its weights another way where updates are sparse: sparse-products.test.ts.
  test.skipIf(rule.name === 'geometric-median')('the same updates sparse or dense, the same bytes', () => {
    fc.assert(
      fc.property(round, (updates) => {
        const spelledOut = updates.map(({ update, tokens }) => ({
          update: dense(...toDense(update)),
          tokens,
        }))
        expect(aggregate(rule, spelledOut)).toEqual(aggregate(rule, updates))
      }),
      { numRuns: 60 },
    )
  })

  test('in another order, the same but for rounding', () => {
    const shuffled = round.chain((updates) =>
      fc.tuple(fc.constant(updates), fc.shuffledSubarray(updates, { minLength: updates.length })),
    )
    fc.assert(
      fc.property(shuffled, ([updates, others]) => {
        fc.pre(!rule.name.endsWith('krum') || hasDistinctScores(updates))
        const scale = Math.max(...updates.map(({ update }) => normOf(update)))
        const [a, b] = [aggregate(rule, updates), aggregate(rule, others)]
        for (let index = 0; index < a.length; index++) {
          expect(Math.abs(a[index]! - b[index]!)).toBeLessThanOrEqual(1e-3 * scale)
        }
      }),
      { numRuns: 60 },
    )
  })

  test('the updates are left as they were', () => {
    const updates = each([dense(1, 2, 3), dense(4, -5, 6), dense(2, 2, 2)])
    const before = structuredClone(updates)
    aggregate(rule, updates)
    expect(updates).toEqual(before)
  })

  test('all zeros give zeros', () => {
    expect([...aggregate(rule, each([dense(0, 0), dense(0, 0), dense(0, 0)]))]).toEqual([0, 0])
  })
})

/** Of equal scores the first in manifest order wins, so only distinct ones are free of order. */
function hasDistinctScores(updates: readonly WeightedUpdate[]): boolean {
  const count = updates.length
  const faults = Math.max(0, Math.min(Math.floor(faulty * count), Math.floor((count - 3) / 2)))
  const scores = krumScores(updates, parameterCount, faults).sort((a, b) => a - b)
  return scores.every((score, rank) => rank === 0 || score - scores[rank - 1]! > 1e-6 * score)
}

const anywhere = fc.record({
  scale: fc.constantFrom(-1e6, -1000, -30, 30, 1000, 1e6),
  shape: fc.array(fc.integer({ min: -8, max: 8 }), { minLength: 4, maxLength: 4 }),
})

test.each(robust)('$name: 2 of 8 cannot carry it away, wherever they are', (rule) => {
  const honest = [0, 1, 2, 3, 4, 5].map((seed) => dense(1 + seed / 50, 1 - seed / 50, 1, 1 + (seed % 2) / 50))
  fc.assert(
    fc.property(anywhere, anywhere, (one, other) => {
      const attackers = [one, other].map(({ scale, shape }) =>
        dense(...shape.map((part) => part * Math.abs(scale) + scale)),
      )
      const result = aggregate(rule, each([...honest, ...attackers]))
      for (const value of result) expect(Math.abs(value - 1)).toBeLessThan(1)
    }),
  )
})

test('the mean is carried away by one', () => {
  const result = aggregate(weightedMean, each([dense(1), dense(1), dense(1), dense(-1e6)]))
  expect(result[0]).toBeLessThan(-1000)
})

test('trimmed mean and median, by hand', () => {
  const updates = each([dense(1, -9), dense(2, 0), dense(30, 1), dense(4, 2)])
  expect([...aggregate(trimmedMean(0.25), updates)]).toEqual([3, 0.5])
  expect([...aggregate(median, updates)]).toEqual([3, 0.5])
  expect([...aggregate(median, updates.slice(1))]).toEqual([4, 1])
})

test('what a coordinate rule does to sparse updates: a coordinate named by a minority stands still', () => {
  const updates = each([sparse(3, { 0: 4 }), sparse(3, { 0: 4, 1: 4 }), sparse(3, { 0: 4, 2: 4 })])
  expect([...aggregate(median, updates)]).toEqual([4, 0, 0])
})

test('Krum takes the update in the middle of the crowd, multi-Krum the crowd by its tokens', () => {
  const updates = [0, 1, 2, 3, 100].map((at, index) => ({ update: dense(at), tokens: index + 1 }))
  const scores = krumScores(updates, 1, 1)
  expect(scores).toEqual([1 + 4, 1 + 1, 1 + 1, 1 + 4, 97 ** 2 + 98 ** 2])
  expect([...aggregate(krum(0.2), updates)]).toEqual([1])
  expect(aggregate(multiKrum(0.2), updates)[0]).toBeCloseTo((0 * 1 + 1 * 2 + 2 * 3 + 3 * 4) / 10, 6)
})

test('distances of sparse updates', () => {
  const updates = [sparse(5, { 0: 3, 4: 1 }), sparse(5, { 0: 1, 2: 2 }), dense(0, 0, 0, 0, 0)]
  expect([...squaredDistances(updates, 5)]).toEqual([0, 9, 10, 9, 0, 5, 10, 5, 0])
})

test('the geometric median minimizes the distances', () => {
  const updates = each([dense(0, 0), dense(4, 0), dense(0, 3)])
  const [x, y] = aggregate(geometricMedian(200), updates) as unknown as [number, number]
  // The triangle's Fermat point: where the lines from corners to the equilateral triangles outside meet.
  expect([x, y]).toEqual([expect.closeTo(0.6958, 3), expect.closeTo(0.7513, 3)])
})

test('a member with most of the tokens counts by them and does not take the round', () => {
  const updates = [
    { update: dense(1, 0, 0), tokens: 8 },
    { update: dense(0, 1, 0), tokens: 1 },
    { update: dense(0, 0, 1), tokens: 1 },
  ]
  expect([...aggregate(geometricMedian(), updates)]).toEqual(
    [0.8, 0.1, 0.1].map((share) => expect.closeTo(share, 6)),
  )
})

test('centered clipping moves its centre by at most the usual distance a member, and keeps it', () => {
  const state = [Float32Array.of(0, 0)]
  const updates = each([dense(1, 0), dense(1, 0), dense(100, 0)])
  expect([...centeredClipping().aggregate(updates, 2, state)]).toEqual([1, 0])
  expect([...state[0]!]).toEqual([1, 0])
  const next = centeredClipping({ radius: 2 }).aggregate(
    each([dense(3, 0), dense(2, 0), dense(101, 0)]),
    2,
    state,
  )
  expect(next[0]).toBeCloseTo(1 + (2 + 1 + 4) / 3, 6)
  expect(next).toEqual(state[0])
  expect(next).not.toBe(state[0])
})
