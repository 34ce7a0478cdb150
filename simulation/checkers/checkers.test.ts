import { expect, test } from 'vitest'
import { noFaults, type Plan } from '../plan.ts'
import { type Sabotage, sabotages } from '../sabotage.ts'
import { simulate } from '../simulate.ts'

/** A calm run, with as much trouble as a sabotage needs to show. */
const calm: Partial<Plan> = {
  ...{ workers: 4, heads: 1, rounds: 6, quorum: 0.5, adversary: null, troubleMs: 60_000, graceMs: 300_000 },
  faults: noFaults,
}
const trouble: Partial<Record<Sabotage, Partial<Plan>>> = {
  'forgetful-head': { faults: { ...noFaults, headCrashes: 2 } },
  'lying-disk': { rounds: 8, troubleMs: 90_000, faults: { ...noFaults, headCrashes: 4 } },
  'harsh-head': { faults: { ...noFaults, duplicationPermille: 300, maxDelayMs: 4_000, lossPermille: 100 } },
  'nobody-returns': { workers: 3, faults: { ...noFaults, headCrashes: 8, workerCrashes: 8 } },
  'hasty-draw': { rounds: 12, troubleMs: 90_000, faults: { ...noFaults, reorgs: 20 } },
  'blind-audits': { adversary: 'free-rider' },
}

const planFor = (sabotage: Sabotage) => ({ ...calm, ...trouble[sabotage] })

test.each(Object.entries(sabotages) as [Sabotage, string][])('%s breaks %s', (sabotage, rule) => {
  const breaks = (seed: number) =>
    simulate(seed, planFor(sabotage), { sabotage }).violations.some((violation) => violation.rule === rule)
  expect([1, 2, 3, 4, 5, 6].some(breaks)).toBe(true)
})

test.each(['double-pay', ...(Object.keys(trouble) as Sabotage[])] as Sabotage[])(
  'what %s needs to show breaks nothing by itself',
  (sabotage) => {
    const { violations, thrown } = simulate(1, planFor(sabotage))
    expect([thrown, violations]).toEqual([null, []])
  },
)
