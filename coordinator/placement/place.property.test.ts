import fc from 'fast-check'
import { expect, test } from 'vitest'
import type { RunId } from '../../protocol/ids.ts'
import { groupOf, groupSizes } from './choose.ts'
import { unfit, unfitForever } from './fit.ts'
import { anySituation, applied, node, runOf, type Situation } from './fixtures/views.ts'
import { place } from './place.ts'
import { byQueueOrder, type NodeView, quotaOf, type RunView, unlimited, wants } from './views.ts'

/** Checks what holds of every placement. */
function always(check: (situation: Situation, placed: Placed) => void): void {
  fc.assert(
    fc.property(anySituation, (situation) => check(situation, look(situation))),
    { numRuns: 1_500, seed: 4 },
  )
}

interface Placed extends ReturnType<typeof place> {
  /** Workers of a run afterwards, before, and those that are both. */
  of(run: RunId): readonly NodeView[]
  claimed(run: RunId): readonly NodeView[]
  kept(run: RunId): readonly NodeView[]
}

function look({ nodes, runs, quotas }: Situation): Placed {
  const placed = place(nodes, runs, quotas)
  const of = (run: RunId) => nodes.filter(({ id }) => placed.assignments.get(id) === run)
  const claimed = (run: RunId) => nodes.filter((each) => each.alive && each.run === run)
  return { ...placed, of, claimed, kept: (run) => of(run).filter((each) => each.run === run) }
}

const staying = (nodes: readonly NodeView[]) => nodes.filter(({ draining }) => !draining).length

test('the order of nodes and runs says nothing', () => {
  fc.assert(
    fc.property(
      anySituation.chain((situation) =>
        fc.tuple(
          fc.constant(situation),
          fc.shuffledSubarray([...situation.nodes], { minLength: situation.nodes.length }),
          fc.shuffledSubarray([...situation.runs], { minLength: situation.runs.length }),
        ),
      ),
      ([{ nodes, runs, quotas }, otherNodes, otherRuns]) => {
        const sorted = (placement: ReturnType<typeof place>) =>
          Object.values(placement).map((map: ReadonlyMap<string, unknown>) =>
            [...map].sort(([a], [b]) => (a < b ? -1 : 1)),
          )
        expect(sorted(place(otherNodes, otherRuns, quotas))).toEqual(sorted(place(nodes, runs, quotas)))
      },
    ),
    { numRuns: 1_000, seed: 4 },
  )
})

test('done once, there is nothing left to do: no flapping', () => {
  always(({ nodes, runs, quotas }, { assignments, reserved }) => {
    const again = place(applied(nodes, assignments), runs, quotas)
    expect(new Map([...again.assignments].sort())).toEqual(new Map([...assignments].sort()))
    expect(new Map([...again.reserved].sort())).toEqual(new Map([...reserved].sort()))
  })
})

test('a worker stays with a run that can use it, whatever others want', () => {
  always(({ runs }, { claimed, kept }) => {
    for (const run of runs) {
      if (wants(run.phase) === 'nothing') continue
      const usable = claimed(run.run).filter((each) => unfitForever(each, run) === null)
      const { strategy } = run.spec.placement
      const sizes = [...groupSizes(usable, 'region').values()]
      const most =
        strategy === 'STRICT_PACK'
          ? Math.max(0, ...sizes)
          : strategy === 'STRICT_SPREAD'
            ? sizes.length
            : usable.length
      expect(kept(run.run).length).toBeGreaterThanOrEqual(Math.min(run.spec.workers.max, most))
    }
  })
})

test('only who is there, fits, and is not leaving gets work; nobody works for a run that wants nothing', () => {
  always(({ runs }, { of, reserved }) => {
    for (const run of runs) {
      for (const worker of of(run.run)) {
        expect(worker.alive && wants(run.phase) !== 'nothing').toBe(true)
        expect(run.excluded.has(worker.id) || reserved.has(worker.id)).toBe(false)
        if (worker.run === run.run) continue
        expect(worker.draining || wants(run.phase) === 'hold').toBe(false)
        expect(unfit(worker, run)).toBeNull()
      }
      expect(staying(of(run.run))).toBeLessThanOrEqual(run.spec.workers.max)
    }
  })
})

test('the first workers of a run come together, at least min of them', () => {
  always(({ runs }, { of, kept }) => {
    for (const { run, spec } of runs) {
      if (kept(run).length === 0 && of(run).length > 0) {
        expect(of(run).length).toBeGreaterThanOrEqual(spec.workers.min)
      }
    }
  })
})

test('strict strategies hold of everything a run has', () => {
  always(({ runs }, { of }) => {
    for (const { run, spec } of runs) {
      const groups = of(run).map((each) => groupOf(each, spec.placement.over))
      if (spec.placement.strategy === 'STRICT_PACK') expect(new Set(groups).size).toBeLessThanOrEqual(1)
      if (spec.placement.strategy === 'STRICT_SPREAD') expect(new Set(groups).size).toBe(groups.length)
    }
  })
})

