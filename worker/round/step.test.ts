import { describe, expect, test } from 'vitest'
import { aRun, cidOf, hashOf } from '../../protocol/fixtures/names.ts'
import type { GossipBody, RoundManifest } from '../../protocol/wire.ts'
import {
  commitOf,
  earlier,
  entryOf,
  first,
  head,
  kinds,
  manifestCid,
  manifestOf,
  other,
  revealOpen,
  root,
  self,
  trained,
  VirtualWorker,
} from './fixtures/virtual-worker.ts'
import { outstanding } from './step.ts'

test('a whole round', () => {
  const worker = new VirtualWorker()
  expect(worker.open(0, [earlier, self])).toEqual([
    { kind: 'train', round: 0, slot: 1, memberCount: 2, steps: 4 },
  ])
  expect(outstanding(worker.state)).toBeNull()

  const commit = { run: aRun, term: first, body: { kind: 'commit', round: 0, hash: commitOf(0) } }
  expect(worker.send({ kind: 'trained', round: 0, trained })).toEqual([{ kind: 'publish', message: commit }])
  expect(outstanding(worker.state)).toEqual(commit)

  const [published] = worker.hear(revealOpen(0))
  const body = { kind: 'reveal', round: 0, ...trained }
  expect(published).toEqual({ kind: 'publish', message: { run: aRun, term: first, body } })
  expect(outstanding(worker.state)?.body).toEqual(body)

  const manifest = manifestOf(0, { entries: [entryOf(self)] })
  expect(worker.send({ kind: 'manifest', manifest, cid: manifestCid(0) })).toEqual([
    { kind: 'apply', manifest, admitted: true },
  ])
  expect(outstanding(worker.state)).toBeNull()

  expect(worker.applied(0)).toMatchObject([
    { kind: 'publish', message: { body: { kind: 'stateRoot', round: 0, root: root(1) } } },
  ])
  expect(worker.state).toMatchObject({
    phase: { kind: 'ready' },
    round: 1,
    stateRoot: root(1),
    newest: manifestCid(0),
  })
  expect(outstanding(worker.state)?.body).toMatchObject({ kind: 'stateRoot', round: 0, root: root(1) })
  expect(kinds(worker.open(1))).toEqual(['train'])
})

describe('opening a round', () => {
  test('a round that this worker is no member of is not trained', () => {
    const worker = new VirtualWorker()
    expect(worker.open(0, [other])).toEqual([])
    expect(worker.phase).toBe('ready')
  })

  test('a repeated or late opening changes nothing', () => {
    const worker = new VirtualWorker(3)
    worker.open(3)
    expect(worker.open(3)).toEqual([])
    expect(worker.phase).toBe('training')
    expect(worker.judge({ kind: 'roundOpen', round: 2, stateRoot: root(2), parent: null, slots: [] })).toBe(
      'ignore LATE',
    )
  })

  test('a round is trained once: a second commit would be an equivocation', () => {
    const worker = new VirtualWorker()
    worker.open(0)
    expect(
      worker.send({ kind: 'train-failed', round: 0, code: 'TRAINING_DIVERGED', text: '' }),
    ).toMatchObject([{ code: 'TRAINING_DIVERGED' }])
    expect(worker.phase).toBe('ready')
    expect(worker.open(0)).toEqual([])
    const committed = new VirtualWorker(1)
    committed.commit()
    committed.manifest(4)
    committed.send({ kind: 'catch-up-failed', text: 'no peers' })
    expect(kinds(committed.open(1))).toEqual([])
    expect(committed.phase).toBe('ready')
  })

  test('one opened while the last is being applied begins right after it', () => {
    const worker = new VirtualWorker()
    worker.manifest(0)
    expect(worker.open(1)).toEqual([])
    // The head's repetitions arrive in any order.
    worker.open(0)
    expect(kinds(worker.applied(0))).toEqual(['publish', 'train'])
    expect(worker.state).toMatchObject({ phase: { kind: 'training' }, round: 1, opened: null })
  })

  test('missed rounds: catches up to the round’s parent, then trains', () => {
    const worker = new VirtualWorker()
    expect(worker.open(5)).toEqual([{ kind: 'catch-up', target: manifestCid(4) }])
    expect(worker.open(5)).toEqual([])
    // Others learn that this replica is whole again even when it goes straight into the next round.
    expect(worker.caughtUp(5)).toMatchObject([
      { kind: 'publish', message: { body: { kind: 'stateRoot', round: 4, root: root(5) } } },
      { kind: 'train', round: 5 },
    ])
  })

  test('missed rounds while training: the training is stopped first', () => {
    const worker = new VirtualWorker()
    worker.open(0)
    expect(kinds(worker.open(2))).toEqual(['stop-training', 'catch-up'])
    expect(worker.send({ kind: 'trained', round: 0, trained })).toEqual([])
  })

  test('behind by more than was caught up: catches up again', () => {
    const worker = new VirtualWorker()
    worker.open(2)
    worker.open(4)
    expect(worker.caughtUp(2)).toMatchObject([
      { kind: 'publish' },
      { kind: 'catch-up', target: manifestCid(3) },
    ])
    expect(kinds(worker.caughtUp(4))).toEqual(['publish', 'train'])
  })

  test('a catch-up that fails is noted, and tried again at the next announcement', () => {
    const worker = new VirtualWorker()
    worker.open(2)
    expect(worker.send({ kind: 'catch-up-failed', text: 'no peers' })).toMatchObject([
      { code: 'CATCH_UP_FAILED' },
    ])
    expect(kinds(worker.open(2))).toEqual(['catch-up'])
  })
})

