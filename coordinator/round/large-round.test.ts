import { Map as PersistentMap } from 'immutable'
import { expect, test, vi } from 'vitest'
import { peer } from '../../protocol/fixtures/names.ts'
import type { WorkerId } from '../../protocol/ids.ts'
import { below, drawsAt } from '../../protocol/random.ts'
import { VirtualHead } from './fixtures/virtual-head.ts'

function shuffled(workers: readonly WorkerId[], place: number): WorkerId[] {
  const draw = drawsAt(7, 'sampling', [place, 0])
  const order = [...workers]
  for (let last = order.length - 1; last > 0; last--) {
    const other = below(last + 1, draw())
    ;[order[last], order[other]] = [order[other]!, order[last]!]
  }
  return order
}

/** Look-ups in members, commits and reveals that one round of `count` workers takes, who answer in any order. */
function lookupsOf(count: number): number {
  const workers = Array.from({ length: count }, (_, index) => peer(index))
  const run = new VirtualHead({ minWorkers: count, maxWorkers: count })
  run.checks = false
  run.form(...workers)
  expect(run.places).toHaveLength(count)
  const works = new Map(workers.map((worker) => [worker, run.work(worker)]))
  const lookups = vi.spyOn(PersistentMap.prototype, 'get')
  for (const worker of shuffled(workers, 1)) run.say(worker, works.get(worker)!.commit)
  expect(run.phase).toBe('reveal')
  for (const worker of shuffled(workers, 2)) run.say(worker, works.get(worker)!.reveal)
  const { length } = lookups.mock.calls
  lookups.mockRestore()
  expect(run.manifests[0]!.entries).toHaveLength(count)
  expect(run.state.round).toBe(1)
  // One effect each for the opening, the reveals, the aggregation, the manifest and the next opening.
  expect(run.effects.length).toBeLessThan(12)
  return length
}

test('a round of 1,000 members takes the head little more per member than one of 250', () => {
  const [few, many] = [lookupsOf(250), lookupsOf(1000)]
  expect(many / 1000).toBeLessThan(2 * (few / 250))
  expect(many).toBeLessThan(100 * 1000)
})

test('what is kept does not grow with the rounds', () => {
  const run = new VirtualHead({ rounds: 400, minWorkers: 1 })
  run.checks = false
  const worker = peer(1)
  run.form(worker)
  for (let round = 0; round < 399; round++) {
    run.round(worker)
    const { stateRoot } = run.state
    run.say(worker, { kind: 'stateRoot', round, root: stateRoot, checkpoint: null })
  }
  expect(run.state.roots.size).toBe(256)
  expect(run.state.members.size).toBe(1)
  const { stateRoot } = run.state
  expect(run.say(worker, { kind: 'stateRoot', round: 3, root: stateRoot, checkpoint: null })).toBe(
    'ignore LATE',
  )
  expect(run.state.roots.size).toBe(256)
})
