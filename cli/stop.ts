import type { Command } from 'commander'

export function addStop(program: Command): void {
  program
    .command('stop')
    .description('stop a run; verified epochs stay paid, the rest becomes refundable')
    .argument('[run]', 'run id or name (default: the newest)')
    .option('--home <folder>', 'state folder of the cluster')
    .addHelpText('after', '\nExample:\n  murmur stop moby')
    .action(async (named: string | undefined, options: { home?: string }) => {
      const [{ chosenRun, connectApi }, { homeFolder }] = await Promise.all([
        import('./api-client.ts'),
        import('./home.ts'),
      ])
      const api = await connectApi(homeFolder(options.home))
      const run = await chosenRun(api, named)
      await api.stopRun(run)
      process.stdout.write(`stopping ${run}\n`)
    })
}
