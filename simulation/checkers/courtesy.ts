import type { Simulation } from '../simulation.ts'
import type { Checker, Expect } from './checker.ts'

/** Why a member may be left out of a round through no fault of its own. */
const blameless = new Set([
  ...['NOT_COMMITTED', 'NOT_REVEALED', 'BELOW_QUORUM', 'BLOCK_UNAVAILABLE', 'RESTARTED', 'RUN_STOPPED'],
])

/** Whatever gets lost, doubled or late: an honest node never rejects what another one said. */
export function courtesy(simulation: Simulation, expect: Expect): Checker {
  const honestAuthor = (author: string) => {
    if (simulation.heads.some(({ id }) => id === author))
      return simulation.plan.adversary !== 'equivocating-head'
    return simulation.workers.find(({ id }) => id === author)?.honest === true
  }
  return {
    headStep(head, _, event, { judgement }) {
      if (judgement.verdict !== 'reject' || event.kind !== 'message') return
      expect(!honestAuthor(event.author), 'honest-not-rejected', () => [
        `head ${head.number} rejects a ${event.message.body.kind} of honest ${event.author}: ${judgement.code}`,
      ])
    },
    workerStep(worker, _, event, { judgement }) {
      if (judgement.verdict !== 'reject' || event.kind !== 'message' || !worker.honest) return
      expect(!honestAuthor(event.author), 'honest-not-rejected', () => [
        `worker ${worker.number} rejects a ${event.message.body.kind} of honest ${event.author}: ${judgement.code}`,
      ])
    },
    manifest(_, { round, refused }) {
      for (const { worker, code } of refused) {
        const blame = !blameless.has(code)
        expect(!blame || !simulation.workerOf(worker).honest, 'honest-not-rejected', () => [
          `round ${round} blames honest ${worker} with ${code}`,
        ])
      }
    },
  }
}
