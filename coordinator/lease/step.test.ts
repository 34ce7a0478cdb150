import fc from 'fast-check'
import { expect, test } from 'vitest'
import { drawsAt } from '../../protocol/random.ts'
import { leaderIndex } from '../../protocol/term.ts'
import { VirtualHeads } from './fixtures/virtual-heads.ts'
import { initialLease } from './state.ts'
import { step } from './step.ts'

const uniform = (seed: number) => {
  const draw = drawsAt(seed, 'simulation', [0, 0])
  return () => draw() / 2 ** 32
}
const everyone = () => true
const calm = (heads: number, more: Partial<ConstructorParameters<typeof VirtualHeads>[0]> = {}) =>
  new VirtualHeads({
    heads,
    random: uniform(heads),
    reaches: everyone,
    rates: Array.from({ length: 8 }, () => 1),
    chain: false,
    maxDelayMs: 40,
    ...more,
  })

test('a head of its own leads at once', () => {
  const { effects } = step(initialLease({ index: 0, heads: 1, term: 0 }, 0), { kind: 'tick' }, { now: 0 })
  expect(effects).toEqual([{ kind: 'take-lease', term: 8 }])
})

test('a head that was given no place never leads', () => {
  let state = initialLease({ index: null, heads: 0, term: 0 }, 0)
  for (let now = 0; now < 60_000; now += 100) {
    const result = step(state, { kind: 'tick' }, { now })
    state = result.state
    for (const { kind } of result.effects) expect(kind).toBe('ask')
  }
})

test('when the leader stops, the next head leads within three seconds, and the old one follows when it is back', () => {
  const cluster = calm(3)
  cluster.run(5_000)
  expect(cluster.led).toMatchObject([{ head: 0, term: 8 }])
  cluster.stop(0)
  cluster.run(8_000)
  expect(cluster.led).toHaveLength(2)
  expect(cluster.led[1]).toMatchObject({ head: 1, term: 9 })
  cluster.start(0)
  cluster.run(60_000)
  expect(cluster.led).toHaveLength(2)
  expect(cluster.heads[0]!.lease.role).toEqual({ kind: 'following', term: 9 })
})

test('a leader that is back before anybody missed it leads on, in a term of its own', () => {
  const cluster = calm(2)
  cluster.run(5_000)
  cluster.stop(0)
  cluster.run(5_600)
  cluster.start(0)
  cluster.run(20_000)
  expect(cluster.led).toMatchObject([{ term: 8 }, { head: 0, term: 16 }])
})

test('a cut between two of three heads makes them not depose each other in turns', () => {
  const cluster = calm(3, {
    reaches: (from, to, now) => now < 5_000 || now > 60_000 || from + to !== 1,
  })
  cluster.run(120_000)
  expect(cluster.led).toHaveLength(1)
  expect(cluster.leaders()).toEqual([0])
})

test('a head whose log is newer is let lead first', () => {
  const cluster = calm(3)
  cluster.run(5_000)
  // Head 1 has been behind for a while; head 2 has all.
  cluster.heads[1]!.logNext = 1
  cluster.stop(0)
  cluster.heads[1]!.logNext = 1
  cluster.run(20_000)
  expect(cluster.led[1]).toMatchObject({ head: 2, term: 10 })
  expect(cluster.led).toHaveLength(2)
})

test('a lease that comes after a higher term was heard of is not acted on', () => {
  const alone = step(initialLease({ index: 0, heads: 1, term: 8 }, 0), { kind: 'tick' }, { now: 0 })
  expect(alone.effects).toEqual([{ kind: 'take-lease', term: 16 }])
  const { state } = step(alone.state, { kind: 'term', term: 17 }, { now: 10 })
  const late = step(state, { kind: 'lease-taken', term: 16 }, { now: 20 })
  expect(late.effects).toEqual([])
  expect(late.state.role.kind).toBe('seeking')
})

test('time in which this process stood still is not taken for silence', () => {
  let state = initialLease({ index: 1, heads: 2, term: 8 }, 0)
  state = step(state, { kind: 'heard', term: 8, roundTripMs: 10 }, { now: 0 }).state
  const { effects } = step(state, { kind: 'tick' }, { now: 30_000 })
  expect(effects).toEqual([])
})

test('whatever the network and the clocks do: terms are led by one head once, and rise; healed, one leads and stays', () => {
  fc.assert(
    fc.property(
      fc.record({
        heads: fc.integer({ min: 2, max: 4 }),
        seed: fc.nat(),
        chain: fc.boolean(),
        loss: fc.double({ min: 0, max: 0.6, noNaN: true }),
        delayMs: fc.nat(400),
        rates: fc.array(fc.double({ min: 0.7, max: 1.4, noNaN: true }), { minLength: 4, maxLength: 4 }),
        /** One-way cuts: from, to, from when, how long. */
        cuts: fc.array(fc.tuple(fc.nat(3), fc.nat(3), fc.nat(40_000), fc.nat(20_000)), { maxLength: 12 }),
        crashes: fc.array(fc.tuple(fc.nat(3), fc.nat(40_000), fc.nat(10_000)), { maxLength: 6 }),
      }),
      ({ heads, seed, chain, loss, delayMs, rates, cuts, crashes }) => {
        const healedMs = 60_000
        const random = uniform(seed)
        const cluster = new VirtualHeads({
          heads,
          random,
          rates,
          chain,
          maxDelayMs: delayMs,
          reaches: (from, to, now) =>
            now >= healedMs ||
            (random() >= loss &&
              !cuts.some(([a, b, at, span]) => a === from && b === to && now >= at && now < at + span)),
        })
        const turns = crashes.flatMap(([head, at, span]) => [
          { at, act: () => cluster.stop(head % heads) },
          { at: at + span, act: () => cluster.start(head % heads) },
        ])
        for (const { at, act } of turns.toSorted((a, b) => a.at - b.at)) {
          cluster.run(at)
          act()
        }
        cluster.run(healedMs)
        for (const index of cluster.heads.keys()) cluster.start(index)
        cluster.run(healedMs + 40_000)
        const ledBefore = cluster.led.length
        cluster.run(healedMs + 100_000)

        const terms = cluster.led.map(({ term }) => term)
        expect(new Set(terms).size).toBe(terms.length)
        for (const { head, term } of cluster.led) expect(leaderIndex(term)).toBe(head)
        for (const index of cluster.heads.keys()) {
          const own = cluster.led.filter(({ head }) => head === index).map(({ term }) => term)
          expect(own).toEqual(own.toSorted((a, b) => a - b))
        }
        expect(cluster.leaders()).toHaveLength(1)
        expect(cluster.led).toHaveLength(ledBefore)
        const acted = cluster.acts.map(({ term }) => term)
        expect(acted).toEqual(acted.toSorted((a, b) => a - b))
      },
    ),
    { numRuns: 150 },
  )
}, 60_000)
