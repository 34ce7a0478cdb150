import { describe, expect, test } from 'vitest'
import { peer } from '../../protocol/fixtures/names.ts'
import { type rules, VirtualHead } from './fixtures/virtual-head.ts'
import { pendingReason } from './state.ts'

const [a, b, c, d] = [peer(1), peer(2), peer(3), peer(4)]

function formed(change: Partial<typeof rules> = {}): VirtualHead {
  const run = new VirtualHead(change)
  run.form(a, b, c)
  return run
}
const commits = (run: VirtualHead) => {
  for (const worker of [a, b, c]) run.say(worker, run.work(worker).commit)
}
const stop = (run: VirtualHead) => run.send({ kind: 'stop', reason: 'enough' })
const closed = (run: VirtualHead) =>
  run.effects.flatMap((effect) => (effect.kind === 'close-epoch' ? [effect.epoch] : []))
const statusOf = (run: VirtualHead, worker: typeof a) => run.state.members.get(worker)!.status

describe('a stop', () => {
  test.each<[string, (run: VirtualHead) => void]>([
    ['in training', () => {}],
    ['while commits come', (run) => void run.say(a, run.work(a).commit)],
    [
      'while reveals come',
      (run) => {
        commits(run)
        run.say(a, run.work(a).reveal)
      },
    ],
    [
      'while it waits for workers',
      (run) => {
        for (const worker of [a, b, c]) run.send({ kind: 'lost', worker })
        expect(run.phase).toBe('forming')
      },
    ],
    [
      'while paused',
      (run) => {
        run.send({ kind: 'pause' })
        run.round(a, b, c)
        expect(run.phase).toBe('paused')
      },
    ],
  ])('%s closes the epoch, so that what was verified is settled and the weights are kept', (_, reach) => {
    const run = formed({ rounds: 8, roundsPerEpoch: 4 })
    run.round(a, b, c)
    reach(run)
    const { round, stateRoot, parent } = run.state
    stop(run)
    expect(run.manifests.at(-1)).toMatchObject({
      ...{ round, parent, epoch: 0, closesEpoch: true, entries: [], refused: [], slots: [] },
      ...{ baseRoot: stateRoot, stateRoot },
    })
    expect(run.manifests.at(-1)!.checkpoint).not.toBeNull()
    expect(closed(run)).toEqual([0])
    expect(run.state.phase).toEqual({ kind: 'ended', reason: 'enough' })
    expect(run.broadcasts().slice(-2)).toMatchObject([
      { kind: 'manifest' },
      { kind: 'runEnd', rounds: round + 1, newest: run.state.parent },
    ])
  })

  test.each(['forming', 'warmup', 'train'])(
    'before anything was trained (%s), there is nothing to close',
    (phase) => {
      const run = new VirtualHead()
      if (phase !== 'forming') for (const worker of [a, b, c]) run.send({ kind: 'join', worker, fresh: true })
      if (phase === 'train') for (const worker of [a, b, c]) run.send({ kind: 'ready', worker, round: 0 })
      expect(run.phase).toBe(phase)
      stop(run)
      expect(run.manifests).toEqual([])
      expect(run.broadcasts().at(-1)).toEqual({ kind: 'runEnd', rounds: 0, reason: 'enough', newest: null })
      expect(run.phase).toBe('ended')
    },
  )

  test('while a round is aggregated: that round counts first', () => {
    const run = formed({ rounds: 8, roundsPerEpoch: 4 })
    run.aggregates = false
    run.round(a, b, c)
    stop(run)
    expect(run.phase).toBe('aggregate')
    run.aggregates = true
    run.aggregated(0, [a, b, c], [], false)
    expect(run.manifests.map(({ entries, closesEpoch }) => [entries.length, closesEpoch])).toEqual([
      [3, false],
      [0, true],
    ])
    expect(closed(run)).toEqual([0])
    expect(run.phase).toBe('ended')
  })

  test('while the manifest is signed, the last of its epoch: it closes once', () => {
    const run = formed()
    run.round(a, b, c)
    run.publishes = false
    run.round(a, b, c)
    expect(run.phase).toBe('publish')
    stop(run)
    stop(run)
    run.publishes = true
    run.published()
    expect(closed(run)).toEqual([0])
    expect(run.manifests).toHaveLength(2)
    expect(run.phase).toBe('ended')
  })

  test('while the last roots are awaited: ends at once', () => {
    const run = formed({ rounds: 2 })
    run.round(a, b, c)
    run.round(a, b, c)
    expect(run.phase).toBe('settle-roots')
    stop(run)
    expect(run.phase).toBe('ended')
    expect(run.manifests).toHaveLength(2)
  })

  test('nobody is blamed for a round that its owner broke off', () => {
    const run = formed({ roundsPerEpoch: 4 })
    run.round(a, b, c)
    stop(run)
    for (const worker of [a, b, c]) expect(run.state.members.get(worker)!.misses).toBe(0)
  })

  test('a long reason is cut to what a message carries', () => {
    const run = formed()
    run.send({ kind: 'stop', reason: 'x'.repeat(1000) })
    expect(run.broadcasts().at(-1)).toMatchObject({ reason: 'x'.repeat(256) })
  })
})

