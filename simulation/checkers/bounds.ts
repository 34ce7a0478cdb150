import { rootsKept } from '../../coordinator/round/close.ts'
import { maxUnsynced } from '../head-journal.ts'
import type { Simulation } from '../simulation.ts'
import { maxInFlight } from '../virtual-network.ts'
import type { Checker, Expect } from './checker.ts'

/** Events that wait in the whole simulation: timers of some nodes, and messages under way. */
const maxPending = 50_000
/** A look at every queue after each event would cost more than the event. */
const everyEvents = 64

/** No queue grows without bound, whatever happens. */
export function bounds(simulation: Simulation, expect: Expect): Checker {
  const { time, heads, network, plan } = simulation
  const within = (value: number, bound: number, what: () => string) =>
    expect(value <= bound, 'queues-bounded', () => [`${what()}: ${value} of at most ${bound}`])
  return {
    afterEvent() {
      if (time.events % everyEvents !== 0) return
      within(time.pending, maxPending, () => 'events under way')
      within(simulation.chain.waiting, 256, () => 'transactions that wait')
      for (const { inFlight } of network.traffic.values())
        within(inFlight, maxInFlight, () => 'messages in an uplink')
      for (const { journal, state, number } of heads) {
        within(journal.unsynced, maxUnsynced, () => `records of head ${number} that are not synced`)
        within(state.roots.size, rootsKept + 1, () => `rounds whose roots head ${number} keeps`)
        within(state.members.size, simulation.workers.length, () => `members of head ${number}`)
        within(state.commits.size, state.slots.length, () => `commits that head ${number} holds`)
        within(state.reveals.size + state.refused.size, state.slots.length, () => `reveals of head ${number}`)
        within(state.round, plan.rounds, () => `rounds of head ${number}`)
      }
    },
  }
}
