import type { Command } from 'commander'

export interface DemoOptions {
  workers: string
  epochs: string
  seed: string
  data?: string
  home?: string
  json?: boolean
}

export function addDemo(program: Command): void {
  program
    .command('demo')
    .description('the whole loop on this machine: train, keep on IPFS, verify, pay')
    .option('--workers <count>', 'how many worker processes', '4')
    .option('--epochs <count>', 'how many epochs', '3')
    .option('--seed <number>', 'seed of weights and batches', '0')
    .option('--data <file>', 'train on this text file (default: Moby Dick)')
    .option('--home <folder>', 'state folder (default: …/murmur/demo)')
    .option('--json', 'print the result as one JSON document')
    .addHelpText('after', '\nExample:\n  murmur demo --workers 2 --data my-text.txt')
    .action(async (options: DemoOptions) => {
      const { demoCommand } = await import('./demo-command.ts')
      await demoCommand(options)
    })
}
