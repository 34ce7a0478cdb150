import { describe, expect, test } from 'vitest'
import { cidOf, hashOf, peer } from '../../protocol/fixtures/names.ts'
import type { GossipBody } from '../../protocol/wire.ts'
import { head, heads, manifestCid, nextRoot, rules, VirtualHead, workOf } from './fixtures/virtual-head.ts'
import type { AdoptedManifest } from './state.ts'

const [a, b, c, d] = [peer(1), peer(2), peer(3), peer(4)]
const [standby, third] = [heads[1]!, heads[2]!]
/** Terms of the second head, and of the first after it. */
const [second, again] = [9, 16]

function formed(change: Partial<typeof rules> = {}): VirtualHead {
  const run = new VirtualHead(change)
  run.form(a, b, c)
  return run
}
const slotsOf = (...workers: (typeof a)[]) => workers.map((worker) => ({ worker, steps: rules.innerSteps }))
const commitAll = (run: VirtualHead) => {
  for (const worker of [a, b, c]) run.say(worker, run.work(worker).commit)
}
/** Only the standing of the run is told: no place is given yet. */
const standingAt = (run: VirtualHead, round: number) => ({
  kind: 'roundOpen',
  ...{ round, stateRoot: run.state.stateRoot, parent: run.state.parent, slots: [] },
})

