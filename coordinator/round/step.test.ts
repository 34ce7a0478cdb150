import { describe, expect, test } from 'vitest'
import { hashOf, peer } from '../../protocol/fixtures/names.ts'
import type { WorkerId } from '../../protocol/ids.ts'
import { head, nextRoot, rules, VirtualHead, workOf } from './fixtures/virtual-head.ts'
import { pendingReason } from './state.ts'

const [a, b, c, d] = [peer(1), peer(2), peer(3), peer(4)]

function formed(change: Partial<typeof rules> = {}): VirtualHead {
  const run = new VirtualHead(change)
  run.form(a, b, c)
  return run
}

const slotsOf = (...workers: WorkerId[]) => workers.map((worker) => ({ worker, steps: rules.innerSteps }))
const codesOf = (run: VirtualHead, round: number) =>
  Object.fromEntries(run.manifests[round]!.refused.map(({ worker, code }) => [worker, code]))
const admittedIn = (run: VirtualHead, round: number) =>
  run.manifests[round]!.entries.map(({ worker }) => worker)

test('two epochs, from forming to the end', () => {
  const run = formed()
  expect(run.broadcasts()).toEqual([
    { kind: 'roundOpen', round: 0, stateRoot: rules.initialRoot, parent: null, slots: slotsOf(a, b, c) },
  ])
  for (let round = 0; round < 4; round++) run.round(c, a, b)
  expect(
    run.manifests.map(({ round, epoch, closesEpoch, checkpoint }) => [
      round,
      epoch,
      closesEpoch,
      checkpoint !== null,
    ]),
  ).toEqual([
    [0, 0, false, false],
    [1, 0, true, true],
    [2, 1, false, false],
    [3, 1, true, true],
  ])
  let root = rules.initialRoot
  run.manifests.forEach((manifest, index) => {
    // In commit order.
    expect(manifest.entries.map(({ worker }) => worker)).toEqual([c, a, b])
    expect(manifest.refused).toEqual([])
    expect(manifest.parent === null).toBe(index === 0)
    expect(manifest.baseRoot).toBe(root)
    root = nextRoot(root, [c, a, b])
    expect(manifest.stateRoot).toBe(root)
  })
  expect(run.effects.filter(({ kind }) => kind === 'close-epoch')).toMatchObject([{ epoch: 0 }, { epoch: 1 }])

  expect(run.phase).toBe('settle-roots')
  for (const worker of [a, b]) run.say(worker, { kind: 'stateRoot', round: 3, root, checkpoint: null })
  expect(run.phase).toBe('settle-roots')
  run.say(c, { kind: 'stateRoot', round: 3, root, checkpoint: null })
  expect(run.phase).toBe('ended')
  const newest = run.state.parent
  expect(run.broadcasts().at(-1)).toEqual({
    kind: 'runEnd',
    rounds: 4,
    reason: 'all rounds are done',
    newest,
  })
  expect(newest).not.toBeNull()
})

test('the end waits for silent replicas only so long', () => {
  const run = formed({ rounds: 1 })
  run.round(a, b, c)
  run.say(a, { kind: 'stateRoot', round: 0, root: run.state.stateRoot, checkpoint: null })
  run.pass(14_000)
  expect(run.phase).toBe('settle-roots')
  run.pass(1200)
  expect(run.phase).toBe('ended')
})