describe('revealing', () => {
  test.each<[string, GossipBody]>([
    ['without its own commit in the list', { kind: 'revealOpen', round: 0, commits: [] }],
    ['with another hash', revealOpen(0, hashOf('another'))],
    ['with its hash under another name', revealOpen(0, commitOf(0), other)],
    ['for another round', revealOpen(1)],
  ])('%s, nothing is revealed', (_, body) => {
    const worker = new VirtualWorker()
    worker.commit()
    expect(worker.hear(body)).toEqual([])
    expect(worker.phase).toBe('committed')
  })

  test('repeated by the head’s heartbeats, it is not published over and over', () => {
    const worker = new VirtualWorker()
    worker.commit()
    worker.hear(revealOpen(0))
    for (let beat = 0; beat < 3; beat++) expect(worker.hear(revealOpen(0))).toEqual([])
    expect(outstanding(worker.state)?.body.kind).toBe('reveal')
  })

  test('once only, and never by anybody but the head', () => {
    const worker = new VirtualWorker()
    worker.commit()
    expect(worker.judge(revealOpen(0), other)).toBe('reject NOT_THE_HEAD')
    expect(worker.hear(revealOpen(0), other)).toEqual([])
    expect(kinds(worker.hear(revealOpen(0)))).toEqual(['publish'])
    expect(worker.hear(revealOpen(0))).toEqual([])
  })

  test('not while still training', () => {
    const worker = new VirtualWorker()
    worker.open(0)
    expect(worker.hear(revealOpen(0))).toEqual([])
    expect(worker.phase).toBe('training')
  })
})

