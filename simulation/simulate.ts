import type { Violation } from './checkers/checks.ts'
import { type Plan, planOf } from './plan.ts'
import { Simulation, type SimulationOptions } from './simulation.ts'

/** What became of one seed. */
export interface Outcome {
  readonly seed: number
  readonly plan: Plan
  readonly violations: readonly Violation[]
  /** The simulation itself, or a core, threw. */
  readonly thrown: string | null
  readonly virtualMs: number
  readonly events: number
  /** SHA-256 over everything that happened: equal seeds give equal ones. */
  readonly trace: string
}

/** Plays one seed to its end. Never throws: a core that does is an outcome too. */
export function simulate(seed: number, change: Partial<Plan> = {}, options: SimulationOptions = {}): Outcome {
  const simulation = new Simulation(planOf(seed, change), options)
  let thrown: string | null = null
  try {
    simulation.play()
  } catch (error) {
    thrown = stackOf(error)
  }
  return outcomeOf(simulation, thrown)
}

export const stackOf = (error: unknown): string =>
  error instanceof Error ? (error.stack ?? error.message) : String(error)

export function outcomeOf(simulation: Simulation, thrown: string | null): Outcome {
  const { plan } = simulation
  return {
    ...{ seed: plan.seed, plan, thrown, violations: simulation.checks.violations },
    ...{ virtualMs: simulation.time.now, events: simulation.time.events, trace: simulation.traceHash() },
  }
}

export const failed = ({ violations, thrown }: Outcome): boolean => violations.length > 0 || thrown !== null

/** What went wrong, and how to see it again. */
export function explain({ seed, plan, violations, thrown, trace, virtualMs }: Outcome): string {
  const faults = Object.entries(plan.faults).filter(([, value]) => value !== 0 && value !== false)
  return [
    `seed ${seed} fails after ${(virtualMs / 1000).toFixed(1)} s of virtual time, trace ${trace.slice(0, 16)}`,
    `  ${plan.heads} heads, ${plan.workers} workers, ${plan.rounds} rounds, adversary ${plan.adversary ?? 'none'}`,
    `  faults: ${faults.map(([name, value]) => `${name} ${value}`).join(', ')}`,
    ...violations.flatMap(({ rule, atMs, details }) => [
      `  checker ${rule}, at ${atMs} ms:`,
      ...details.map((line) => `    ${line}`),
    ]),
    ...(thrown === null ? [] : [`  thrown: ${thrown}`]),
    `  again: npm run simulate -- --seed ${seed} --trace`,
  ].join('\n')
}

/** The integers from `from` to `to`, both among them. */
export const range = (from: number, to: number): readonly number[] =>
  Array.from({ length: to - from + 1 }, (_, index) => from + index)

/** What goes wrong in these seeds: nothing, in sound cores. */
export const failuresOf = (seeds: readonly number[]): readonly string[] =>
  seeds
    .map((seed) => simulate(seed))
    .filter(failed)
    .map(explain)
