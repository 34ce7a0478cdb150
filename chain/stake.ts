import type { Account } from 'viem'
import { MurmurError } from '../protocol/errors.ts'
import type { Address, Hash, Wei } from '../protocol/ids.ts'
import type { ChainConfig } from './escrow-port.ts'
import { workerStakeAbi } from './generated/worker-stake.ts'
import { connectRpc, type RpcLimits, type TxResult } from './rpc.ts'
import { allowSpending, tokenBalance, tokenErrorsAbi } from './token.ts'

/** What is leaving an account's stake. */
export interface Unbonding {
  readonly amount: Wei
  /** Unix time in seconds from which on it can be withdrawn; 0 where nothing was ever asked back. */
  readonly withdrawableAt: number
}

/**
 * One account's view of `WorkerStake.sol`, amounts in token base units. Transactions resolve after their receipt.
 * All throw MurmurError: see `chainError` for the codes.
 */
export interface Stake {
  readonly contract: Address
  readonly account: Address | undefined
  /** What an account has at stake, without what is unbonding. */
  stakeOf(account: Address): Promise<Wei>
  unbondingOf(account: Address): Promise<Unbonding>
  /** How long what is asked back has to wait. */
  unbondingSeconds(): Promise<number>
  /** Token base units that an account holds, not staked. */
  balanceOf(account: Address): Promise<Wei>
  /** Adds to the stake of `account`, by default one's own. Approves first; throws `INSUFFICIENT_FUNDS`. */
  deposit(amount: Wei, account?: Address): Promise<TxResult>
  /** Takes a part out of one's stake at once. What is unbonding already waits with it, from now. */
  requestWithdraw(amount: Wei): Promise<TxResult>
  /** Gives back all that has unbonded. */
  withdraw(): Promise<TxResult>
}

/** Connects to the stake of a chain: read-only without an account. Throws `STAKE_UNKNOWN` where the chain names none. */
export function connectStake(config: ChainConfig, account?: Account | Hash, limits?: RpcLimits): Stake {
  const { stake: address, token } = config
  if (address === undefined) {
    throw new MurmurError('STAKE_UNKNOWN', {
      message: 'this chain’s settings name no stake contract',
      next: 'add "stake": "0x…" to the chain file, or join with a token',
      exit: 'usage',
    })
  }
  const rpc = connectRpc(config, account, limits)
  const contract = { address, abi: workerStakeAbi } as const
  const writeAbi = [...workerStakeAbi, ...tokenErrorsAbi]
  const write = (doing: string, functionName: string, ...args: readonly unknown[]) =>
    rpc.write(doing, { address, abi: writeAbi, functionName, args })

  return {
    contract: address,
    account: rpc.account,
    stakeOf: (owner) =>
      rpc.read('read a stake', (client) =>
        client.readContract({ ...contract, functionName: 'stakeOf', args: [owner] }),
      ),
    async unbondingOf(owner) {
      const [amount, withdrawableAt] = await rpc.read('read what is unbonding', (client) =>
        client.readContract({ ...contract, functionName: 'unbondingOf', args: [owner] }),
      )
      return { amount, withdrawableAt }
    },
    unbondingSeconds: () =>
      rpc.read('read the unbonding period', (client) =>
        client.readContract({ ...contract, functionName: 'unbondingSeconds' }),
      ),
    balanceOf: (owner) => tokenBalance(rpc, token, owner),
    async deposit(amount, owner = rpc.account) {
      await allowSpending(rpc, token, address, amount, 'stake')
      return await write('stake', 'depositFor', owner, amount)
    },
    requestWithdraw: (amount) => write('ask a stake back', 'requestWithdraw', amount),
    withdraw: () => write('withdraw a stake', 'withdraw'),
  }
}
