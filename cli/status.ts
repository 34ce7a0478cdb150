import type { Command } from 'commander'

export interface StatusOptions {
  readonly home?: string
  readonly json?: boolean
  readonly verbose?: boolean
}

export function addStatus(program: Command): void {
  program
    .command('status')
    .description('show the cluster: nodes, runs, and why anything waits')
    .option(
      '-v, --verbose',
      'also what each worker of an active run does, its first error, and the newest events',
    )
    .option('--home <folder>', 'state folder of the cluster')
    .option('--json', 'print it as JSON')
    .addHelpText('after', '\nExample:\n  murmur status -v')
    .action(async (options: StatusOptions) => {
      const { statusCommand } = await import('./status-command.ts')
      await statusCommand(options)
    })
}
