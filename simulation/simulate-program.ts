import { type GptName, gptTraining } from './gpt.ts'
import { type Plan, planOf } from './plan.ts'
import { quadratic } from './quadratic.ts'
import { type Outcome, outcomeOf, stackOf } from './simulate.ts'
import { Simulation, type SimulationOptions } from './simulation.ts'

/**
 * Plays one seed with a real program in place of the quadratic: seconds or minutes. Slow links are faster by as much as the
 * contributions are larger.
 */
export async function simulateProgram(
  program: GptName,
  seed: number,
  change: Partial<Plan> = {},
  options: SimulationOptions = {},
): Promise<Outcome> {
  const plan = planOf(seed, change)
  await using training = await gptTraining(program, plan)
  const larger = Math.ceil(training.parameterCount / quadratic(seed).parameterCount)
  const faults = { ...plan.faults, bytesPerMs: plan.faults.bytesPerMs * larger }
  const simulation = new Simulation({ ...plan, faults }, { ...options, training })
  let thrown: string | null = null
  try {
    await simulation.playSlowly()
  } catch (error) {
    thrown = stackOf(error)
  }
  return outcomeOf(simulation, thrown)
}
