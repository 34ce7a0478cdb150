import type { Command } from 'commander'
import { type MoneyOptions, withAccount } from './fund.ts'

export interface WorkerMoneyOptions extends MoneyOptions {
  readonly chain?: string
  readonly for?: string
}

/** Options of money that is a worker's: its host need not be the head's. */
const withChain = (command: Command): Command =>
  withAccount(command).option(
    '--chain <file>',
    'where the chain is (default: the chain of the head on this host)',
  )

/** The part of `murmur worker` that is about money: a stake to be admitted by, and what work has earned. */
export function addWorkerMoney(worker: Command): void {
  withChain(
    worker
      .command('stake')
      .description(
        'stake tokens, to be admitted where no token of the cluster is asked for; without an amount: show it',
      )
      .argument('[amount]', 'whole tokens, decimals allowed')
      .option('--for <address>', 'add to the stake of this account, whose they are from then on')
      .option('--mint', 'on a devnet: make that many test tokens for the account first'),
  )
    .addHelpText(
      'after',
      '\nExample:\n  murmur worker stake 100 --chain chain.json --account-key account.key',
    )
    .action(async (amount: string | undefined, options: WorkerMoneyOptions & { mint?: boolean }) => {
      const { stakeCommand } = await import('./stake-commands.ts')
      await stakeCommand(amount, options)
    })

  withChain(
    worker
      .command('unstake')
      .description('ask a part of a stake back; without an amount: withdraw what has waited long enough')
      .argument('[amount]', 'whole tokens, decimals allowed'),
  )
    .addHelpText('after', '\nExample:\n  murmur worker unstake 100 --account-key account.key')
    .action(async (amount: string | undefined, options: WorkerMoneyOptions) => {
      const { unstakeCommand } = await import('./stake-commands.ts')
      await unstakeCommand(amount, options)
    })

  withChain(
    worker
      .command('earnings')
      .description('show what an account has earned and claimed, by run, and what can be claimed now')
      .option('--for <address>', 'of this account; its key is not needed'),
  )
    .addHelpText(
      'after',
      '\nExample:\n  murmur worker earnings --for 0x70997970C51812dc3A010C7d01b50e0d17dc79C8',
    )
    .action(async (options: WorkerMoneyOptions) => {
      const { earningsCommand } = await import('./earnings-command.ts')
      await earningsCommand(options)
    })
}
