import type { Address, Hash, Wei } from '../protocol/ids.ts'

export type EscrowCall =
  | { readonly kind: 'takeLease'; readonly term: number }
  | { readonly kind: 'closeEpoch'; readonly epoch: number; readonly history: Hash; readonly term: number }
  | {
      readonly kind: 'settleEpoch'
      readonly epoch: number
      readonly root: Hash
      readonly total: Wei
      readonly term: number
    }
  | { readonly kind: 'finish'; readonly term: number }

/** One run in `RunEscrow.sol`, as of a block. */
export interface EscrowState {
  readonly leader: Address
  readonly term: number
  readonly epochReward: Wei
  readonly epochs: number
  readonly funded: Wei
  readonly reserved: Wei
  readonly closures: readonly { readonly history: Hash; readonly block: number }[]
  readonly settlements: readonly {
    readonly root: Hash
    readonly total: Wei
    readonly term: number
    /** The term of the lease when it was settled. */
    readonly leaseTerm: number
  }[]
  readonly ended: boolean
}

export interface EscrowRules {
  readonly candidates: readonly Address[]
  /** False in an escrow that does not know of terms: only to show that its checker sees that. */
  readonly fenced: boolean
}

/** How far one `takeLease` may raise the term. */
const maxTermStep = 1 << 16

/**
 * What `RunEscrow.sol` does with a call in block `block`: the next state, or the name of the error it reverts with. Only
 * what moves a run; funding and claims are in the contract's own tests.
 */
export function execute(
  state: EscrowState,
  call: EscrowCall,
  from: Address,
  block: number,
  rules: EscrowRules,
): EscrowState | string {
  if (state.ended) return 'RunEnded'
  if (call.kind === 'takeLease') {
    if (!rules.candidates.includes(from)) return 'NeitherCoordinatorNorStandby'
    if (call.term <= state.term) return 'TermStale'
    if (call.term - state.term > maxTermStep) return 'TermTooFar'
    return { ...state, term: call.term, leader: from }
  }
  if (rules.fenced && call.term !== state.term) return 'TermStale'
  if (rules.fenced && from !== state.leader) return 'NotLeader'
  switch (call.kind) {
    case 'closeEpoch': {
      if (call.epoch !== state.closures.length || call.epoch >= state.epochs) return 'EpochOutOfOrder'
      return { ...state, closures: [...state.closures, { history: call.history, block }] }
    }
    case 'settleEpoch': {
      if (call.epoch !== state.settlements.length) return 'EpochOutOfOrder'
      const closure = state.closures[call.epoch]
      if (closure === undefined) return 'EpochNotClosed'
      if (block < closure.block + 2) return 'BeaconNotReady'
      if (call.total < state.reserved) return 'TotalDecreased'
      const asked = call.total - state.reserved
      if (asked > state.epochReward) return 'RewardExceeded'
      if (asked > state.funded - state.reserved) return 'Underfunded'
      const { root, total, term } = call
      const settlements = [...state.settlements, { root, total, term, leaseTerm: state.term }]
      return { ...state, settlements, reserved: total, ended: settlements.length === state.epochs }
    }
    case 'finish':
      return state.closures.length === state.settlements.length ? { ...state, ended: true } : 'EpochUnsettled'
    default:
      return call satisfies never
  }
}
