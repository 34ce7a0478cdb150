import type { Simulation } from '../simulation.ts'
import type { Checker, Expect } from './checker.ts'

/** Once everything is healed the run goes on to its end: every round, every replica, every epoch's pay. */
export function liveness(simulation: Simulation, expect: Expect): Checker {
  return {
    atEnd() {
      const { heads, workers, plan, chain, stopped } = simulation
      const head = heads.find(({ finished }) => finished)
      expect(head !== undefined, 'liveness', () => [
        `${plan.graceMs / 60_000} minutes after healing no head has finished`,
        ...heads.map(
          ({ number, state, settler }) =>
            `head ${number}: ${state.leading ? 'leads' : 'stands by'} in term ${state.term}, ${state.phase.kind} of round ${state.round}, ${settler.settledEpochs} epochs settled`,
        ),
        ...workers.map(
          ({ number, state, up }) =>
            `worker ${number}: ${up ? (state?.phase.kind ?? 'warming') : 'down'}, round ${state?.round}`,
        ),
      ])
      if (head === undefined) return
      const { round, stateRoot } = head.state
      expect(stopped || round === plan.rounds, 'liveness', () => [
        `the run ended after ${round} of ${plan.rounds} rounds`,
      ])
      expect(chain.final.ended, 'liveness', () => ['the escrow is still open'])
      for (const { number, honest, withdrawn, state, up } of workers) {
        // A worker that a lying head misled again and again may take its own engine for faulty, and leave.
        if (!honest || (withdrawn && plan.adversary === 'equivocating-head')) continue
        expect(up && !withdrawn && state?.phase.kind === 'ended', 'liveness', () => [
          `worker ${number} is ${withdrawn ? 'withdrawn' : state?.phase.kind} in round ${state?.round}`,
        ])
        expect(state?.round === round && state.stateRoot === stateRoot, 'one-aggregate', () => [
          `worker ${number} ends in round ${state?.round} with ${state?.stateRoot}, the head in ${round} with ${stateRoot}`,
        ])
      }
    },
  }
}