test('an owner gets nothing beyond the quota', () => {
  always(({ runs, quotas }, { of, kept }) => {
    for (const owner of new Set(runs.map((run) => run.owner))) {
      const theirs = runs.filter((run) => run.owner === owner)
      const count = (what: (run: RunId) => readonly NodeView[]) => {
        const each = theirs.map(({ run }) => what(run).length)
        return { workers: each.reduce((sum, n) => sum + n, 0), runs: each.filter((n) => n > 0).length }
      }
      const [now, before, quota] = [count(of), count(kept), quotaOf(quotas, owner)]
      expect(now.workers).toBeLessThanOrEqual(Math.max(before.workers, quota.maxWorkers))
      expect(now.runs).toBeLessThanOrEqual(Math.max(before.runs, quota.maxRuns))
    }
  })
})

const isStrict = ({ spec }: RunView) => spec.placement.strategy.startsWith('STRICT')

test('nothing that a waiting run could use goes to those behind it', () => {
  always(({ runs }, { pending, of }) => {
    for (const waiting of runs) {
      if (pending.get(waiting.run)?.code !== 'NODES_BUSY' || isStrict(waiting)) continue
      for (const other of runs) {
        if (byQueueOrder(other, waiting) <= 0) continue
        for (const worker of of(other.run)) {
          if (worker.run !== other.run) expect(unfit(worker, waiting)).not.toBeNull()
        }
      }
    }
  })
})

test('nothing that somebody could use lies idle', () => {
  always(({ nodes, runs, quotas }, { assignments, reserved, of }) => {
    for (const run of runs) {
      const held = of(run.run)
      if (wants(run.phase) !== 'workers' || held.length === 0 || isStrict(run)) continue
      const used = nodes.filter((each) => {
        const to = assignments.get(each.id)
        return to !== undefined && runs.find((other) => other.run === to)?.owner === run.owner
      }).length
      // What an owner's waiting runs are promised counts too, and is not to be seen from outside.
      const promised = runs.some(
        (other) => other.owner === run.owner && [...reserved.values()].includes(other.run),
      )
      if (promised || used >= quotaOf(quotas, run.owner).maxWorkers) continue
      if (staying(held) >= run.spec.workers.max) continue
      const idle = nodes.filter(
        (each) =>
          each.alive &&
          !each.draining &&
          !assignments.has(each.id) &&
          !reserved.has(each.id) &&
          unfit(each, run) === null,
      )
      expect(idle).toEqual([])
    }
  })
})

test('whoever wants workers and has fewer than min is told why, with counts that add up, and what to do', () => {
  always(({ nodes, runs }, { pending, of }) => {
    for (const run of runs) {
      const reason = pending.get(run.run)
      const waits =
        run.phase === 'paused' ||
        (wants(run.phase) === 'workers' && staying(of(run.run)) < run.spec.workers.min)
      expect(reason !== undefined).toBe(waits)
      if (reason === undefined) continue
      expect(reason.text).not.toMatch(/undefined|NaN|Infinity/)
      expect(reason.fix.length).toBeGreaterThan(10)
      expect(reason.need).toBe(run.spec.workers.min)
      if (reason.reasons.length === 0) continue
      const told = reason.reasons.reduce((sum, { nodes: count }) => sum + count, 0)
      expect(told + reason.have).toBe(nodes.length)
      if (reason.code !== 'BELOW_MIN') expect(reason.have).toBeLessThan(reason.need)
    }
  })
})

test('SPREAD is even, PACK stays in one group that is large enough', () => {
  const groups = fc.record({ eu: fc.nat(6), us: fc.nat(6), asia: fc.nat(6) })
  fc.assert(
    fc.property(groups, fc.integer({ min: 1, max: 8 }), (sizes, max) => {
      const nodes = Object.entries(sizes).flatMap(([region, size]) =>
        Array.from({ length: size }, (_, index) => node(`${region}${index}`, { region })),
      )
      const counts = (strategy: string) => {
        const run = runOf('r', { workers: { max }, placement: { strategy } })
        const { assignments } = place(nodes, [run], unlimited)
        return Object.entries(sizes).map(([region, size]) => ({
          size,
          count: nodes.filter((each) => groupOf(each, 'region') === region && assignments.has(each.id))
            .length,
        }))
      }
      const spread = counts('SPREAD')
      const most = Math.max(...spread.map(({ count }) => count))
      for (const { size, count } of spread) expect(count).toBeGreaterThanOrEqual(Math.min(size, most - 1))
      const packed = counts('PACK').filter(({ count }) => count > 0)
      if (Object.values(sizes).some((size) => size >= max)) expect(packed).toHaveLength(1)
    }),
    { seed: 4 },
  )
})
