import {
  BaseError,
  BlockNotFoundError,
  ContractFunctionRevertedError,
  ContractFunctionZeroDataError,
  HttpRequestError,
  InsufficientFundsError,
  NonceTooLowError,
  SocketClosedError,
  TimeoutError,
  TransactionNotFoundError,
  TransactionReceiptNotFoundError,
  WaitForTransactionReceiptTimeoutError,
  WebSocketRequestError,
} from 'viem'
import { isMurmurError, MurmurError } from '../protocol/errors.ts'

/** What the reader can do about each refusal of `RunEscrow.sol`, `WorkerStake.sol` and the token (ERC-6093). */
const nextAfterRevert = new Map<string, string>([
  [
    'RunExists',
    'use the existing run, or change the spec: the same spec cannot be opened twice by one coordinator',
  ],
  ['RunUnknown', 'check the run id, the escrow address and the chain'],
  ['RunAlreadyEnded', 'submit a new run; what is unspent in this one can be refunded'],
  ['RunNotEnded', 'wait for the last epoch, or for the deadline and then expire the run'],
  [
    'TermsInvalid',
    'give a deployed token, a reward and a number of epochs above 0, and a deadline in the future',
  ],
  ['StandbysInvalid', 'name at most 7 standbys, each once, and not the coordinator itself'],
  [
    'NeitherCoordinatorNorStandby',
    "lead from the coordinator's account or that of a standby named at the start",
  ],
  ['TermTooFar', 'take the lease in steps: no term above the named one is accepted yet'],
  ['EpochOutOfOrder', 'close and settle epochs in their order, once each'],
  ['EpochNotClosed', 'close the epoch first'],
  ['EpochUnsettled', 'settle the closed epochs first, or wait for the deadline and expire the run'],
  ['BeaconNotReady', 'wait for the named block'],
  ['TooManyPending', 'wait until the oldest pending epoch is final'],
  ['RewardExceeded', 'settle at most the epoch reward of the run'],
  ['Underfunded', 'fund the run'],
  [
    'ProofInvalid',
    "wait until the epoch's dispute window is over, and use the proof of the newest final root",
  ],
  ['NothingToClaim', 'wait for the next epoch to be final'],
  ['ClaimsExceedFinalized', "the root promised more than it reserved: report the run's coordinator"],
  ['DeadlineNotReached', "wait for the run's deadline"],
  ['StakeTooSmall', 'ask for no more than the named stake'],
  ['StillUnbonding', 'wait until the named time (unix seconds)'],
  ['NothingToWithdraw', 'ask for a part of the stake back first: `murmur worker unstake AMOUNT`'],
  ['TokenTookFee', 'use a plain ERC-20 token'],
  ['ERC20InsufficientAllowance', 'approve the contract for the amount'],
  ['ERC20InsufficientBalance', 'send tokens to the account, or give a smaller amount'],
])

/** Refusals that mean one thing: some other leadership of the run has begun. */
const fenced: readonly string[] = ['TermStale', 'OnlyLeader']

/** A refused transaction as an error: `LEASE_LOST`, or `TX_REVERTED` with the contract's own name and its arguments. */
export function revertedError(
  doing: string,
  name: string,
  args: readonly unknown[],
  cause?: unknown,
): MurmurError {
  if (fenced.includes(name)) {
    return new MurmurError('LEASE_LOST', {
      message: `the chain refused to ${doing}: ${name}(${args.map(String).join(', ')})`,
      next: 'another head leads this run: follow it, or take the lease in a higher term',
      exit: 'reverted',
      details: { error: name, ...(typeof args[0] === 'number' ? { term: args[0] } : {}) },
      cause,
    })
  }
  return new MurmurError('TX_REVERTED', {
    message: `the chain refused to ${doing}: ${name}(${args.map(String).join(', ')})`,
    next: nextAfterRevert.get(name) ?? 'look the error up in chain/contracts',
    exit: 'reverted',
    details: {
      error: name,
      ...(name === 'EpochOutOfOrder' && typeof args[0] === 'number' ? { expected: args[0] } : {}),
    },
    cause,
  })
}