describe('pause and resume', () => {
  test('the round under way is finished, then nothing begins until it is resumed', () => {
    const run = formed()
    run.send({ kind: 'pause' })
    expect(run.phase).toBe('train')
    run.round(a, b, c)
    expect(run.phase).toBe('paused')
    expect(pendingReason(run.state)).toContain('murmur resume')
    run.pass(600_000)
    expect(run.state.round).toBe(1)
    expect(run.places).toEqual([])
    run.send({ kind: 'resume' })
    expect(run.places).toEqual([a, b, c])
    expect(run.broadcasts().at(-1)).toMatchObject({ kind: 'roundOpen', round: 1 })
    run.round(a, b, c)
    expect(run.state.round).toBe(2)
  })

  test('resumed before the round is over, it never stops', () => {
    const run = formed()
    run.send({ kind: 'pause' })
    run.send({ kind: 'resume' })
    run.round(a, b, c)
    expect(run.phase).toBe('train')
  })

  test('before it has formed: it waits with everyone ready', () => {
    const run = new VirtualHead()
    run.send({ kind: 'pause' })
    run.form(a, b, c)
    expect(run.phase).toBe('paused')
    expect(run.broadcasts()).toEqual([])
    run.send({ kind: 'resume' })
    expect(run.places).toEqual([a, b, c])
  })

  test('workers come and go meanwhile; with nobody left it forms again', () => {
    const run = formed()
    run.send({ kind: 'pause' })
    run.round(a, b, c)
    run.send({ kind: 'lost', worker: a })
    run.send({ kind: 'join', worker: d, fresh: true })
    run.send({ kind: 'ready', worker: d, round: 1 })
    run.send({ kind: 'resume' })
    expect(run.places).toEqual([b, c, d])
    const alone = formed()
    alone.send({ kind: 'pause' })
    alone.round(a, b, c)
    for (const worker of [a, b, c]) alone.send({ kind: 'lost', worker })
    alone.send({ kind: 'resume' })
    expect(alone.phase).toBe('forming')
  })
})

describe('drain', () => {
  test('it finishes its round, is paid for it, and gets no further one', () => {
    const run = formed()
    run.send({ kind: 'drain', worker: c })
    expect(run.notes()).toContain('WORKER_DRAINS')
    expect(statusOf(run, c)).toBe('draining')
    for (const worker of [a, b]) run.say(worker, run.work(worker).commit)
    expect(run.phase, 'it is waited for').toBe('commit')
    run.say(c, run.work(c).commit)
    for (const worker of [a, b]) run.say(worker, run.work(worker).reveal)
    expect(run.phase).toBe('reveal')
    run.say(c, run.work(c).reveal)
    expect(run.manifests[0]!.entries).toHaveLength(3)
    expect(run.places).toEqual([a, b])
    run.send({ kind: 'lost', worker: c })
    expect(run.notes().at(-1)).toBe('WORKER_LEFT')
  })

  test('one that drains does not become ready again, nor by reconnecting', () => {
    const run = formed()
    run.send({ kind: 'drain', worker: c })
    run.send({ kind: 'join', worker: c, fresh: false })
    run.send({ kind: 'ready', worker: c, round: 0 })
    expect(statusOf(run, c)).toBe('draining')
    run.send({ kind: 'drain', worker: c })
    expect(run.notes().filter((code) => code === 'WORKER_DRAINS')).toHaveLength(1)
  })

  test('a new process of it is a new start', () => {
    const run = formed()
    run.send({ kind: 'drain', worker: c })
    run.send({ kind: 'lost', worker: c })
    run.send({ kind: 'join', worker: c, fresh: true })
    expect(statusOf(run, c)).toBe('warming')
  })

  test('one that warms up does not hold up the start', () => {
    const run = new VirtualHead({ minWorkers: 2 })
    for (const worker of [a, b, c]) run.send({ kind: 'join', worker, fresh: true })
    for (const worker of [a, b]) run.send({ kind: 'ready', worker, round: 0 })
    run.send({ kind: 'drain', worker: c })
    expect(run.places).toEqual([a, b])
  })

  test('all drain: the run waits for others', () => {
    const run = formed()
    for (const worker of [a, b, c]) run.send({ kind: 'drain', worker })
    run.round(a, b, c)
    expect(run.phase).toBe('forming')
    expect(run.state.round).toBe(1)
  })
})
