import type { Command } from 'commander'
import { type MoneyOptions, withAccount } from './fund.ts'

export function addRefund(program: Command): void {
  withAccount(
    program
      .command('refund')
      .description('take back a funder’s share of what a finished run did not spend')
      .argument('[run]', 'run id or name (default: the newest)')
      .option('--for <address>', 'refund this funder; anyone may, the money goes to it'),
  )
    .addHelpText('after', '\nExample:\n  murmur refund moby --account 1')
    .action(async (run: string | undefined, options: MoneyOptions & { for?: string }) => {
      const { refundCommand } = await import('./money-commands.ts')
      await refundCommand(run, options)
    })
}
