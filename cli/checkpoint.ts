import { type Command, Option } from 'commander'
import { averageOption } from './checkpoint-average.ts'

export interface ExportCommandOptions {
  readonly out: string
  readonly format: string
  readonly average?: string
  readonly home?: string
  readonly force?: boolean
}

export function addCheckpoint(program: Command): void {
  const checkpoint = program.command('checkpoint').description('list and export checkpoints')
  checkpoint
    .command('list')
    .description('the checkpoints in a state folder, newest first')
    .option('--home <folder>', 'state folder of the cluster')
    .option('--json', 'print them as JSON')
    .addHelpText('after', '\nExample:\n  murmur checkpoint list')
    .action(async (options: { home?: string; json?: boolean }) => {
      const { listCommand } = await import('./checkpoint-commands.ts')
      await listCommand(options)
    })
  checkpoint
    .command('export')
    .description('write a checkpoint as files, checked against its CID and state root')
    .argument('<cid>', 'the checkpoint’s CID')
    .requiredOption('--out <folder>', 'where to write it')
    .addOption(
      new Option(
        '--format <format>',
        'model.safetensors alone, or a folder that transformers loads (docs/models.md)',
      )
        .choices(['safetensors', 'hugging-face'])
        .default('safetensors'),
    )
    .addOption(averageOption())
    .option('--force', 'overwrite files that are there')
    .option('--home <folder>', 'state folder of the cluster')
    .addHelpText(
      'after',
      '\nExamples:\n  murmur checkpoint export bafy… --out model --format hugging-face\n  murmur checkpoint export bafy… --out model --average 3',
    )
    .action(async (cid: string, options: ExportCommandOptions) => {
      const { exportCommand } = await import('./checkpoint-commands.ts')
      await exportCommand(cid, options)
    })
}
