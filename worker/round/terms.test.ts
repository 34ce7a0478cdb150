import { describe, expect, test } from 'vitest'
import { aRun, cidOf, hashOf, peer } from '../../protocol/fixtures/names.ts'
import type { GossipBody } from '../../protocol/wire.ts'
import {
  commitOf,
  earlier,
  first,
  head,
  kinds,
  manifestCid,
  manifestOf,
  other,
  revealOpen,
  root,
  second,
  self,
  slotsOf,
  standby,
  trained,
  VirtualWorker,
} from './fixtures/virtual-worker.ts'
import { outstanding } from './step.ts'

const commitIn = (term: number, round: number) => ({
  kind: 'publish',
  message: { run: aRun, term, body: { kind: 'commit', round, hash: commitOf(round) } },
})

/** The same round from another history. */
const elsewhere = (round: number) => hashOf(`other θ${round}`)
const otherCid = (round: number) => cidOf(`other manifest ${round}`)

describe('stale heads', () => {
  const words: readonly GossipBody[] = [
    { kind: 'roundOpen', round: 3, stateRoot: root(3), parent: manifestCid(2), slots: slotsOf(self, other) },
    { kind: 'roundOpen', round: 9, stateRoot: root(9), parent: manifestCid(8), slots: slotsOf(self) },
    revealOpen(3),
    { kind: 'manifest', signedManifest: new Uint8Array(1) },
    { kind: 'runEnd', rounds: 3, reason: 'done', newest: manifestCid(2) },
    { kind: 'large', cid: cidOf('block'), bytes: 20_000 },
  ]

  test.each(words.map((body) => [body.kind, body] as const))('%s of the older term is ignored', (_, body) => {
    const worker = new VirtualWorker(3)
    worker.commit()
    worker.takeover(3)
    const { state } = worker
    expect(worker.judge(body, head, first)).toBe('ignore STALE_TERM')
    expect(worker.hear(body, head, first)).toEqual([])
    expect(worker.state).toBe(state)
  })

  test('a head that speaks in the term of another is rejected', () => {
    const worker = new VirtualWorker(3)
    for (const body of words) {
      expect(worker.judge(body, standby, first)).toBe('reject NOT_THE_HEAD')
      expect(worker.judge(body, head, second)).toBe('reject NOT_THE_HEAD')
      expect(worker.judge(body, self, second)).toBe('reject NOT_THE_HEAD')
    }
  })

  test('one that this worker has not heard of waits until it has', () => {
    const worker = new VirtualWorker(3)
    const third = peer(21)
    const open = {
      kind: 'roundOpen',
      round: 3,
      stateRoot: root(3),
      parent: manifestCid(2),
      slots: slotsOf(self),
    } as const
    expect(worker.judge(open, third, 10)).toBe('ignore UNKNOWN_HEAD')
    worker.send({ kind: 'heads', heads: [head, standby, third] })
    expect(kinds(worker.hear(open, third, 10))).toEqual(['train'])
    expect(worker.state.term).toBe(10)
  })

  test('a chain that reaches into a newer term fences the older head off', () => {
    const worker = new VirtualWorker(1)
    worker.open(3)
    worker.caughtUp(3, root(3), second)
    expect(worker.state.term).toBe(second)
    expect(worker.phase, 'the opening was the older head’s').toBe('ready')
    expect(kinds(worker.open(3))).toEqual([])
    expect(kinds(worker.takeover(3))).toEqual(['train'])
  })
})

