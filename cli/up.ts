import type { Command } from 'commander'

export function addUp(program: Command): void {
  program
    .command('up')
    .description('start a local cluster in the background: head, devnet, workers')
    .option('--workers <count>', 'how many workers', '4')
    .option('--home <folder>', 'state folder of the cluster')
    .addHelpText('after', '\nExample:\n  murmur up --workers 4 && murmur run run.yaml')
    .action(async (options: { workers: string; home?: string }) => {
      const [{ interruptible }, { launchCluster }, { homeFolder }, { workerCount }] = await Promise.all([
        import('./interruptible.ts'),
        import('./launch.ts'),
        import('./home.ts'),
        import('./worker-count.ts'),
      ])
      const home = homeFolder(options.home)
      const workers = workerCount(options.workers)
      const cluster = await interruptible('`murmur up` starts it again', (signal) =>
        launchCluster({ home, workers, detached: true }, signal),
      )
      process.stderr.write(`head and ${workers} workers are running, state and logs in ${home}\n`)
      process.stdout.write(`${cluster.ready.addresses[0]}\n`)
    })
}
