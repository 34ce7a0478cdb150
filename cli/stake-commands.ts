import { connectStake, type Stake } from '../chain/stake.ts'
import type { Address } from '../protocol/ids.ts'
import { chosenAccount } from './accounts.ts'
import { tokens } from './amounts.ts'
import { addressOf, amountOf } from './money.ts'
import { chosenChain } from './money-chain.ts'
import { mintTestTokens, print } from './money-commands.ts'
import type { WorkerMoneyOptions } from './worker-money.ts'

/** Stakes an amount, or shows what is staked. */
export async function stakeCommand(
  text: string | undefined,
  options: WorkerMoneyOptions & { mint?: boolean },
): Promise<void> {
  const amount = text === undefined ? null : amountOf(text)
  const { chain, devnet } = await chosenChain(options)
  if (amount === null) {
    // Looking needs no key.
    const owner = options.for === undefined ? (await chosenAccount(options, { devnet })).address : options.for
    return await show(connectStake(chain), addressOf(owner, owner as Address), options)
  }
  const account = await chosenAccount(options, { devnet })
  const owner = addressOf(options.for, account.address)
  const stake = connectStake(chain, account)
  if (options.mint === true) await mintTestTokens({ chain, devnet }, account, amount)
  const { txHash, gasUsed } = await stake.deposit(amount, owner)
  const staked = await stake.stakeOf(owner)
  print(
    options,
    { account: owner, amount: String(amount), staked: String(staked), txHash, gasUsed: String(gasUsed) },
    `staked ${tokens(amount)}: ${owner} has ${tokens(staked)} at stake`,
  )
}

/** Asks an amount back, or withdraws what has unbonded. */
export async function unstakeCommand(text: string | undefined, options: WorkerMoneyOptions): Promise<void> {
  const amount = text === undefined ? null : amountOf(text)
  const { chain, devnet } = await chosenChain(options)
  const account = await chosenAccount(options, { devnet })
  const stake = connectStake(chain, account)
  if (amount === null) {
    const { amount: unbonded } = await stake.unbondingOf(account.address)
    const { txHash } = await stake.withdraw()
    print(
      options,
      { account: account.address, withdrawn: String(unbonded), txHash },
      `withdrew ${tokens(unbonded)} (${unbonded} wei) to ${account.address}`,
    )
    return
  }
  await stake.requestWithdraw(amount)
  await show(stake, account.address, options)
}

async function show(stake: Stake, owner: Address, options: WorkerMoneyOptions): Promise<void> {
  const [staked, unbonding] = await Promise.all([stake.stakeOf(owner), stake.unbondingOf(owner)])
  const at = new Date(unbonding.withdrawableAt * 1_000).toISOString()
  const leaving =
    unbonding.amount === 0n
      ? ''
      : `; ${tokens(unbonding.amount)} leave it and can be withdrawn from ${at} on: \`murmur worker unstake\``
  print(
    options,
    {
      account: owner,
      staked: String(staked),
      unbonding: String(unbonding.amount),
      withdrawableAt: unbonding.amount === 0n ? null : unbonding.withdrawableAt,
    },
    `${owner} has ${tokens(staked)} at stake${leaving}`,
  )
}