describe('manifests', () => {
  test('a straggler stops training and applies', () => {
    const worker = new VirtualWorker()
    worker.open(0)
    expect(worker.manifest(0)).toMatchObject([{ kind: 'stop-training' }, { kind: 'apply', admitted: false }])
    expect(worker.send({ kind: 'trained', round: 0, trained })).toEqual([])
    expect(worker.send({ kind: 'train-failed', round: 0, code: 'X', text: '' })).toEqual([])
    expect(worker.phase).toBe('applying')
  })

  test('a repeated, older or foreign manifest changes nothing', () => {
    const worker = new VirtualWorker()
    worker.manifest(0)
    expect(worker.manifest(0)).toEqual([])
    worker.applied(0)
    expect(worker.manifest(0)).toEqual([])
    expect(
      worker.send({
        kind: 'manifest',
        manifest: { ...manifestOf(1), run: 'x' as never },
        cid: manifestCid(1),
      }),
    ).toEqual([])
    expect(worker.state).toMatchObject({ phase: { kind: 'ready' }, round: 1 })
  })

  test.each<[string, number, Partial<RoundManifest>]>([
    ['of a later round', 3, {}],
    ['with another parent', 1, { parent: cidOf('fork') }],
    ['from another root', 1, { baseRoot: hashOf('fork') }],
  ])('one %s is caught up to', (_, round, change) => {
    const worker = new VirtualWorker(1)
    expect(worker.manifest(round, change)).toEqual([{ kind: 'catch-up', target: manifestCid(round) }])
  })

  test('one that cannot be applied is caught up to', () => {
    const worker = new VirtualWorker()
    worker.manifest(0)
    const effects = worker.send({ kind: 'apply-failed', round: 0, text: 'a contribution is gone' })
    expect(effects).toMatchObject([{ code: 'APPLY_FAILED' }, { kind: 'catch-up', target: manifestCid(0) }])
  })

  test('another root than the head’s: rebuilds, and leaves when that never helps', () => {
    const worker = new VirtualWorker()
    for (let attempt = 1; attempt <= 2; attempt++) {
      worker.manifest(0)
      const effects = worker.applied(0, hashOf('wrong'))
      expect(effects).toMatchObject([
        { code: 'STATE_DIVERGED' },
        { kind: 'catch-up', target: manifestCid(0) },
      ])
      worker.send({ kind: 'catch-up-failed', text: 'another root here too' })
    }
    worker.manifest(0)
    expect(worker.applied(0, hashOf('wrong'))).toMatchObject([
      { kind: 'stop-training' },
      { kind: 'withdraw', code: 'STATE_DIVERGED' },
    ])
    expect(worker.phase).toBe('ended')
  })

  test('an average that its contributions do not give ends the run for this worker, whatever it is doing', () => {
    const worker = new VirtualWorker(2)
    worker.open(2, [self])
    // Another head has undone that round.
    expect(worker.send({ kind: 'average-refused', round: 2, code: 'AVERAGE_FALSE' })).toEqual([])
    expect(worker.send({ kind: 'average-refused', round: 1, code: 'AVERAGE_FALSE' })).toMatchObject([
      { kind: 'stop-training' },
      { kind: 'withdraw', code: 'AVERAGE_FALSE' },
    ])
    expect(worker.phase).toBe('ended')
  })

  test('a root that is right again clears the count', () => {
    const worker = new VirtualWorker()
    for (const round of [0, 2, 4]) {
      worker.manifest(round)
      worker.applied(round, hashOf('wrong'))
      worker.caughtUp(round + 1)
      worker.manifest(round + 1)
      worker.applied(round + 1)
    }
    expect(worker.phase).toBe('ready')
    expect(worker.state.divergences).toBe(0)
  })

  test('a round opened with another root than this replica has is a divergence too', () => {
    const worker = new VirtualWorker(2)
    expect(worker.open(2, [self], hashOf('elsewhere'))).toMatchObject([
      { code: 'STATE_DIVERGED' },
      { kind: 'catch-up', target: manifestCid(1) },
    ])
    worker.caughtUp(2, hashOf('elsewhere'))
    expect(worker.phase).toBe('training')
  })

  test('the checkpoint that this replica wrote must be the head’s', () => {
    const worker = new VirtualWorker()
    worker.manifest(0, { checkpoint: cidOf('checkpoint') })
    expect(worker.applied(0, root(1), cidOf('another'))).toMatchObject([
      { code: 'CHECKPOINT_DIFFERS' },
      { kind: 'catch-up' },
    ])
    const right = new VirtualWorker()
    right.manifest(0, { checkpoint: cidOf('checkpoint') })
    const [published] = right.applied(0, root(1), cidOf('checkpoint'))
    expect(published).toMatchObject({ message: { body: { checkpoint: cidOf('checkpoint') } } })
  })
})

