import { type Command, Option } from 'commander'
import { type DataFormatName, dataFormats } from '../protocol/data-section.ts'
import { averageOption } from './checkpoint-average.ts'

export interface EvalCommandOptions {
  readonly data?: string
  readonly format?: DataFormatName
  readonly field?: string
  readonly labels?: string
  readonly batches: string
  readonly average?: string
  readonly home?: string
  readonly json?: boolean
}

export function addEval(program: Command): void {
  program
    .command('eval')
    .description('measure a checkpoint on its run’s held-out part, or on data of yours')
    .argument(
      '[checkpoint]',
      'CID of a checkpoint, or the name or id of a run for its newest (default: the newest)',
    )
    .option('--data <path>', 'measure on this file or folder instead of the held-out part of the run’s own')
    .addOption(
      new Option('--format <name>', 'of --data, where its name does not tell').choices([...dataFormats]),
    )
    .option('--field <name>', 'of --data, in jsonl or parquet: the field that holds text')
    .option('--labels <path>', 'of --data, in npy or idx: the file with the targets')
    .option('--batches <number>', 'at most so many batches, spread evenly over the data', '32')
    .addOption(averageOption())
    .option('--home <folder>', 'state folder of the cluster')
    .option('--json', 'print one JSON document')
    .addHelpText(
      'after',
      '\nExamples:\n  murmur eval moby\n  murmur eval bafy… --data other.csv\n  murmur eval moby --average 3',
    )
    .action(async (checkpoint: string | undefined, options: EvalCommandOptions) => {
      const { evalCommand } = await import('./eval-command.ts')
      await evalCommand(checkpoint, options)
    })
}