describe('the round is opened again by a head that took over', () => {
  test('one who is ready trains it', () => {
    const worker = new VirtualWorker(2)
    expect(kinds(worker.takeover(2))).toEqual(['train'])
    worker.send({ kind: 'train-failed', round: 2, code: 'X', text: '' })
    expect(kinds(worker.takeover(2)), 'once in a term').toEqual([])
  })

  test('one who failed at it in the old term tries again in the new', () => {
    const worker = new VirtualWorker(2)
    worker.open(2)
    worker.send({ kind: 'train-failed', round: 2, code: 'X', text: '' })
    expect(kinds(worker.takeover(2))).toEqual(['train'])
  })

  test('one who trains goes on, and commits in the new term', () => {
    const worker = new VirtualWorker(2)
    worker.open(2)
    expect(worker.takeover(2)).toEqual([])
    expect(worker.send({ kind: 'trained', round: 2, trained })).toEqual([commitIn(second, 2)])
  })

  test('one who has committed commits the same again, once', () => {
    const worker = new VirtualWorker(2)
    worker.commit()
    expect(worker.takeover(2)).toEqual([commitIn(second, 2)])
    expect(worker.takeover(2)).toEqual([])
    expect(outstanding(worker.state)).toEqual(commitIn(second, 2).message)
  })

  test('one who has revealed commits again, and reveals again when asked', () => {
    const worker = new VirtualWorker(2)
    worker.commit()
    worker.hear(revealOpen(2))
    expect(worker.takeover(2)).toEqual([commitIn(second, 2)])
    expect(worker.phase).toBe('committed')
    expect(worker.hear(revealOpen(2), standby, second)).toMatchObject([
      { message: { term: second, body: { kind: 'reveal', round: 2 } } },
    ])
  })

  test.each([
    ['another slot', slotsOf(earlier, self)],
    ['other members', slotsOf(self, other, peer(4))],
    [
      'other steps',
      [
        { worker: self, steps: 2 },
        { worker: other, steps: 4 },
      ],
    ],
  ])('%s: what was trained for the old place is never committed for the new one', (_, slots) => {
    const training = new VirtualWorker(2)
    training.open(2)
    expect(kinds(training.takeover(2, slots))).toEqual(['stop-training', 'train'])
    const committed = new VirtualWorker(2)
    committed.commit()
    expect(committed.takeover(2, slots)).toMatchObject([{ kind: 'train', memberCount: slots.length }])
    expect(outstanding(committed.state)).toBeNull()
    const revealed = new VirtualWorker(2)
    revealed.commit()
    revealed.hear(revealOpen(2))
    expect(kinds(revealed.takeover(2, slots))).toEqual(['train'])
  })

  test('the new term is heard of before the opening: commits stay in the term of their opening', () => {
    const worker = new VirtualWorker(2)
    worker.open(2)
    worker.hear({ kind: 'large', cid: cidOf('block'), bytes: 20_000 }, standby, second)
    expect(worker.state.term).toBe(second)
    expect(worker.send({ kind: 'trained', round: 2, trained })).toEqual([commitIn(first, 2)])
    expect(outstanding(worker.state)?.term).toBe(first)
    expect(worker.takeover(2)).toEqual([commitIn(second, 2)])
  })

  test('reveals are asked for before the opening arrives: a listed commit is shown, in the new term', () => {
    const worker = new VirtualWorker(2)
    worker.commit()
    expect(worker.hear(revealOpen(2), standby, second)).toMatchObject([
      { message: { term: second, body: { kind: 'reveal' } } },
    ])
    expect(worker.takeover(2), 'the opening is late').toEqual([])
    expect(worker.phase).toBe('revealed')
  })

  test('a head that does not list the commit is shown nothing', () => {
    const worker = new VirtualWorker(2)
    worker.commit()
    worker.hear(revealOpen(2))
    expect(worker.hear(revealOpen(2, hashOf('x')), standby, second)).toEqual([])
    expect(outstanding(worker.state)?.term).toBe(first)
  })

  test('an opening without places interrupts nobody, and does not stand for the one with places', () => {
    const worker = new VirtualWorker(2)
    worker.open(2)
    expect(worker.takeover(2, [])).toEqual([])
    expect(worker.phase).toBe('training')
    worker.send({ kind: 'trained', round: 2, trained })
    expect(worker.takeover(2)).toEqual([commitIn(second, 2)])
    const behind = new VirtualWorker(1)
    expect(kinds(behind.takeover(2, []))).toEqual(['catch-up'])
    behind.takeover(2)
    expect(kinds(behind.caughtUp(2))).toEqual(['publish', 'train'])
  })
})

