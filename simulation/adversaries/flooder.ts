import type { Gossip } from '../../protocol/wire.ts'
import type { Behaviour } from '../behaviour.ts'
import { runName } from '../names.ts'

/** Messages a second: over what one author may say (network/limits.ts). */
const perSecond = 24

/** Trains, and says as much as it can of everything that nobody should: other runs, other rounds, other heads' words. */
export const flooder: Behaviour = {
  name: 'flooder',
  idle: (worker) => {
    const { simulation, state, work } = worker
    if (state === null || simulation.healed) return
    const { run, term, stateRoot } = { ...state, ...simulation.rules }
    for (let count = 0; count < perSecond; count++) {
      const round = work.pick([0, state.round, state.round + 1, state.round + 7, 0xffffffff])
      const bodies: readonly Gossip['body'][] = [
        { kind: 'commit', round, hash: work.hash() },
        { kind: 'stateRoot', round, root: work.hash(), checkpoint: null },
        { kind: 'roundOpen', round, stateRoot, parent: null, slots: [] },
        { kind: 'runEnd', rounds: 0, reason: 'because I say so', newest: null },
      ]
      worker.publish({
        run: work.below(4) === 0 ? runName(-1) : run,
        term: work.pick([0, term, term + 8]),
        body: work.pick(bodies),
      })
    }
  },
}
