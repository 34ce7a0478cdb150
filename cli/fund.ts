import type { Command } from 'commander'

export interface MoneyOptions {
  readonly home?: string
  readonly accountKey?: string
  readonly account?: string
  readonly json?: boolean
}

/** Options that every money command has. */
export function withAccount(command: Command): Command {
  return command
    .option('--account-key <file>', 'private key of the account that acts')
    .option('--account <index>', 'on a devnet: which of its accounts acts')
    .option('--home <folder>', 'state folder of the cluster')
    .option('--json', 'print the result as JSON')
}

export function addFund(program: Command): void {
  withAccount(
    program
      .command('fund')
      .description('put tokens into a run’s escrow; what is not earned comes back with `refund`')
      .argument('[run]', 'run id or name (default: the newest)')
      .requiredOption('--amount <tokens>', 'whole tokens, decimals allowed')
      .option('--mint', 'on a devnet: make that many test tokens for the account first'),
  )
    .addHelpText('after', '\nExample:\n  murmur fund moby --amount 150 --account 1 --mint')
    .action(async (run: string | undefined, options: MoneyOptions & { amount: string; mint?: boolean }) => {
      const { fundCommand } = await import('./money-commands.ts')
      await fundCommand(run, options)
    })
}
