import type { Command } from 'commander'

export function addDown(program: Command): void {
  program
    .command('down')
    .description('stop the local cluster that `up` started; its state stays')
    .option('--home <folder>', 'state folder of the cluster')
    .addHelpText('after', '\nExample:\n  murmur down')
    .action(async (options: { home?: string }) => {
      const [{ endProcesses, livingProcesses }, { homeFolder }] = await Promise.all([
        import('./launch.ts'),
        import('./home.ts'),
      ])
      const processes = await livingProcesses(homeFolder(options.home))
      await endProcesses(processes)
      process.stdout.write(
        processes.length === 0 ? 'nothing was running\n' : `stopped ${processes.length} processes\n`,
      )
    })
}
