import type { Behaviour } from '../behaviour.ts'

/** Trains as few steps as make a trace of the right length, and claims all of them. */
export const freeRider: Behaviour = {
  name: 'free-rider',
  trains: ({ simulation: { training } }, asked) => ({
    ...asked,
    steps: Math.min(training.segments, asked.steps),
  }),
  claims: ({ simulation: { training } }, trained, { steps }) => ({
    ...trained,
    tokens: steps * training.tokensPerStep,
  }),
}
