import type { Address, Hash, Wei } from '../protocol/ids.ts'
import type { TxResult } from './rpc.ts'

export interface ChainConfig {
  readonly rpcUrl: string
  readonly chainId: number
  readonly escrow: Address
  readonly token: Address
  /** Where workers stake to be admitted (`WorkerStake.sol`); without it nobody is admitted by stake. */
  readonly stake?: Address
  /** The block of the escrow's deployment: where reading its events begins. Default 0. */
  readonly deployedBlock?: number
  /**
   * Blocks that must lie on a block before what it says is acted on: reorganizations up to this depth change nothing that
   * was drawn or settled. Default 0 on a devnet (chain 31337), otherwise 12.
   */
  readonly confirmations?: number
}

export interface RunTerms {
  /** sha2-256 digest of the run spec's CID. */
  readonly specDigest: Hash
  /** Most that one epoch may reserve, in token base units. */
  readonly epochReward: Wei
  readonly epochs: number
  readonly disputeWindowSeconds: number
  /** Unix time in seconds after which anyone may end the run. */
  readonly deadline: number
  /** Accounts beside the coordinator that may take the run's lease: at most 7 other ones, each once. Default none. */
  readonly standbys?: readonly Address[]
}

/** Who may move a run now: calls of any other leader or term are refused (`LEASE_LOST`). */
export interface Lease {
  readonly leader: Address
  /** 0 until the first `takeLease`: then the coordinator leads. */
  readonly term: number
}

export interface Settlement {
  /** Counted from 0. */
  readonly epoch: number
  readonly payoutRoot: Hash
  readonly cumulativeTotal: Wei
  /** sha2-256 digest of the checkpoint's CID. */
  readonly checkpoint: Hash
  /** The leadership that settles it. */
  readonly term: number
}

/** What the chain says of an epoch that is settled, whoever settled it. */
export interface SettledOnChain extends Omit<Settlement, 'term'>, TxResult {
  /** Unix time in seconds from which on its root can be claimed by. */
  readonly finalizesAt: number
}

/** Token base units. unspent = funded − reserved − refunded; the escrow holds unspent + reserved − claimed. */
export interface Accounting {
  readonly funded: Wei
  /** All that settled epochs ever reserved, what was claimed since included. */
  readonly reserved: Wei
  readonly claimed: Wei
  readonly unspent: Wei
  readonly refunded: Wei
}

export interface RunState extends Omit<RunTerms, 'specDigest' | 'standbys'>, Lease {
  readonly coordinator: Address
  readonly token: Address
  readonly epochsClosed: number
  readonly epochsSettled: number
  readonly ended: boolean
}

/** The newest final epoch: what claims go by. Before the first, `epochs` is 0 and the root is zero. */
export interface Finalized {
  /** How many epochs are final; the newest final epoch is this minus 1. */
  readonly epochs: number
  readonly payoutRoot: Hash
  readonly cumulativeTotal: Wei
}

export interface Beacon {
  readonly blockNumber: bigint
  readonly blockHash: Hash
}

/** Told at each look, while a block is waited for, how many of the blocks that confirm it lie on it. */
export type Confirming = (blockNumber: bigint, confirmed: bigint, needed: bigint) => void

export interface Funder {
  readonly funder: Address
  /** Given to the run in all. */
  readonly amount: Wei
  /** Got back from the run in all. */
  readonly refunded: Wei
}

export interface Claim {
  readonly escrowRun: Hash
  readonly account: Address
  readonly amount: Wei
  readonly blockNumber: bigint
  readonly txHash: Hash
}

/**
 * One account's view of `RunEscrow.sol`. Runs are named by their id in the escrow (`escrowRunId`). Every transaction
 * resolves after its receipt. All throw MurmurError: see `chainError` for the codes.
 */
export interface Escrow {
  readonly config: ChainConfig
  readonly account: Address | undefined
  createRun(terms: RunTerms): Promise<TxResult & { readonly escrowRun: Hash }>
  /** Approves the escrow first where the allowance is short. Throws `INSUFFICIENT_FUNDS` where tokens are missing. */
  fund(escrowRun: Hash, amount: Wei): Promise<TxResult>
  /**
   * Makes this account the leader in a term above the current one, which fences every earlier term off. Null where it
   * holds this very term already: an earlier attempt was mined and its receipt never came. Throws `LEASE_LOST` where
   * the run has come as far or further.
   */
  takeLease(escrowRun: Hash, term: number): Promise<TxResult | null>
  /** Throws `LEASE_LOST` unless this account leads in `term`; so do `settleEpoch` and `finish`. */
  closeEpoch(escrowRun: Hash, epoch: number, historyRoot: Hash, term: number): Promise<TxResult>
  /** Waits first until the contract can accept it: two blocks after the close. Throws `EPOCH_NOT_CLOSED`. */
  settleEpoch(escrowRun: Hash, settlement: Settlement): Promise<TxResult>
  claim(escrowRun: Hash, account: Address, cumulative: Wei, proof: readonly Hash[]): Promise<TxResult>
  finish(escrowRun: Hash, term: number): Promise<TxResult>
  expire(escrowRun: Hash): Promise<TxResult>
  refund(escrowRun: Hash, funder: Address): Promise<TxResult>

  run(escrowRun: Hash): Promise<RunState>
  lease(escrowRun: Hash): Promise<Lease>
  accounting(escrowRun: Hash): Promise<Accounting>
  /** What a funder's shares are worth of the unspent money now. */
  refundable(escrowRun: Hash, funder: Address): Promise<Wei>
  /** What an account has claimed so far. */
  claimed(escrowRun: Hash, account: Address): Promise<Wei>
  finalized(escrowRun: Hash): Promise<Finalized>
  /** The history root that an epoch's close anchored; undefined where it is not closed. */
  historyRoot(escrowRun: Hash, epoch: number): Promise<Hash | undefined>
  /**
   * What was settled for an epoch, and by which transaction; undefined where it is not settled. So a head that stopped
   * between sending and recording finds out what it did, and a successor what its predecessor did.
   */
  settlement(escrowRun: Hash, epoch: number): Promise<SettledOnChain | undefined>
  /**
   * The hash of the block after the epoch's close: its audit beacon. Waits until it is confirmed. Throws
   * `EPOCH_NOT_CLOSED`, also where the chain forgets the close meanwhile.
   */
  beacon(escrowRun: Hash, epoch: number, signal: AbortSignal, confirming?: Confirming): Promise<Beacon>
  /** Waits until a block with this number is confirmed: what is read afterwards of it and of earlier ones stays. */
  confirm(blockNumber: bigint, signal: AbortSignal, confirming?: Confirming): Promise<void>
  /** Token base units that an account holds. */
  balanceOf(account: Address): Promise<Wei>
  /** Who funded the run, summed per funder in the order of their first funding. */
  funders(escrowRun: Hash): Promise<readonly Funder[]>
  claims(escrowRun: Hash): Promise<readonly Claim[]>
  /** Every claim of an account, in whatever run. */
  claimsOf(account: Address): Promise<readonly Claim[]>
}
