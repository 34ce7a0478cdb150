import type { Command } from 'commander'
import { listed } from './listed.ts'

export interface ListOptions {
  readonly filter: readonly string[]
  readonly watch?: boolean
  readonly json?: boolean
  readonly home?: string
}

export function addList(program: Command): void {
  program
    .command('list')
    .description('list runs, nodes, epochs, checkpoints or payments')
    .argument('<what>', listed.join(', '))
    .option('--filter <key=value>', 'only rows whose column is that; may be given again', collect, [])
    .option('--watch', 'print again whenever something changes, until Ctrl-C')
    .option('--home <folder>', 'state folder of the cluster')
    .option('--json', 'print an array of objects (with --watch: one a line)')
    .addHelpText(
      'after',
      '\nExamples:\n  murmur list runs --filter phase=train\n  murmur list payments --filter run=moby --json',
    )
    .action(async (what: string, options: ListOptions) => {
      const { listCommand } = await import('./list-command.ts')
      await listCommand(what, options)
    })
}

const collect = (value: string, before: readonly string[]): string[] => [...before, value]
