import type { Command } from 'commander'

export interface PlanOptions {
  readonly set: readonly string[]
  readonly home?: string
  readonly json?: boolean
}

export function addPlan(program: Command): void {
  program
    .command('plan')
    .description('say what a run takes from the nodes that are there, before anything starts')
    .argument('<file>', 'the run file (YAML)')
    .option('--set <key=value>', 'override a key of the run file, e.g. train.epochs=5', collect, [])
    .option('--home <folder>', 'state folder of the cluster')
    .option('--json', 'print it as one JSON document')
    .addHelpText(
      'after',
      `
Tokens, bytes, memory, time, cost, and which nodes fit. Ends with 5 when those that are there could not start it; without
a head it plans for workers.min nodes.

Example:
  murmur plan run.yaml --set workers.max=8`,
    )
    .action(async (file: string, options: PlanOptions) => {
      const { planCommand } = await import('./plan-command.ts')
      await planCommand(file, options)
    })
}

const collect = (value: string, before: readonly string[]): string[] => [...before, value]
