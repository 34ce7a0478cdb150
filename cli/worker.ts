import type { Command } from 'commander'
import { addWorkerMoney } from './worker-money.ts'

export function addWorker(program: Command): void {
  const worker = program
    .command('worker')
    .description('what concerns one worker: its host, its pay')
    .addHelpText('after', '\nExample:\n  murmur worker check')
  worker
    .command('check')
    .description('try what a worker needs on this host: a checklist, each failure with its fix')
    .option('--address <multiaddr,…>', 'also try the connection to a head at one of these addresses')
    .option('--run-file <file>', 'whether the model of this run fits; otherwise the default model')
    .option('--home <folder>', 'state folder')
    .option('--name <name>', 'name of the worker’s folder in it', 'worker')
    .option('--account-key <file>', 'private key of who is paid')
    .option('--json', 'print the checklist as one JSON document on stdout')
    .addHelpText(
      'after',
      '\nExample:\n  murmur worker check --address /ip4/203.0.113.7/tcp/4101/p2p/12D3KooW…',
    )
    .action(async (options) => {
      const { workerCheckCommand } = await import('./worker-check.ts')
      await workerCheckCommand(options)
    })
  worker
    .command('bind')
    .description('sign, with the key of a payout address, that it is paid for a worker’s work')
    .argument('<peer>', 'the worker’s peer id, as `murmur start --payout` tells it')
    .requiredOption('--account-key <file>', 'private key of the payout address')
    .option('--json', 'print address and signature as one JSON document on stdout')
    .addHelpText('after', '\nExample:\n  murmur worker bind 12D3KooW… --account-key wallet.key')
    .action(async (peer: string, options: { accountKey: string; json?: boolean }) => {
      const { workerBindCommand } = await import('./worker-bind.ts')
      await workerBindCommand(peer, options)
    })
  addWorkerMoney(worker)
}
