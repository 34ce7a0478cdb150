import { describe, expect, test } from 'vitest'
import { rules } from '../coordinator/round/fixtures/virtual-head.ts'
import { peer } from '../protocol/fixtures/names.ts'
import { SmallCluster } from './fixtures/small-cluster.ts'

const names = [peer(1), peer(2), peer(3)]

/** What must hold at the end, whoever led meanwhile. */
function checkEnd(cluster: SmallCluster): void {
  const { head, workers } = cluster
  expect(head.phase).toBe('ended')
  const chain = cluster.chainTo(head.state.parent)
  expect(chain.map(({ round }) => round)).toEqual([0, 1, 2, 3])
  let [root, term] = [rules.initialRoot, 0]
  for (const manifest of chain) {
    expect(manifest.baseRoot).toBe(root)
    expect(manifest.term).toBeGreaterThanOrEqual(term)
    ;[root, term] = [manifest.stateRoot, manifest.term]
    for (const { worker, trace, tokens } of manifest.entries) {
      // A replay of the place that the manifest names gives what was contributed.
      const slot = manifest.slots.findIndex((slot) => slot.worker === worker)
      const { steps } = manifest.slots[slot]!
      const trained = workers.get(worker)!.places.get(trace.at(-1)!)
      expect(trained).toEqual({ slot, memberCount: manifest.slots.length, steps })
      expect(tokens).toBe(steps * rules.tokensPerStep)
    }
  }
  for (const { state, commits } of workers.values()) {
    expect(state).toMatchObject({ phase: { kind: 'ended' }, round: 4, stateRoot: root })
    const perTerm = new Map<string, string>()
    for (const commit of commits) {
      const [term, round, hash] = commit.split(' ')
      const key = `${term} ${round}`
      expect(perTerm.get(key) ?? hash, 'no worker commits twice in a term').toBe(hash)
      perTerm.set(key, hash!)
    }
  }
}

test('without a fault everyone is in every round', () => {
  const cluster = new SmallCluster(names, 1)
  cluster.run()
  checkEnd(cluster)
  expect(cluster.head.manifests.map(({ entries }) => entries.length)).toEqual([3, 3, 3, 3])
})

describe.each([
  { lag: 0, adopts: false },
  { lag: 1, adopts: true },
  { lag: 1, adopts: false },
  { lag: 6, adopts: true },
  { lag: 6, adopts: false },
  { lag: 40, adopts: true },
  { lag: 40, adopts: false },
])('the head dies at any message, its last $lag records lost, adopting rounds: $adopts', (how) => {
  test.each([true, false])('messages under way dropped: %s', (drops) => {
    for (let at = 0; at < 110; at += 7) {
      const cluster = new SmallCluster(names, at)
      cluster.run(at)
      // That the run is over is told only when a standby has it in its log: workers leave on that word.
      if (cluster.head.phase === 'ended' && how.lag > 0) break
      cluster.takeover(9, { ...how, drops })
      cluster.run()
      checkEnd(cluster)
      // With the whole log nothing is lost: every round has everyone's work.
      if (how.lag === 0 && !drops)
        expect(cluster.chainTo(cluster.head.state.parent).every(({ entries }) => entries.length === 3)).toBe(
          true,
        )
    }
  })
})

test('two heads die, and the first comes back', () => {
  for (let at = 5; at < 100; at += 6) {
    const cluster = new SmallCluster(names, at)
    cluster.run(at)
    if (cluster.head.phase === 'ended') break
    cluster.takeover(9, { lag: 2, adopts: true, drops: false })
    cluster.run(at + 20)
    if (cluster.head.phase === 'ended') break
    cluster.takeover(16, { lag: 3, adopts: at % 2 === 0, drops: true })
    cluster.run()
    checkEnd(cluster)
  }
})
