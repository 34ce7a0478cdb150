import type { Command } from 'commander'

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
    .description('write a checkpoint as model.safetensors, checked against its CID and state root')
    .argument('<cid>', 'the checkpoint’s CID')
    .requiredOption('--out <folder>', 'where to write it')
    .option('--force', 'overwrite files that are there')
    .option('--home <folder>', 'state folder of the cluster')
    .addHelpText('after', '\nExample:\n  murmur checkpoint export bafy… --out model')
    .action(async (cid: string, options: { out: string; home?: string; force?: boolean }) => {
      const { exportCommand } = await import('./checkpoint-commands.ts')
      await exportCommand(cid, options)
    })
}