describe('a standby leads on from the log', () => {
  test('forming: it tells where the run stands', () => {
    const old = new VirtualHead()
    old.send({ kind: 'join', worker: a, fresh: true })
    const next = old.successor(second)
    expect(next.broadcasts()).toEqual([standingAt(next, 0)])
    next.form(b, c)
    next.send({ kind: 'ready', worker: a, round: 0 })
    expect(next.places).toEqual([a, b, c])
  })

  test('warmup: its time begins anew', () => {
    const old = new VirtualHead({ minWorkers: 2 })
    for (const worker of [a, b, c]) old.send({ kind: 'join', worker, fresh: true })
    old.send({ kind: 'ready', worker: a, round: 0 })
    old.send({ kind: 'ready', worker: b, round: 0 })
    old.now += 60_000
    const next = old.successor(second)
    expect(next.phase).toBe('warmup')
    expect(next.broadcasts()).toEqual([standingAt(next, 0)])
    next.pass(1000)
    expect(next.places).toEqual([a, b])
  })

  test('train: the same places, and a whole new deadline', () => {
    const old = formed()
    old.now += 60_000
    const next = old.successor(second)
    expect(next.broadcasts()).toEqual([
      { kind: 'roundOpen', round: 0, stateRoot: rules.initialRoot, parent: null, slots: slotsOf(a, b, c) },
    ])
    next.pass(9_800)
    expect(next.state.round).toBe(0)
    next.pass(200)
    expect(next.state.round).toBe(1)
    expect(next.notes()).toContain('HEAD_TOOK_OVER')
  })

  test('commit: what was committed stands, and the others have their grace', () => {
    const old = formed()
    old.say(a, old.work(a).commit)
    old.say(b, old.work(b).commit)
    old.now += 60_000
    const next = old.successor(second)
    expect(next.phase).toBe('commit')
    expect(next.say(a, next.work(a).commit)).toBe('ignore DUPLICATE')
    next.pass(1_800)
    expect(next.phase).toBe('commit')
    next.pass(200)
    expect(next.phase).toBe('reveal')
    for (const worker of [a, b]) next.say(worker, next.work(worker).reveal)
    expect(next.manifests[0]).toMatchObject({ term: second, entries: [{ worker: a }, { worker: b }] })
  })

  test('reveal: opened and asked for again', () => {
    const old = formed()
    commitAll(old)
    old.say(a, old.work(a).reveal)
    const next = old.successor(second)
    expect(next.broadcasts().map(({ kind }) => kind)).toEqual(['roundOpen', 'revealOpen'])
    expect(next.say(a, next.work(a).reveal)).toBe('ignore DUPLICATE')
    for (const worker of [b, c]) next.say(worker, next.work(worker).reveal)
    expect(next.manifests[0]!.entries.map(({ worker }) => worker)).toEqual([a, b, c])
  })

  test('aggregate: the same reveals in the same order', () => {
    const old = formed()
    old.aggregates = false
    old.round(c, a, b)
    const asked = old.effects.find(({ kind }) => kind === 'aggregate')
    const next = old.successor(second)
    expect(next.effects.find(({ kind }) => kind === 'aggregate')).toEqual(asked)
    expect(next.manifests[0]).toMatchObject({ term: second, round: 0 })
    expect(next.state.round).toBe(1)
  })

  test('publish: the same manifest, in the term of whoever signs it', () => {
    const old = formed()
    old.publishes = false
    old.round(a, b, c)
    const [signed] = old.manifests
    expect(signed!.term).toBe(8)
    const restarted = old.successor(again)
    expect(restarted.manifests[0], 'the very bytes that it may have published already').toEqual(signed)
    const other = old.successor(second)
    expect(other.manifests[0]).toEqual({ ...signed, term: second })
    for (const next of [restarted, other]) {
      expect(next.broadcasts().map(({ kind }) => kind)).toEqual(['manifest', 'roundOpen'])
      expect(next.state).toMatchObject({ round: 1, leading: true })
    }
  })

  test('settle-roots: workers hear of the term, and their roots count in it', () => {
    const old = formed({ rounds: 2 })
    old.round(a, b, c)
    old.round(a, b, c)
    const root = old.state.stateRoot
    const said = { kind: 'stateRoot', round: 1, root, checkpoint: null } as const
    old.say(a, said)
    old.now += 60_000
    const next = old.successor(second)
    expect(next.broadcasts()).toEqual([standingAt(next, 2)])
    expect(next.phase).toBe('settle-roots')
    expect(next.say(b, said, 8)).toBe('ignore OTHER_TERM')
    next.say(b, said)
    next.say(c, said)
    expect(next.phase, 'what the old head heard counts').toBe('ended')
  })

  test('paused: nothing begins until its owner wants it', () => {
    const old = formed()
    old.send({ kind: 'pause' })
    old.round(a, b, c)
    const next = old.successor(second)
    expect(next.phase).toBe('paused')
    expect(next.broadcasts()).toEqual([standingAt(next, 1)])
    next.send({ kind: 'resume' })
    expect(next.places).toEqual([a, b, c])
  })

  test.each([
    ['ended', { kind: 'stop', reason: 'enough' }],
    ['failed', { kind: 'fail', code: 'STATE_NOT_FINITE', message: 'diverged' }],
  ] as const)('%s: the end is told again in the new term', (phase, event) => {
    const old = formed()
    old.send(event)
    const next = old.successor(second)
    expect(next.phase).toBe(phase)
    expect(next.effects.at(-2)).toMatchObject({
      message: { term: second, body: { kind: 'runEnd', rounds: 0 } },
    })
    expect(next.effects.at(-1)!.kind).toBe(phase === 'ended' ? 'end' : 'fail')
    next.send({ kind: 'eject', worker: a, code: 'X' })
    expect(next.state.members.get(a)?.status).toBe('ejected')
  })

  test('with any part of the log, from any point on, the run ends with the same rounds', () => {
    const whole = formed({ rounds: 2 })
    whole.round(a, b, c)
    whole.round(a, b, c)
    for (let length = 2; length <= whole.log.length; length++) {
      const next = whole.successor(second, length)
      if (next.state.round === 0 && next.places.length === 0) next.form(a, b, c)
      while (next.state.round < 2) next.round(a, b, c)
      expect(next.manifests.at(-1)?.stateRoot ?? next.state.stateRoot).toBe(whole.state.stateRoot)
    }
  })
})