describe('a head that knows a shorter or another history', () => {
  test('rounds that only the old head published are undone', () => {
    const worker = new VirtualWorker(3)
    worker.commit()
    expect(worker.takeover(2)).toEqual([{ kind: 'catch-up', target: manifestCid(1) }])
    expect(kinds(worker.caughtUp(2))).toEqual(['publish', 'train'])
    expect(worker.state).toMatchObject({ round: 2, stateRoot: root(2), newest: manifestCid(1) })
    expect(worker.state.attempted).toMatchObject({ term: second, round: 2 })
  })

  test('undone back to the start', () => {
    const worker = new VirtualWorker(1)
    expect(worker.takeover(0)).toEqual([{ kind: 'catch-up', target: null }])
    expect(kinds(worker.caughtUp(0))).toEqual(['train'])
  })

  test('while training or applying, too', () => {
    const training = new VirtualWorker(3)
    training.open(3)
    expect(kinds(training.takeover(2))).toEqual(['stop-training', 'catch-up'])
    const applying = new VirtualWorker(3)
    applying.manifest(3)
    expect(applying.takeover(2)).toEqual([])
    expect(kinds(applying.applied(3))).toEqual(['publish', 'catch-up'])
  })

  test('the same round from another history is no divergence of this replica', () => {
    const worker = new VirtualWorker(3)
    const slots = slotsOf(self)
    const open = { kind: 'roundOpen', round: 3, stateRoot: elsewhere(3), parent: otherCid(2), slots } as const
    expect(worker.hear(open, standby, second)).toEqual([{ kind: 'catch-up', target: otherCid(2) }])
    expect(worker.state.divergences).toBe(0)
    worker.send({
      kind: 'caught-up',
      round: 3,
      stateRoot: elsewhere(3),
      newest: otherCid(2),
      appliedTerm: second,
    })
    expect(worker.phase).toBe('training')
  })

  test('the same round, told again by the new head, replaces the old head’s telling', () => {
    const worker = new VirtualWorker(2)
    const again = manifestOf(1, { term: second })
    worker.hear({ kind: 'manifest', signedManifest: new Uint8Array(1) }, standby, second)
    expect(worker.send({ kind: 'manifest', manifest: again, cid: otherCid(1) })).toEqual([
      { kind: 'catch-up', target: otherCid(1) },
    ])
    worker.send({ kind: 'caught-up', round: 2, stateRoot: root(2), newest: otherCid(1), appliedTerm: second })
    expect(worker.state).toMatchObject({ newest: otherCid(1), appliedTerm: second, round: 2 })
  })

  test('a manifest of the new head follows from the same weights, whoever told the round before', () => {
    const worker = new VirtualWorker(2)
    worker.takeover(2)
    const next = manifestOf(2, { term: second, parent: otherCid(1) })
    expect(kinds(worker.send({ kind: 'manifest', manifest: next, cid: otherCid(2) }))).toEqual([
      'stop-training',
      'apply',
    ])
    worker.applied(2)
    expect(worker.state).toMatchObject({ round: 3, appliedTerm: second, newest: otherCid(2) })
    // Within the term the chain is held to again.
    const fork = manifestOf(3, { term: second, parent: manifestCid(2) })
    expect(kinds(worker.send({ kind: 'manifest', manifest: fork, cid: otherCid(3) }))).toEqual(['catch-up'])
  })

  test('an older head’s manifest is never applied after a newer one’s', () => {
    const worker = new VirtualWorker(2)
    worker.send({ kind: 'manifest', manifest: manifestOf(2, { term: second }), cid: otherCid(2) })
    worker.applied(2)
    expect(worker.manifest(3)).toEqual([])
    expect(worker.manifest(2)).toEqual([])
    expect(worker.state.round).toBe(3)
  })

  test('an opening within the term that comes late undoes nothing', () => {
    const worker = new VirtualWorker(2)
    worker.takeover(2)
    worker.send({ kind: 'manifest', manifest: manifestOf(2, { term: second }), cid: otherCid(2) })
    worker.applied(2)
    expect(worker.takeover(2)).toEqual([])
    expect(worker.state.round).toBe(3)
  })

  test('what this replica says of a round that the new head lacks carries no old commit', () => {
    const worker = new VirtualWorker(3)
    worker.commit()
    worker.hear(revealOpen(2), standby, second)
    expect(outstanding(worker.state)).toMatchObject({ term: first, body: { kind: 'commit', round: 3 } })
  })
})

describe('the end, across terms', () => {
  const end = (rounds: number, newest = manifestCid(rounds - 1)): GossipBody => ({
    ...{ kind: 'runEnd', rounds, reason: 'done', newest },
  })

  test('what the old head said of the end is not the new one’s word', () => {
    const worker = new VirtualWorker(2)
    worker.open(4)
    worker.hear(end(4))
    expect(worker.takeover(2)).toEqual([])
    expect(worker.state.ending).toBeNull()
    expect(kinds(worker.caughtUp(4))).toEqual(['publish', 'catch-up'])
    expect(kinds(worker.caughtUp(2))).toEqual(['publish', 'train'])
  })

  test('a run that ends in another history is left with its weights', () => {
    const worker = new VirtualWorker(4)
    expect(worker.hear(end(3, otherCid(2)), standby, second)).toEqual([
      { kind: 'catch-up', target: otherCid(2) },
    ])
    const rebuilt = { round: 3, stateRoot: elsewhere(3), newest: otherCid(2), appliedTerm: second }
    expect(kinds(worker.send({ kind: 'caught-up', ...rebuilt }))).toEqual(['publish', 'end'])
  })
})