describe('forming', () => {
  test('nothing waits silently', () => {
    const run = new VirtualHead()
    expect(pendingReason(run.state)).toContain('0 of 3 workers')
    run.send({ kind: 'join', worker: a, fresh: true })
    run.send({ kind: 'join', worker: b, fresh: true })
    expect(pendingReason(run.state)).toContain('2 of 3 workers')
    run.send({ kind: 'join', worker: c, fresh: true })
    expect(run.phase).toBe('warmup')
    expect(pendingReason(run.state)).toContain('0 of 3 workers are ready')
    run.form(a, b, c)
    expect(run.phase).toBe('train')
    expect(pendingReason(run.state)).toBeNull()
  })

  test('a worker too slow to warm up is left behind when enough others are ready, and joins later', () => {
    const run = new VirtualHead({ minWorkers: 2 })
    run.form(a)
    run.send({ kind: 'join', worker: b, fresh: true })
    run.send({ kind: 'join', worker: c, fresh: true })
    run.send({ kind: 'ready', worker: b, round: 0 })
    expect(run.phase).toBe('warmup')
    run.pass(1000)
    expect(run.places).toEqual([a, b])
    run.round(a, b)
    expect(run.places).toEqual([a, b])
    run.send({ kind: 'ready', worker: c, round: 0 })
    run.round(a, b)
    expect(run.places, 'ready for an older round is not ready').toEqual([a, b])
    run.send({ kind: 'ready', worker: c, round: 2 })
    run.round(a, b)
    expect(run.places).toEqual([a, b, c])
  })

  test('one that joins and never gets ready holds nobody up for long: as long again as the others took, and five seconds at least', () => {
    for (const [tookMs, waitMs] of [
      [100, 5_000],
      [20_000, 20_000],
    ] as const) {
      const run = new VirtualHead({ minWorkers: 2, warmupTimeoutMs: 120_000 })
      for (const worker of [a, b, c]) run.send({ kind: 'join', worker, fresh: true })
      run.pass(tookMs)
      for (const worker of [a, b]) run.send({ kind: 'ready', worker, round: 0 })
      run.pass(waitMs - 500)
      expect(run.phase).toBe('warmup')
      run.pass(1_000)
      expect(run.phase).toBe('train')
      expect(run.places).toEqual([a, b])
    }
  })

  test('too few ready in time: back to forming, and on again', () => {
    const run = new VirtualHead()
    for (const worker of [a, b, c]) run.send({ kind: 'join', worker, fresh: true })
    run.send({ kind: 'lost', worker: c })
    expect(run.phase).toBe('forming')
    run.send({ kind: 'join', worker: c, fresh: true })
    run.pass(5000)
    expect(run.broadcasts()).toEqual([])
    run.form(a, b, c)
    expect(run.phase).toBe('train')
  })

  test('no more members than the run takes', () => {
    const run = new VirtualHead({ maxWorkers: 2, minWorkers: 2 })
    run.form(d, c, b, a)
    expect(run.places).toHaveLength(2)
  })
})

describe('commits', () => {
  test('repeated, different, late, of the future, of strangers', () => {
    const run = formed()
    const { commit, reveal } = run.work(a)
    expect(run.say(a, commit)).toBe('accept OK')
    expect(run.say(a, commit)).toBe('ignore DUPLICATE')
    expect(run.say(a, { kind: 'commit', round: 0, hash: hashOf('another') })).toBe('reject EQUIVOCATION')
    expect(run.say(b, { kind: 'commit', round: 1, hash: hashOf('x') })).toBe('reject FUTURE')
    expect(run.say(d, run.work(a).commit)).toBe('ignore UNKNOWN_SENDER')
    run.send({ kind: 'join', worker: d, fresh: true })
    expect(run.say(d, run.work(a).commit)).toBe('ignore NOT_IN_ROUND')
    run.say(b, run.work(b).commit)
    run.pass(2000)
    expect(run.phase).toBe('reveal')
    expect(run.say(c, run.work(c).commit)).toBe('ignore LATE')
    run.say(a, reveal)
    run.say(b, run.work(b).reveal)
    expect(run.state.round).toBe(1)
    expect(run.say(a, commit)).toBe('ignore LATE')
    expect(admittedIn(run, 0)).toEqual([a, b])
    expect(codesOf(run, 0)).toEqual({ [c]: 'NOT_COMMITTED' })
  })

  test('the others have a grace after the quorum, and the deadline holds before it', () => {
    const run = formed()
    run.pass(5000)
    run.say(a, run.work(a).commit)
    run.pass(4000)
    expect(run.phase, 'one of three is no quorum: no grace runs').toBe('commit')
    run.say(b, run.work(b).commit)
    run.pass(800)
    expect(run.phase).toBe('commit')
    run.pass(200)
    expect(run.phase, 'the deadline of training comes before the end of the grace').toBe('reveal')
  })

  test('all have committed: nobody waits', () => {
    const run = formed()
    for (const worker of [a, b, c]) run.say(worker, run.work(worker).commit)
    expect(run.phase).toBe('reveal')
    expect(run.broadcasts().at(-1)).toMatchObject({
      kind: 'revealOpen',
      commits: [{ worker: a }, { worker: b }, { worker: c }],
    })
  })
})