describe('fencing', () => {
  test('a head that is no longer leading changes nothing', () => {
    const run = formed()
    run.send({ kind: 'deposed', term: second })
    const { state } = run
    expect(run.say(a, run.work(a).commit)).toBe('ignore NOT_LEADING')
    run.pass(60_000)
    for (const event of [
      { kind: 'stop', reason: 'x' },
      { kind: 'pause' },
      { kind: 'fail', code: 'X', message: '' },
    ] as const)
      expect(run.send(event)).toBe('ignore NOT_LEADING')
    expect(run.send({ kind: 'join', worker: d, fresh: true })).toBe('ignore NOT_LEADING')
    expect(run.state).toBe(state)
    expect(run.broadcasts()).toHaveLength(1)
  })

  test('a head that only keeps the log acts on nothing', () => {
    const kept = formed().successor(0)
    kept.state = { ...kept.state, leading: false }
    kept.pass(60_000)
    expect(kept.effects).toEqual([])
  })

  test('it learns from another head’s word that it is deposed, and can lead again in a term of its own', () => {
    const run = formed()
    const body = {
      kind: 'roundOpen',
      round: 0,
      stateRoot: hashOf('x'),
      parent: null,
      slots: [],
    } satisfies GossipBody
    expect(run.say(third, body, second)).toBe('reject NOT_THE_HEAD')
    run.say(standby, body, second)
    expect(run.effects.at(-1)).toEqual({ kind: 'deposed', term: second })
    run.send({ kind: 'deposed', term: second })
    run.send({ kind: 'lead', term: again, heads })
    expect(run.state).toMatchObject({ term: again, leading: true })
    commitAll(run)
    expect(run.phase).toBe('reveal')
  })

  test('a commit of the older term, or of a term to come, is nobody’s', () => {
    const next = formed().successor(second)
    const { commit } = next.work(a)
    expect(next.say(a, commit, 8)).toBe('ignore OTHER_TERM')
    expect(next.say(a, commit, again)).toBe('ignore OTHER_TERM')
    expect(next.say(a, commit)).toBe('accept OK')
    expect(next.say(head, { kind: 'runEnd', rounds: 0, reason: '', newest: null }, 8)).toBe(
      'ignore STALE_TERM',
    )
  })

  test('leading a term twice, or an older one, is a broken head', () => {
    const run = formed()
    expect(() => run.send({ kind: 'lead', term: 8, heads })).toThrow('invariant')
  })

  test('a root of a round that this head lacks is no fault', () => {
    const next = formed().successor(second)
    const said = { kind: 'stateRoot', round: 4, root: hashOf('x'), checkpoint: null } as const
    expect(next.say(a, said)).toBe('ignore FUTURE')
    expect(next.state.roots.size).toBe(0)
  })
})

describe('commits from before the takeover', () => {
  test('a worker that trained again is not rejected; what came first stands', () => {
    const old = formed()
    old.say(a, old.work(a).commit)
    const next = old.successor(second)
    const fresh = next.work(a, { salt: hashOf('another salt') })
    expect(next.say(a, fresh.commit)).toBe('ignore INHERITED')
    for (const worker of [b, c]) next.say(worker, next.work(worker).commit)
    expect(next.say(a, next.work(a).reveal)).toBe('accept OK')
  })

  test('in the rounds after it, a second commit is an equivocation again', () => {
    const old = formed()
    old.say(a, old.work(a).commit)
    const next = old.successor(second)
    next.round(a, b, c)
    next.say(a, next.work(a).commit)
    expect(next.say(a, next.work(a, { salt: hashOf('x') }).commit)).toBe('reject EQUIVOCATION')
  })

  test('a round of another head tells nothing of speeds', () => {
    const old = formed()
    old.now += 1000
    const next = old.successor(second)
    next.now += 10
    next.say(a, next.work(a).commit)
    expect(next.state.members.get(a)!.tokensPerSecond).toBe(0)
  })
})

