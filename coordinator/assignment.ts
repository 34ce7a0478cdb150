import type { Address, CidText, WorkerId } from '../protocol/ids.ts'
import { maxPeersTold } from '../protocol/limits.ts'
import type { Assignment } from '../protocol/wire.ts'
import type { RunMoney } from './epoch-on-chain.ts'
import { isAlive, type Members } from './members.ts'
import type { RoundState } from './round/state.ts'

/** Of each peer in an assignment. All eight that a join may bring, of 64 peers, would be longer than an answer may be. */
const addressesTold = 2

export interface AssignmentFacts {
  readonly state: RoundState
  readonly members: Members
  readonly now: number
  readonly payoutTree: CidText | null
  readonly money:
    | (Pick<RunMoney, 'context'> & {
        readonly rpcUrl: string
        readonly chainId: number
        readonly token: Address
      })
    | null
  readonly ended: boolean
}

/** What a worker is told of the run it works for. */
export function assignmentOf(
  worker: WorkerId,
  { state, members, now, payoutTree, money, ended }: AssignmentFacts,
): Assignment {
  const { rules, term, parent } = state
  return {
    run: rules.run,
    term,
    peers: peersOf(worker, state, members, now),
    newestManifest: parent,
    payoutTree,
    escrow:
      money === null
        ? null
        : {
            rpcUrl: money.rpcUrl,
            chainId: money.chainId,
            escrow: money.context.escrow,
            token: money.token,
            run: money.context.escrowRun,
          },
    ended,
  }
}

/**
 * Whom the worker should be connected to. Whoever takes part comes first, so that strangers who only joined don't crowd
 * them out; where there are more than can be told, each worker hears of those that follow it in the order of ids: a ring
 * with chords, on which gossip and blocks reach everybody.
 */
function peersOf(worker: WorkerId, state: RoundState, members: Members, now: number): Assignment['peers'] {
  const there = [...state.members.keys()].filter((id) => {
    const known = members.get(id)
    // Nobody is sent to dial those that are gone; who comes back is in the next assignment.
    return id !== worker && known !== undefined && isAlive(known, now)
  })
  const ready = (id: WorkerId): boolean => state.members.get(id)?.status === 'ready'
  const sorted = there.sort()
  const after = sorted.findIndex((id) => id > worker)
  const ring = after === -1 ? sorted : [...sorted.slice(after), ...sorted.slice(0, after)]
  return [...ring.filter(ready), ...ring.filter((id) => !ready(id))]
    .slice(0, Math.min(maxPeersTold, state.rules.maxWorkers))
    .map((id) => ({ id, addresses: members.get(id)!.addresses.slice(0, addressesTold) }))
}