describe('reveals', () => {
  function committed(): VirtualHead {
    const run = formed()
    for (const worker of [a, b, c]) run.say(worker, run.work(worker).commit)
    return run
  }

  test('early, uncommitted, mismatching, repeated, late', () => {
    const run = formed()
    run.say(a, run.work(a).commit)
    expect(run.say(a, run.work(a).reveal)).toBe('reject EARLY_REVEAL')
    expect(run.say(b, run.work(b).reveal)).toBe('ignore NOT_COMMITTED')
    run.say(b, run.work(b).commit)
    run.pass(2000)
    expect(run.say(c, run.work(c).reveal)).toBe('ignore NOT_COMMITTED')
    expect(run.say(a, { ...run.work(a).reveal, salt: hashOf('guess') })).toBe('reject REVEAL_MISMATCH')
    expect(run.say(a, run.work(b).reveal), 'a copy of another’s').toBe('reject REVEAL_MISMATCH')
    expect(run.say(a, run.work(a).reveal)).toBe('accept OK')
    expect(run.say(a, run.work(a).reveal)).toBe('ignore DUPLICATE')
    run.aggregates = false
    run.pass(3000)
    expect(run.phase).toBe('aggregate')
    expect(run.say(b, run.work(b).reveal)).toBe('ignore LATE')
  })

  test('a member that never reveals is left out at the deadline', () => {
    const run = committed()
    for (const worker of [a, b]) run.say(worker, run.work(worker).reveal)
    run.pass(2800)
    expect(run.state.round).toBe(0)
    run.pass(200)
    expect(codesOf(run, 0)).toEqual({ [c]: 'NOT_REVEALED' })
  })

  test.each([
    ['TRACE_LENGTH', { trace: [rules.emptyLocalState, hashOf('end')] }],
    ['TRACE_LENGTH', { trace: [] }],
    ['TOKENS_WRONG', { tokens: 65 }],
    ['TRACE_DISCONTINUOUS', { trace: ['elsewhere', '1', '2', '3'].map(hashOf) }],
  ])('%s stands in the manifest', (code, change) => {
    const run = formed()
    const work = run.work(a, change)
    run.say(a, work.commit)
    for (const worker of [b, c]) run.say(worker, run.work(worker).commit)
    expect(run.say(a, work.reveal)).toBe('accept OK')
    for (const worker of [b, c]) run.say(worker, run.work(worker).reveal)
    expect(codesOf(run, 0)).toEqual({ [a]: code })
    expect(admittedIn(run, 0)).toEqual([b, c])
    expect(run.notes()).toContain(code)
  })

  test('a trace goes on from the last admitted local state, or from the empty one', () => {
    const run = formed()
    run.round(a, b, c)
    expect(run.state.members.get(a)!.localState).toBe(workOf(a, 0, rules.emptyLocalState).end)
    const again = workOf(a, 1, rules.emptyLocalState)
    const works = [
      [a, again],
      [b, run.work(b)],
      [c, workOf(c, 1, workOf(b, 0, rules.emptyLocalState).end)],
    ] as const
    for (const [worker, { commit }] of works) run.say(worker, commit)
    for (const [worker, { reveal }] of works) run.say(worker, reveal)
    expect(admittedIn(run, 1)).toEqual([a, b])
    expect(codesOf(run, 1)).toEqual({ [c]: 'TRACE_DISCONTINUOUS' })
    expect(run.state.members.get(a)!.localState).toBe(again.end)
    // Refused: it is still held to where it was.
    expect(run.state.members.get(c)!.localState).toBe(workOf(c, 0, rules.emptyLocalState).end)
  })

  test('what admission refuses stands in the manifest', () => {
    const run = formed()
    run.aggregates = false
    run.round(a, b, c)
    run.aggregated(0, [a, b], [{ worker: c, code: 'NORM_TOO_LARGE' }], false)
    expect(codesOf(run, 0)).toEqual({ [c]: 'NORM_TOO_LARGE' })
    expect(run.state.members.get(c)).toMatchObject({ misses: 1, localState: rules.emptyLocalState })
  })

  test('an aggregation that comes twice, or of another round, changes nothing', () => {
    const run = formed()
    run.aggregates = false
    run.round(a, b, c)
    run.aggregated(7, [a], [], false)
    expect(run.manifests).toHaveLength(0)
    run.aggregated(0, [a, b, c], [], false)
    run.aggregated(0, [a], [], false)
    expect(run.manifests).toHaveLength(1)
  })
})

