import type { Command } from 'commander'
import { type MoneyOptions, withAccount } from './fund.ts'

export function addClaim(program: Command): void {
  withAccount(
    program
      .command('claim')
      .description('claim what a worker’s account has earned in a run and is final')
      .argument('[run]', 'run id or name (default: the newest)')
      .option('--for <address>', 'claim for this account; anyone may, the money goes to it'),
  )
    .addHelpText(
      'after',
      '\nExample:\n  murmur claim moby --account-key ~/.local/state/murmur/default/worker/account.key',
    )
    .action(async (run: string | undefined, options: MoneyOptions & { for?: string }) => {
      const { claimCommand } = await import('./money-commands.ts')
      await claimCommand(run, options)
    })
}
