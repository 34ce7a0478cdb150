import type { Command } from 'commander'

export function addResume(program: Command): void {
  program
    .command('resume')
    .description('let a paused run go on')
    .argument('<run>', 'run id or name')
    .option('--home <folder>', 'state folder of the cluster')
    .option('--json', 'print which run as one JSON document')
    .addHelpText('after', '\nExample:\n  murmur resume moby')
    .action(async (named: string, options: { home?: string; json?: boolean }) => {
      const [{ chosenRun, connectApi }, { homeFolder }] = await Promise.all([
        import('./api-client.ts'),
        import('./home.ts'),
      ])
      const api = await connectApi(homeFolder(options.home))
      const run = await chosenRun(api, named)
      await api.resumeRun(run)
      process.stdout.write(options.json === true ? `${JSON.stringify({ run })}\n` : `resuming ${run}\n`)
    })
}
