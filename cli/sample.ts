import type { Command } from 'commander'
import { averageOption } from './checkpoint-average.ts'

export interface SampleCommandOptions {
  readonly prompt: string
  readonly count: string
  readonly temperature: string
  readonly topK: string
  readonly seed: string
  readonly average?: string
  readonly home?: string
  readonly json?: boolean
}

export function addSample(program: Command): void {
  program
    .command('sample')
    .description('let a checkpoint continue a text')
    .argument(
      '[checkpoint]',
      'CID of a checkpoint, or the name or id of a run for its newest (default: the newest)',
    )
    .requiredOption('--prompt <text>', 'what it continues')
    .option('--count <number>', 'bytes, or tokens of the run’s tokenizer, to add', '200')
    .option('--temperature <number>', '0 takes the likeliest each time, 1 draws as the model says', '0.8')
    .option('--top-k <number>', 'draw from the so many likeliest', '40')
    .option('--seed <number>', 'another seed draws another text', '0')
    .addOption(averageOption())
    .option('--home <folder>', 'state folder of the cluster')
    .option('--json', 'print one JSON document')
    .addHelpText('after', '\nExample:\n  murmur sample --prompt "Call me" --temperature 0.7')
    .action(async (checkpoint: string | undefined, options: SampleCommandOptions) => {
      const { sampleCommand } = await import('./sample-command.ts')
      await sampleCommand(checkpoint, options)
    })
}
