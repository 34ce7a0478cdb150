import type { Command } from 'commander'

export function addDown(program: Command): void {
  program
    .command('down')
    .description('stop the local cluster that `up` started; its state stays')
    .option('--home <folder>', 'state folder of the cluster')
    .option('--json', 'print what was stopped as one JSON document on stdout')
    .addHelpText('after', '\nExample:\n  murmur down')
    .action(async (options: { home?: string; json?: boolean }) => {
      const { stopNodes } = await import('./stop-nodes.ts')
      await stopNodes(options)
    })
}
