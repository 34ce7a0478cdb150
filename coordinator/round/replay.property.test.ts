import fc from 'fast-check'
import { is } from 'immutable'
import { expect, test } from 'vitest'
import { aRun, cidOf, hashOf, peer } from '../../protocol/fixtures/names.ts'
import type { WorkerId } from '../../protocol/ids.ts'
import { leaderIndex, nextTerm } from '../../protocol/term.ts'
import type { GossipBody } from '../../protocol/wire.ts'
import { deepFreeze } from '../../test/fixtures/deep-freeze.ts'
import { heads, manifestCid, nextRoot, rules, workOf } from './fixtures/virtual-head.ts'
import { initialRoundState, isOver, type RoundEvent, type RoundState } from './state.ts'
import { step } from './step.ts'

/**
 * What may happen next, drawn before the state is known: `make` turns it into an event that makes sense there, or not.
 * Half of the draws are nonsense: strangers, other rounds and terms, answers that nobody asked for.
 */
type Make = (state: RoundState) => RoundEvent | null
const workers = [1, 2, 3, 4, 5].map(peer)
const worker = fc.constantFrom(...workers)
const round = fc.integer({ min: 0, max: 6 })
const sent = (author: WorkerId, body: GossipBody, term: number): RoundEvent => ({
  kind: 'message',
  author,
  message: { run: aRun, term, body },
})

const workOfMember = (state: RoundState, author: WorkerId) =>
  workOf(author, state.round, state.members.get(author)?.localState ?? rules.emptyLocalState)

const honest: fc.Arbitrary<Make> = fc.oneof(
  worker.map(
    (author): Make =>
      (state) =>
        sent(author, workOfMember(state, author).commit, state.term),
  ),
  worker.map(
    (author): Make =>
      (state) =>
        sent(author, workOfMember(state, author).reveal, state.term),
  ),
  worker.map(
    (author): Make =>
      ({ round, stateRoot, term }) =>
        sent(
          author,
          { kind: 'stateRoot', round: Math.max(0, round - 1), root: stateRoot, checkpoint: null },
          term,
        ),
  ),
  fc.tuple(worker, fc.boolean()).map(
    ([author, fresh]): Make =>
      () => ({ kind: 'join', worker: author, fresh }),
  ),
  worker.map(
    (author): Make =>
      (state) => ({ kind: 'ready', worker: author, round: state.round }),
  ),
  fc.constant<Make>((state) => {
    if (state.phase.kind !== 'aggregate') return null
    const { admissible, closesEpoch } = state.phase
    const stateRoot = admissible.length === 0 ? state.stateRoot : nextRoot(state.stateRoot, admissible)
    const checkpoint = closesEpoch ? cidOf('checkpoint') : null
    return {
      kind: 'aggregated',
      round: state.round,
      admitted: admissible,
      refused: [],
      stateRoot,
      checkpoint,
      average: null,
    }
  }),
  fc.constant<Make>((state) =>
    state.phase.kind === 'publish'
      ? {
          kind: 'published',
          round: state.round,
          cid: manifestCid(state.phase.manifest),
          block: new Uint8Array(1),
        }
      : null,
  ),
  fc.constant<Make>(() => ({ kind: 'tick' })),
)

/** What the phase waits for. */
const nudge: Make = (state) => {
  const { phase, term, members, commits, reveals, refused, slots, round, stateRoot } = state
  const missing = (done: (worker: WorkerId) => boolean) => slots.find(({ worker }) => !done(worker))?.worker
  switch (phase.kind) {
    case 'train':
    case 'commit': {
      const author = missing((worker) => commits.has(worker))
      return author === undefined ? null : sent(author, workOfMember(state, author).commit, term)
    }
    case 'reveal': {
      const author = missing((worker) => !commits.has(worker) || reveals.has(worker) || refused.has(worker))
      return author === undefined ? { kind: 'tick' } : sent(author, workOfMember(state, author).reveal, term)
    }
    case 'paused':
      return { kind: 'resume' }
    case 'settle-roots': {
      const author = members.findKey(({ status }) => status === 'ready')!
      const body = { kind: 'stateRoot', round: round - 1, root: stateRoot, checkpoint: null } as const
      return author === undefined ? { kind: 'tick' } : sent(author, body, term)
    }
    case 'forming':
    case 'warmup': {
      const warming = members.findKey(({ status }) => status === 'warming')
      return warming === undefined ? null : { kind: 'ready', worker: warming, round }
    }
    default:
      return null
  }
}