describe('workers that go', () => {
  test.each([
    ['while training', (run: VirtualHead) => run.send({ kind: 'lost', worker: c })],
    [
      'after its commit',
      (run: VirtualHead) => {
        run.say(c, run.work(c).commit)
        run.send({ kind: 'lost', worker: c })
      },
    ],
  ])('one lost %s: the round goes on at once', (_, lose) => {
    const run = formed()
    lose(run)
    for (const worker of [a, b]) run.say(worker, run.work(worker).commit)
    expect(run.phase).toBe('reveal')
    for (const worker of [a, b]) run.say(worker, run.work(worker).reveal)
    expect(run.state.round).toBe(1)
    expect(run.places).toEqual([a, b])
    expect(run.notes()).toContain('WORKER_LOST')
  })

  test('one lost before its reveal', () => {
    const run = formed()
    for (const worker of [a, b, c]) run.say(worker, run.work(worker).commit)
    for (const worker of [a, b]) run.say(worker, run.work(worker).reveal)
    run.send({ kind: 'lost', worker: c })
    expect(codesOf(run, 0)).toEqual({ [c]: 'NOT_REVEALED' })
  })

  test('nobody commits: the round is void and the chain goes on', () => {
    const run = formed()
    run.pass(10_000)
    expect(run.manifests[0]).toMatchObject({
      entries: [],
      baseRoot: rules.initialRoot,
      stateRoot: rules.initialRoot,
    })
    expect(run.notes()).toContain('BELOW_QUORUM')
    expect(run.phase).toBe('train')
    run.round(a, b, c)
    expect(run.manifests[1]!.parent).not.toBeNull()
    expect(run.state.parent).not.toBe(run.manifests[1]!.parent)
    expect(run.manifests[1]!.baseRoot).toBe(rules.initialRoot)
    expect(admittedIn(run, 1)).toEqual([a, b, c])
  })

  test('below the quorum nothing moves, and nobody’s local state', () => {
    const run = formed()
    run.say(a, run.work(a).commit)
    run.pass(10_000)
    run.say(a, run.work(a).reveal)
    expect(codesOf(run, 0)).toEqual({ [a]: 'BELOW_QUORUM', [b]: 'NOT_COMMITTED', [c]: 'NOT_COMMITTED' })
    expect(run.state.stateRoot).toBe(rules.initialRoot)
    expect(run.state.members.get(a)!.localState).toBe(rules.emptyLocalState)
  })

  test('a member that misses three rounds warms up again', () => {
    const run = formed({ rounds: 8 })
    for (let round = 0; round < 3; round++) {
      expect(run.places).toContain(c)
      for (const worker of [a, b]) run.say(worker, run.work(worker).commit)
      run.pass(2000)
      for (const worker of [a, b]) run.say(worker, run.work(worker).reveal)
    }
    expect(run.places).toEqual([a, b])
    run.send({ kind: 'ready', worker: c, round: 3 })
    run.round(a, b)
    expect(run.places).toEqual([a, b, c])
  })

  test('all lost: the run waits, and goes on from where it was when they return', () => {
    const run = formed()
    run.round(a, b, c)
    const { stateRoot } = run.state
    for (const worker of [a, b, c]) run.send({ kind: 'lost', worker })
    expect(run.phase).toBe('forming')
    expect(run.notes()).toContain('NO_WORKERS')
    expect(pendingReason(run.state)).not.toBeNull()
    run.pass(60_000)
    expect(run.state.round).toBe(2)
    expect(run.say(a, { kind: 'commit', round: 2, hash: hashOf('x') })).toBe('ignore NOT_IN_ROUND')
    run.form(a, b, c)
    expect(run.broadcasts().at(-1)).toMatchObject({
      kind: 'roundOpen',
      round: 2,
      stateRoot,
      slots: slotsOf(a, b, c),
    })
    run.round(a, b, c)
    run.round(a, b, c)
    expect(run.phase).toBe('settle-roots')
  })

  test('who joins in the middle of a round is a member of the next one, once it is ready', () => {
    const run = formed({ rounds: 8 })
    run.send({ kind: 'join', worker: d, fresh: true })
    run.round(a, b, c)
    expect(run.places).toEqual([a, b, c])
    run.send({ kind: 'ready', worker: d, round: 1 })
    expect(run.places).toEqual([a, b, c])
    run.round(a, b, c)
    expect(run.places).toEqual([a, b, c, d])
    run.round(a, b, c, d)
    expect(admittedIn(run, 2)).toEqual([a, b, c, d])
  })
})

