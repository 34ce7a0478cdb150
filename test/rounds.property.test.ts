import fc from 'fast-check'
import { expect, test } from 'vitest'
import { quorumCount } from '../coordinator/round/step.ts'
import { rules, VirtualSwarm, type Weather } from './fixtures/virtual-swarm.ts'

const weather: fc.Arbitrary<Weather> = fc.record({
  seed: fc.integer({ min: 0, max: 0x7fffffff }),
  workers: fc.integer({ min: 1, max: 6 }),
  dropped: fc.constantFrom(0, 0.05, 0.3),
  duplicated: fc.constantFrom(0, 0.3),
  maxDelayMs: fc.constantFrom(50, 500, 4000),
  failing: fc.constantFrom(0, 0.1, 0.3),
  outages: fc.integer({ min: 0, max: 4 }),
})

/** Virtual time in which every run must have ended: six rounds of at most 40 s, outages, and every failed try again. */
const limitMs = 3_600_000

function played(of: Weather): VirtualSwarm {
  const swarm = new VirtualSwarm(of)
  swarm.run(limitMs)
  return swarm
}

function check(swarm: VirtualSwarm): void {
  const { headState, manifests } = swarm
  expect(swarm.over, 'head and workers have all ended').toBe(true)
  expect(swarm.rejected, 'honest nodes never reject each other').toEqual([])

  expect(
    manifests.map(({ manifest }) => manifest.round),
    'one manifest a round',
  ).toEqual([...Array(rules.rounds).keys()])
  let [parent, root]: [string | null, string] = [null, rules.initialRoot]
  for (const { manifest, cid } of manifests) {
    expect([manifest.parent, manifest.baseRoot], 'the chain is unbroken').toEqual([parent, root])
    ;[parent, root] = [cid, manifest.stateRoot]
    const { round, entries, refused, members } = manifest
    for (const { worker } of entries)
      expect(swarm.committed, 'admitted means committed').toContain(`${worker} ${round}`)
    const quorum = quorumCount({ ...headState, roundMembers: members })
    expect(entries.length === 0 || entries.length >= quorum, 'a quorum or nothing').toBe(true)
    const named = [...entries, ...refused].map(({ worker }) => worker).sort()
    expect(named, 'every member is told its fate, once').toEqual([...members].sort())
    const blamed = refused.filter(
      ({ code }) => !['NOT_COMMITTED', 'NOT_REVEALED', 'BELOW_QUORUM'].includes(code),
    )
    expect(blamed, 'no honest work is refused').toEqual([])
  }
  expect(headState.stateRoot).toBe(root)

  for (const { state, trainedRounds } of swarm.workers.values()) {
    expect([state.round, state.stateRoot, state.newest], 'every replica ends the same').toEqual([
      rules.rounds,
      root,
      parent,
    ])
    expect(new Set(trainedRounds).size, 'no round is trained twice').toBe(trainedRounds.length)
  }
}

test('in calm weather no round is void, and everyone takes part', () => {
  const calm = { seed: 1, workers: 4, dropped: 0, duplicated: 0, maxDelayMs: 50, failing: 0, outages: 0 }
  const swarm = played(calm)
  check(swarm)
  const admitted = swarm.manifests.map(({ manifest }) => manifest.entries.length)
  expect(Math.max(...admitted)).toBe(4)
  expect(Math.min(...admitted)).toBeGreaterThan(0)
})

test('whatever the weather, the run ends with one history and one state', () => {
  fc.assert(
    fc.property(weather, (of) => check(played(of))),
    { numRuns: Number(process.env.SWARM_RUNS ?? 60), seed: Number(process.env.SWARM_SEED ?? 1) },
  )
})

test('equal weather gives equal history', () => {
  const of = {
    seed: 9,
    workers: 5,
    dropped: 0.3,
    duplicated: 0.3,
    maxDelayMs: 4000,
    failing: 0.3,
    outages: 4,
  }
  expect(played(of).manifests).toEqual(played(of).manifests)
})