const nonsense: fc.Arbitrary<Make> = fc.oneof(
  fc
    .tuple(fc.constantFrom(...workers, ...heads, peer(30)), round, fc.integer({ min: 0, max: 20 }), fc.nat(6))
    .map(
      ([author, round, term, which]): Make =>
        () => {
          const { reveal } = workOf(author, round, hashOf('anywhere'), { tokens: 1 + which })
          const bodies: readonly GossipBody[] = [
            { kind: 'commit', round, hash: hashOf(`${which}`) },
            reveal,
            { kind: 'stateRoot', round, root: hashOf('x'), checkpoint: null },
            { kind: 'roundOpen', round, stateRoot: hashOf('x'), parent: null, slots: [] },
            { kind: 'revealOpen', round, commits: [] },
            { kind: 'runEnd', rounds: round, reason: 'x', newest: null },
            { kind: 'large', cid: cidOf('x'), bytes: 1 },
          ]
          return sent(author, bodies[which]!, term)
        },
    ),
  fc.tuple(worker, round).map(
    ([worker, round]): Make =>
      () => ({ kind: 'ready', worker, round }),
  ),
  worker.map(
    (worker): Make =>
      () => ({ kind: 'lost', worker }),
  ),
  worker.map(
    (worker): Make =>
      () => ({ kind: 'drain', worker }),
  ),
  worker.map(
    (worker): Make =>
      () => ({ kind: 'eject', worker, code: 'SEGMENT_MISMATCH' }),
  ),
  fc.tuple(round, fc.subarray(workers)).map(
    ([round, admitted]): Make =>
      (state) => {
        // An answer to another question: only one that is not the one under way may name workers freely.
        const other = round === state.round ? round + 1 : round
        return {
          kind: 'aggregated',
          round: other,
          admitted,
          refused: [],
          stateRoot: hashOf('x'),
          checkpoint: null,
          average: null,
        }
      },
  ),
  round.map(
    (round): Make =>
      (state) => {
        const other = round === state.round ? round + 1 : round
        return { kind: 'published', round: other, cid: cidOf('x'), block: new Uint8Array(1) }
      },
  ),
  fc
    .constantFrom<RoundEvent>(
      { kind: 'pause' },
      { kind: 'resume' },
      { kind: 'deposed', term: 99 },
      { kind: 'heads', heads },
      { kind: 'adopt', manifests: [] },
    )
    .map(
      (event): Make =>
        () =>
          event,
    ),
  fc.nat(2).map(
    (index): Make =>
      (state) => ({ kind: 'lead', term: nextTerm(state.term, index), heads }),
  ),
)
const final: fc.Arbitrary<Make> = fc
  .constantFrom<RoundEvent>(
    { kind: 'stop', reason: 'enough' },
    { kind: 'fail', code: 'X', message: 'broken' },
  )
  .map(
    (event): Make =>
      () =>
        event,
  )

const draws = fc.array(
  fc.tuple(
    fc.oneof(
      { weight: 120, arbitrary: fc.constant(nudge) },
      { weight: 120, arbitrary: honest },
      { weight: 60, arbitrary: nonsense },
      { weight: 1, arbitrary: final },
    ),
    fc.constantFrom(0, 0, 0, 1, 200, 1500),
  ),
  { minLength: 40, maxLength: 200, size: 'max' },
)

const order = [
  'forming',
  'warmup',
  'paused',
  'train',
  'commit',
  'reveal',
  'aggregate',
  'publish',
  'settle-roots',
  'ended',
  'failed',
]

/** What holds of every state, and of every step from `before` to `after`. */
function check(before: RoundState, event: RoundEvent, after: RoundState): void {
  expect(order).toContain(after.phase.kind)
  expect(
    after.round - before.round === 0 || (event.kind === 'published' && after.round === before.round + 1),
  ).toBe(true)
  expect(after.round).toBeLessThanOrEqual(rules.rounds)
  expect(after.term).toBeGreaterThanOrEqual(before.term)
  if (isOver(before)) expect(after.phase.kind).toBe(before.phase.kind)
  const places = new Set(after.slots.map(({ worker }) => worker))
  for (const committed of after.commits.keys()) expect(places.has(committed)).toBe(true)
  for (const revealed of after.reveals.keys()) expect(after.commits.has(revealed)).toBe(true)
  if (before.phase.kind === 'reveal' && after.phase.kind === 'reveal')
    expect(is(after.commits, before.commits), 'no commit once reveals are open').toBe(true)
  if (after.phase.kind === 'publish') {
    const { manifest } = after.phase
    expect(manifest).toMatchObject({ round: after.round, baseRoot: after.stateRoot, parent: after.parent })
    const named = [...manifest.entries, ...manifest.refused].map(({ worker }) => worker)
    expect(new Set(named).size, 'everyone is in one list').toBe(named.length)
    expect([...named].sort()).toEqual(manifest.slots.map(({ worker }) => worker))
    for (const { worker, tokens } of manifest.entries)
      expect(tokens).toBe(rules.tokensPerStep * manifest.slots.find((slot) => slot.worker === worker)!.steps)
  }
}

test('any events: no step throws or changes its input, every phase is a legal one, and the log alone is the run', () => {
  const reached = new Set<string>()
  fc.assert(
    fc.property(draws, fc.constantFrom(2, 4), (made, rounds) => {
      const start = initialRoundState({ ...rules, rounds, minWorkers: 2 })
      let state = start
      let now = 0
      const log: { readonly event: RoundEvent; readonly now: number }[] = []
      const closed: number[] = []
      const take = (event: RoundEvent) => {
        deepFreeze(state)
        deepFreeze(event)
        const { state: next, effects } = step(state, event, { now })
        check(state, event, next)
        log.push({ event, now })
        state = next
        reached.add(state.phase.kind)
        for (const effect of effects) {
          if (effect.kind === 'close-epoch') closed.push(effect.epoch)
          if (effect.kind !== 'broadcast') continue
          expect(effect.message.term).toBe(state.term)
          expect(heads[leaderIndex(effect.message.term)]).toBeDefined()
        }
      }
      take({ kind: 'lead', term: 8, heads })
      for (const peer of workers.slice(0, 3)) take({ kind: 'join', worker: peer, fresh: true })
      for (const peer of workers.slice(0, 3)) take({ kind: 'ready', worker: peer, round: 0 })
      for (const [make, ms] of made) {
        now += ms
        const event = make(state)
        if (event !== null) take(event)
      }
      expect(closed, 'epochs close in order, once').toEqual(closed.map((_, index) => index))

      const replayed = log.reduce((from, { event, now }) => step(from, event, { now }).state, start)
      expect(replayed).toEqual(state)
    }),
    { numRuns: 80, seed: 2026 },
  )
  expect([...reached].sort()).toEqual([...order].sort())
})