describe('rounds that only the workers hold', () => {
  /** The rounds of `run` from `from` on, as a head that took over would get them from workers. */
  const heldOf = (run: VirtualHead, from: number): AdoptedManifest[] =>
    run.manifests.slice(from).map((manifest) => ({ manifest, cid: manifestCid(manifest) }))

  test('are as if this head had published them: no epoch is lost, and none is trained twice', () => {
    const old = formed()
    const { length } = old.log
    for (let round = 0; round < 3; round++) old.round(a, b, c)
    const next = old.successor(0, length)
    next.send({ kind: 'adopt', manifests: heldOf(old, 0) })
    expect(next.effects.filter(({ kind }) => kind === 'close-epoch')).toEqual([
      { kind: 'close-epoch', epoch: 0, lastManifest: manifestCid(old.manifests[1]!) },
    ])
    next.send({ kind: 'lead', term: second, heads })
    expect(next.broadcasts().at(-1)).toMatchObject({
      ...{ kind: 'roundOpen', round: 3, stateRoot: old.state.stateRoot, parent: old.state.parent },
      slots: slotsOf(a, b, c),
    })
    // Their local states are known: the next traces go on from them.
    next.round(a, b, c)
    expect(next.manifests[0]!.entries).toHaveLength(3)
    expect(next.state.inherited).toBe(false)
  })

  test('a worker that this head never heard of keeps its local state', () => {
    const old = formed()
    const { length } = old.log
    old.send({ kind: 'join', worker: d, fresh: true })
    old.send({ kind: 'ready', worker: d, round: 0 })
    old.round(a, b, c)
    old.round(a, b, c, d)
    const next = old.successor(0, length)
    next.send({ kind: 'adopt', manifests: heldOf(old, 0) })
    next.send({ kind: 'lead', term: second, heads })
    expect(next.state.members.get(d)).toMatchObject({
      status: 'lost',
      localState: workOf(d, 1, rules.emptyLocalState).end,
    })
    next.send({ kind: 'join', worker: d, fresh: false })
    next.send({ kind: 'ready', worker: d, round: 2 })
    next.round(a, b, c)
    expect(next.places).toEqual([a, b, c, d])
    next.round(a, b, c, d)
    expect(next.manifests.at(-1)!.entries.map(({ worker }) => worker)).toEqual([a, b, c, d])
  })

  test('the last round of all: only its roots are waited for', () => {
    const old = formed({ rounds: 2 })
    const { length } = old.log
    old.round(a, b, c)
    old.round(a, b, c)
    const next = old.successor(0, length)
    next.send({ kind: 'adopt', manifests: heldOf(old, 0) })
    next.send({ kind: 'lead', term: second, heads })
    expect(next.phase).toBe('settle-roots')
    next.pass(15_200)
    expect(next.phase).toBe('ended')
  })

  test('a run whose epoch was closed early was stopped: it is not trained on, though the log has no stop', () => {
    const stopped = formed({ roundsPerEpoch: 4 })
    const before = stopped.log.length
    stopped.round(a, b, c)
    stopped.send({ kind: 'stop', reason: 'enough' })
    expect(stopped.phase).toBe('ended')
    const next = stopped.successor(0, before)
    next.send({ kind: 'adopt', manifests: heldOf(stopped, 0) })
    next.send({ kind: 'lead', term: second, heads })
    expect(next.phase).toBe('ended')
    expect(
      next.effects.filter(({ kind }) => kind === 'close-epoch'),
      'the epoch closes once',
    ).toHaveLength(1)
    expect(next.broadcasts().at(-1)).toMatchObject({
      kind: 'runEnd',
      rounds: 2,
      newest: stopped.state.parent,
    })
  })

  test('a stop that waited for the round under way is obeyed after it', () => {
    const old = formed({ roundsPerEpoch: 4 })
    old.aggregates = false
    old.round(a, b, c)
    old.send({ kind: 'stop', reason: 'enough' })
    const { length } = old.log
    old.aggregated(0, [a, b, c], [], false)
    const next = old.successor(0, length)
    next.send({ kind: 'adopt', manifests: heldOf(old, 0).slice(0, 1) })
    next.send({ kind: 'lead', term: second, heads })
    expect(next.manifests).toMatchObject([{ round: 1, closesEpoch: true, entries: [] }])
    expect(next.state.phase).toEqual({ kind: 'ended', reason: 'enough' })
  })

  test('rounds that do not follow the log are a broken head', () => {
    const old = formed()
    old.round(a, b, c)
    old.round(a, b, c)
    const next = old.successor(0, 8)
    expect(next.state.round).toBe(0)
    expect(() => next.send({ kind: 'adopt', manifests: heldOf(old, 1) })).toThrow('invariant')
    const [first] = heldOf(old, 0)
    const forked = { ...first!, manifest: { ...first!.manifest, baseRoot: hashOf('fork') } }
    expect(() => next.send({ kind: 'adopt', manifests: [forked] })).toThrow('invariant')
    expect(next.send({ kind: 'adopt', manifests: [] })).toBe('accept OK')
  })

  test('another history is led from here', () => {
    const old = formed()
    const { length } = old.log
    old.round(a, b, c)
    const next = old.successor(second, length)
    for (const worker of [b, c]) next.say(worker, next.work(worker).commit)
    next.pass(2000)
    for (const worker of [b, c]) next.say(worker, next.work(worker).reveal)
    expect(next.manifests[0]!.stateRoot).toBe(nextRoot(rules.initialRoot, [b, c]))
    expect(next.manifests[0]!.stateRoot).not.toBe(old.manifests[0]!.stateRoot)
    expect(manifestCid(next.manifests[0]!)).not.toBe(cidOf('manifest 8 0'))
  })
})