describe('ejection', () => {
  const rejoin = (run: VirtualHead, worker: WorkerId) => {
    expect(run.send({ kind: 'join', worker, fresh: true })).toBe('reject EJECTED')
    run.send({ kind: 'lost', worker })
    run.send({ kind: 'ready', worker, round: run.state.round })
    expect(run.state.members.get(worker)?.status).toBe('ejected')
  }

  test('the ejected stay out, and what they revealed', () => {
    const run = formed()
    for (const worker of [a, b, c]) run.say(worker, run.work(worker).commit)
    run.say(a, run.work(a).reveal)
    run.send({ kind: 'eject', worker: a, code: 'SEGMENT_MISMATCH' })
    rejoin(run, a)
    for (const worker of [b, c]) run.say(worker, run.work(worker).reveal)
    expect(codesOf(run, 0)).toEqual({ [a]: 'EJECTED' })
    expect(run.places).toEqual([b, c])
    expect(run.notes()).toContain('SEGMENT_MISMATCH')
  })

  test('nobody waits for the commit of the ejected, nor takes it', () => {
    const run = formed()
    for (const worker of [b, c]) run.say(worker, run.work(worker).commit)
    run.send({ kind: 'eject', worker: a, code: 'X' })
    expect(run.phase).toBe('reveal')
    const other = formed()
    other.send({ kind: 'eject', worker: a, code: 'X' })
    expect(other.say(a, other.work(a).commit)).toBe('ignore EJECTED')
  })

  test('an audit that fails after the last round still ejects', () => {
    const run = formed()
    run.send({ kind: 'stop', reason: 'stopped' })
    run.send({ kind: 'eject', worker: a, code: 'X' })
    expect(run.state.members.get(a)?.status).toBe('ejected')
    expect(run.phase).toBe('ended')
  })
})

describe('roots and ends', () => {
  test('roots are recorded however late, and a divergence is noted', () => {
    const run = formed()
    run.round(a, b, c)
    const root = (round: number, text = run.state.stateRoot) =>
      ({ kind: 'stateRoot', round, root: text, checkpoint: null }) as const
    expect(run.say(a, root(0))).toBe('accept OK')
    expect(run.say(a, root(0))).toBe('ignore DUPLICATE')
    expect(run.say(b, root(0, hashOf('elsewhere')))).toBe('accept OK')
    expect(run.notes()).toContain('STATE_DIVERGED')
    // A head before this one may have published that round: no fault.
    expect(run.say(c, root(1))).toBe('ignore FUTURE')
    run.send({ kind: 'stop', reason: 'enough' })
    expect(run.say(c, root(0))).toBe('accept OK')
    expect([...run.state.roots.get(0)!.keys()]).toEqual([a, b, c])
  })

  test('a stop between epochs ends the run at once, and nothing moves it again', () => {
    const run = formed()
    run.round(a, b, c)
    run.round(a, b, c)
    run.send({ kind: 'stop', reason: 'enough' })
    expect(run.broadcasts().at(-1)).toEqual({
      kind: 'runEnd',
      rounds: 2,
      reason: 'enough',
      newest: run.state.parent,
    })
    const { state } = run
    const before = run.effects.length
    expect(run.say(a, run.work(a).commit)).toBe('ignore RUN_OVER')
    run.send({ kind: 'join', worker: d, fresh: true })
    run.send({ kind: 'stop', reason: 'again' })
    run.pass(60_000)
    expect(run.state).toBe(state)
    expect(run.effects).toHaveLength(before)
  })

  test('a fault of the head’s own fails the run', () => {
    const run = formed()
    run.send({ kind: 'fail', code: 'STATE_NOT_FINITE', message: 'the run has diverged' })
    expect(run.effects.slice(-2)).toMatchObject([
      { message: { body: { kind: 'runEnd', rounds: 0, reason: 'STATE_NOT_FINITE: the run has diverged' } } },
      { kind: 'fail', code: 'STATE_NOT_FINITE', message: 'the run has diverged' },
    ])
    run.pass(60_000)
    expect(run.state.phase).toMatchObject({ kind: 'failed' })
  })

  test('the head’s own words change nothing', () => {
    const run = formed()
    expect(run.say(head, { kind: 'runEnd', rounds: 0, reason: 'x', newest: null })).toBe('ignore OWN_MESSAGE')
    expect(run.say(a, { kind: 'runEnd', rounds: 0, reason: 'x', newest: null })).toBe('reject NOT_THE_HEAD')
    expect(run.phase).toBe('train')
  })
})
