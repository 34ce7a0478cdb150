import { digestHash } from '../../protocol/content-id.ts'
import type { CidText } from '../../protocol/ids.ts'
import type { Behaviour } from '../behaviour.ts'
import type { SimulatedWorker } from '../simulated-worker.ts'

const heard = new WeakMap<SimulatedWorker, CidText>()

/** Sends what somebody else revealed in the round before: of this one nothing is revealed before it must commit. */
export const copycat: Behaviour = {
  name: 'copycat',
  hears: (worker, { body }) => {
    if (body.kind === 'reveal') heard.set(worker, body.contribution)
  },
  claims: (worker, honest) => {
    const contribution = heard.get(worker)
    const { workers } = worker.simulation
    const holder = workers.find(({ blocks }) => contribution !== undefined && blocks.has(contribution))
    if (contribution === undefined || holder === undefined) return honest
    const bytes = holder.blocks.get(contribution)!
    return { ...honest, bytes, contribution, trace: honest.trace.with(-2, digestHash(contribution)) }
  },
}
