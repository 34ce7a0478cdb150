import type { Command } from 'commander'

export interface LogsOptions {
  readonly follow?: boolean
  readonly node?: string
  readonly json?: boolean
  readonly home?: string
}

export function addLogs(program: Command): void {
  program
    .command('logs')
    .description('what happened in a run: phases, rounds, audits, and the errors of its workers')
    .argument('[run]', 'run id or name (default: the newest)')
    .option('-f, --follow', 'go on with what happens from now on, until Ctrl-C or the run’s end')
    .option('--node <name>', 'only what is about one worker, by name or peer id')
    .option('--home <folder>', 'state folder of the cluster')
    .option('--json', 'print one JSON object a line')
    .addHelpText('after', '\nExamples:\n  murmur logs moby -f\n  murmur logs moby --node w2')
    .action(async (run: string | undefined, options: LogsOptions) => {
      const { logsCommand } = await import('./logs-command.ts')
      await logsCommand(run, options)
    })
}
