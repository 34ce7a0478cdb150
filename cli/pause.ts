import type { Command } from 'commander'

export function addPause(program: Command): void {
  program
    .command('pause')
    .description('let a run finish its round and wait; its place and what it has earned are kept')
    .argument('<run>', 'run id or name')
    .option('--home <folder>', 'state folder of the cluster')
    .option('--json', 'print which run as one JSON document')
    .addHelpText('after', '\nExample:\n  murmur pause moby')
    .action(async (named: string, options: { home?: string; json?: boolean }) => {
      const [{ chosenRun, connectApi }, { homeFolder }] = await Promise.all([
        import('./api-client.ts'),
        import('./home.ts'),
      ])
      const api = await connectApi(homeFolder(options.home))
      const run = await chosenRun(api, named)
      await api.pauseRun(run)
      process.stdout.write(options.json === true ? `${JSON.stringify({ run })}\n` : `pausing ${run}\n`)
    })
}
