import type { Command } from 'commander'

export interface MetricsOptions {
  readonly json?: boolean
  readonly home?: string
}

export function addMetrics(program: Command): void {
  program
    .command('metrics')
    .description('losses, speed and bytes of a run, round by round')
    .argument('[run]', 'run id or name (default: the newest)')
    .option('--home <folder>', 'state folder of the cluster')
    .option('--json', 'print the figures as one JSON array')
    .addHelpText('after', '\nExample:\n  murmur metrics moby')
    .action(async (run: string | undefined, options: MetricsOptions) => {
      const { metricsCommand } = await import('./metrics-command.ts')
      await metricsCommand(run, options)
    })
}