const unreachable = [HttpRequestError, TimeoutError, WebSocketRequestError, SocketClosedError] as const
const unconfirmed = [
  WaitForTransactionReceiptTimeoutError,
  TransactionReceiptNotFoundError,
  TransactionNotFoundError,
] as const

/** geth's and anvil's word for another transaction at the nonce of one that waits; viem knows the others as NonceTooLowError. */
const nonceTaken = /replacement transaction underpriced/i

/** What was read of the chain before is not so any more; `forgotten` says what. */
export const reorganizedError = (forgotten: string, cause?: unknown): MurmurError =>
  new MurmurError('CHAIN_REORGANIZED', {
    message: `the chain has reorganized: ${forgotten}`,
    next: 'ask again; where it happens often, raise `confirmations` in the chain file',
    cause,
  })

/** What this account has sent is not in the chain yet, or not in what was read of it. */
export const unconfirmedError = (message: string, cause?: unknown): MurmurError =>
  new MurmurError('TX_UNCONFIRMED', {
    message,
    next: 'look for it on the chain before sending it again',
    exit: 'timeout',
    cause,
  })

/** The contract's word for a step that lacks the one before it. */
const outOfStep = ['EpochNotClosed', 'BeaconNotReady']

const passing = [
  'RPC_UNREACHABLE',
  'TX_UNCONFIRMED',
  'CHAIN_STALLED',
  'CHAIN_REORGANIZED',
  'EPOCH_NOT_CLOSED',
  'EVENTS_MISSING',
]

/** Whether a chain that is away, slow or has reorganized may say otherwise in a moment. */
export function isPassing(error: unknown): error is MurmurError {
  if (!isMurmurError(error)) return false
  return error.code === 'TX_REVERTED'
    ? outOfStep.includes(String(error.details.error))
    : passing.includes(error.code)
}

/**
 * Any failure of a chain call as a {@link MurmurError}: `RPC_UNREACHABLE`, `TX_UNCONFIRMED`, `TX_REVERTED`,
 * `LEASE_LOST`, `CHAIN_REORGANIZED`, `INSUFFICIENT_FUNDS`, `ESCROW_MISSING`, otherwise `CHAIN_FAILED`. `doing` is a verb
 * phrase: "fund the run".
 */
export function chainError(error: unknown, doing: string, rpcUrl: string): unknown {
  if (!(error instanceof BaseError)) return error
  const found = <T>(kinds: readonly (abstract new (...parameters: never[]) => T)[]) =>
    error.walk((inner) => kinds.some((kind) => inner instanceof kind)) as T | null

  if (found(unconfirmed)) {
    return unconfirmedError(`the transaction to ${doing} was sent and is in no block yet`, error)
  }
  if (found([NonceTooLowError]) || nonceTaken.test(error.details))
    return unconfirmedError(`cannot ${doing} yet: an earlier transaction of the account is on its way`, error)
  if (found(unreachable)) {
    return new MurmurError('RPC_UNREACHABLE', {
      message: `the chain at ${rpcUrl} did not answer while trying to ${doing}`,
      next: 'start the devnet or check chain.rpcUrl',
      exit: 'unreachable',
      details: { rpcUrl },
      cause: error,
    })
  }
  if (found([BlockNotFoundError])) return reorganizedError('a block is not there any more, or not yet', error)
  if (found([InsufficientFundsError])) {
    return new MurmurError('INSUFFICIENT_FUNDS', {
      message: `the account cannot pay the gas to ${doing}`,
      next: "send the chain's native coin to the account",
      exit: 'funds',
      cause: error,
    })
  }
  const reverted = found([ContractFunctionRevertedError])
  if (reverted) {
    const name = reverted.data?.errorName ?? reverted.signature ?? reverted.reason ?? 'unnamed error'
    return revertedError(doing, name, reverted.data?.args ?? [], error)
  }
  if (found([ContractFunctionZeroDataError])) {
    return new MurmurError('ESCROW_MISSING', {
      message: `there is no contract at the configured address to ${doing}`,
      next: 'check chain.escrow and chain.token, or deploy them on a fresh devnet',
      exit: 'failed',
      cause: error,
    })
  }
  return new MurmurError('CHAIN_FAILED', {
    message: `could not ${doing}: ${error.shortMessage}`,
    next: 'read the cause, and check the chain settings',
    cause: error,
  })
}