describe('the end', () => {
  const end = (rounds: number): GossipBody => ({
    ...{ kind: 'runEnd', rounds, reason: 'done' },
    newest: rounds === 0 ? null : manifestCid(rounds - 1),
  })

  test('with the last round applied, it leaves at once', () => {
    const worker = new VirtualWorker(4)
    expect(worker.hear(end(4))).toEqual([{ kind: 'end', reason: 'done' }])
    expect(worker.judge(end(4))).toBe('ignore RUN_OVER')
    expect(worker.open(4)).toEqual([])
    expect(outstanding(worker.state)).toBeNull()
  })

  test('a run that failed in the middle of a round is left like any other', () => {
    const worker = new VirtualWorker(2)
    worker.commit()
    const failed = {
      kind: 'runEnd',
      rounds: 2,
      reason: 'STATE_NOT_FINITE: …',
      newest: manifestCid(1),
    } as const
    expect(worker.hear(failed)).toEqual([{ kind: 'end', reason: 'STATE_NOT_FINITE: …' }])
  })

  test('a round that was stopped in the middle is not waited for', () => {
    const worker = new VirtualWorker(4)
    worker.open(4)
    expect(kinds(worker.hear(end(4)))).toEqual(['stop-training', 'end'])
    const fresh = new VirtualWorker()
    expect(kinds(fresh.hear(end(0)))).toEqual(['end'])
  })

  test('while it applies the last round, it leaves after it', () => {
    const worker = new VirtualWorker(3)
    worker.manifest(3)
    expect(worker.hear(end(4))).toEqual([])
    expect(kinds(worker.applied(3))).toEqual(['publish', 'end'])
  })

  test('without the last rounds, it catches up first: every replica leaves with the same weights', () => {
    const worker = new VirtualWorker(2)
    worker.open(2)
    expect(worker.hear(end(4))).toMatchObject([
      { kind: 'stop-training' },
      { kind: 'catch-up', target: manifestCid(3) },
    ])
    expect(worker.caughtUp(4)).toMatchObject([{ kind: 'publish' }, { kind: 'end', reason: 'done' }])
    expect(worker.state).toMatchObject({ round: 4, stateRoot: root(4) })
  })

  test('in the middle of a catch-up to an older round, it catches up once more', () => {
    const worker = new VirtualWorker()
    worker.open(2)
    worker.hear(end(4))
    expect(worker.caughtUp(2)).toMatchObject([
      { kind: 'publish' },
      { kind: 'catch-up', target: manifestCid(3) },
    ])
    worker.send({ kind: 'catch-up-failed', text: 'no peers' })
    expect(kinds(worker.hear(end(4)))).toEqual(['catch-up'])
    expect(kinds(worker.caughtUp(4))).toEqual(['publish', 'end'])
  })
})

test('answers that nobody waits for any more change nothing', () => {
  const worker = new VirtualWorker(2)
  const { state } = worker
  worker.applied(1)
  worker.caughtUp(9)
  worker.send({ kind: 'catch-up-failed', text: '' })
  worker.send({ kind: 'apply-failed', round: 1, text: '' })
  worker.send({ kind: 'trained', round: 1, trained })
  expect(worker.state).toBe(state)
})

test('a worker relays what others may know better', () => {
  const worker = new VirtualWorker(2)
  expect(worker.judge({ kind: 'commit', round: 3, hash: root(0) }, other)).toBe('accept OK')
  expect(worker.judge({ kind: 'commit', round: 9, hash: root(0) }, other)).toBe('ignore FUTURE')
  expect(worker.hear({ kind: 'runEnd', rounds: 2, reason: '', newest: null }, head, 0)).toEqual([])
  expect(worker.phase).toBe('ready')
})
