import { expect, test } from 'vitest'
import { accountOf } from '../names.ts'
import { type AdversaryName, noFaults, type Plan, planOf } from '../plan.ts'
import { Simulation } from '../simulation.ts'

const calm: Partial<Plan> = {
  ...{ workers: 7, heads: 1, rounds: 6, quorum: 0.5, adaptive: false, troubleMs: 120_000, graceMs: 600_000 },
  faults: noFaults,
}

function played(adversary: AdversaryName | null): Simulation {
  const simulation = new Simulation(planOf(5, { ...calm, adversary }))
  simulation.play()
  expect(simulation.checks.violations).toEqual([])
  return simulation
}

/** Whether it may be paid: for work that it did do. */
const works = new Set<AdversaryName>(['flooder', 'equivocating-head'])
const all: readonly AdversaryName[] = [
  ...(['liar', 'copycat', 'free-rider', 'flooder', 'withholder'] as const),
  ...(['equivocating-head', 'sybils', 'colluders'] as const),
]

test.each(all)('%s costs the others nothing, and earns nothing that it did not do', (adversary) => {
  const [fair, run] = [played(null), played(adversary)]
  const [head] = run.heads
  const paid = (of: Simulation, number: number, epoch: number) =>
    of.heads[0]!.settler.paid(accountOf(number), epoch)
  const voidRounds = head!.replica.manifests.filter(({ manifest }) => manifest.entries.length === 0)
  expect(voidRounds).toEqual([])
  for (const { number, honest, id } of run.workers) {
    for (const epoch of [0, 1, 2]) {
      if (honest && adversary !== 'equivocating-head')
        expect(paid(run, number, epoch)).toBeGreaterThanOrEqual(paid(fair, number, epoch))
      const rounds = head!.replica.manifests.filter(({ manifest }) => manifest.epoch === epoch)
      const admitted = rounds.filter(({ manifest }) => manifest.entries.some(({ worker }) => worker === id))
      if (honest && adversary !== 'equivocating-head') expect(admitted).toHaveLength(rounds.length)
    }
    const earned = [0, 1, 2].reduce((sum, epoch) => sum + paid(run, number, epoch), 0n)
    // The copycat has nobody to copy in the first round: that one it trains itself.
    if (!honest && !works.has(adversary) && adversary !== 'copycat') expect(earned).toBe(0n)
  }
})
