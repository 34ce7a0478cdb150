import type { Command } from 'commander'
import { MurmurError } from '../protocol/errors.ts'

interface StopOptions {
  all?: boolean
  home?: string
  json?: boolean
}

export function addStop(program: Command): void {
  program
    .command('stop')
    .description('stop a run, or without one every node of this home')
    .argument('[run]', 'run id or name: verified epochs stay paid, the rest becomes refundable')
    .option('--all', 'end every node of this home: the same as naming no run')
    .option('--home <folder>', 'state folder of the cluster')
    .option('--json', 'print what was stopped as one JSON document on stdout')
    .addHelpText(
      'after',
      '\nExamples:\n  murmur stop moby   the run\n  murmur stop        the nodes on this host',
    )
    .action(async (named: string | undefined, options: StopOptions) => {
      if (named === undefined) {
        const { stopNodes } = await import('./stop-nodes.ts')
        return await stopNodes(options)
      }
      if (options.all === true) {
        throw new MurmurError('STOP_UNCLEAR', {
          message: `${named} is a run, --all means nodes`,
          next: 'name a run, or pass --all',
          exit: 'usage',
        })
      }
      const [{ chosenRun, connectApi }, { homeFolder }] = await Promise.all([
        import('./api-client.ts'),
        import('./home.ts'),
      ])
      const api = await connectApi(homeFolder(options.home))
      const run = await chosenRun(api, named)
      await api.stopRun(run)
      process.stdout.write(options.json === true ? `${JSON.stringify({ run })}\n` : `stopping ${run}\n`)
    })
}
