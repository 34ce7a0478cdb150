import { type Command, Option } from 'commander'
import type { LogFormat } from './log.ts'
import { type StartOptions, unclear } from './start-options.ts'

const addresses = (text: string, before: readonly string[] = []): readonly string[] => [
  ...before,
  ...text.split(',').map((address) => address.trim()),
]

export function addStart(program: Command): void {
  program
    .command('start')
    .description('start one node: a head, or a worker that joins one')
    .option('--head', 'be a head')
    .option('--address <multiaddr,…>', 'join the cluster with a head at one of these addresses')
    .option('--home <folder>', 'where the node keeps its state; it writes nowhere else')
    .option(
      '--listen <multiaddr,…>',
      'where to listen (head: /ip4/0.0.0.0/tcp/4101; worker: any free port)',
      addresses,
    )
    .option(
      '--announce <multiaddr,…>',
      'tell others to reach it here instead: a forwarded port, a load balancer, a name',
      addresses,
    )
    // From the environment where others on the host may list processes and their arguments.
    .addOption(
      new Option('--token <token>', 'what workers must present to join (head), or present (worker)').env(
        'MURMUR_TOKEN',
      ),
    )
    .option('--account-key <file>', 'private key: head, who posts epochs; worker, who is paid')
    .option('--detach', 'run in the background; returns when the node is ready or has joined')
    .option('--json', 'with --detach: print what was started as one JSON document on stdout')
    .option('--log-format <format>', 'text, or json: one object a line')
    .option('--log-file <file>', 'log there, with rotation, instead of to stderr')
    .optionsGroup('Of a head:')
    .option('--api-port <port>', 'port of the API on 127.0.0.1', '4180')
    .option('--devnet', 'run a local chain with test money, and pay on it')
    .option('--chain <file>', 'pay on the chain of this JSON file {rpcUrl, chainId, escrow, token}')
    .option('--standby', 'follow the head at --address, and take over when it is gone')
    .addOption(
      new Option(
        '--head-token <token>',
        'what heads present to each other (default: heads.token in the home)',
      ).env('MURMUR_HEAD_TOKEN'),
    )
    .option('--no-relay', 'do not carry the connections of workers that cannot reach each other')
    .option('--min-stake <tokens>', 'also admit workers without the token that have staked this much')
    .optionsGroup('Of a worker:')
    .option('--name <name>', 'name of its state folder', 'worker')
    .option('--payout <address>', 'be paid to this address, whose key is elsewhere')
    .option('--payout-signature <signature>', 'its consent, made by `murmur worker bind`')
    .option('--dev-account <index>', 'be paid to this account of the devnet')
    .option('--no-pay', 'train without pay')
    .option('--gpus <number>', 'which graphics card to train on, as 0; or none')
    .option(
      '--engine <name>',
      'what trains: ort-cpu, ort-wasm, ort-webgpu, ort-cuda, tfjs; or the fastest here',
      'auto',
    )
    .option('--max-upload <rate>', 'send at most this much, as 20Mbps or 2.5MB/s')
    .option('--schedule <windows>', 'work only then, local time, as 22:00-08:00')
    .option('--labels <labels>', 'what placement may ask for, as region=eu,asn=3320')
    .addHelpText(
      'after',
      `
Examples:
  murmur start --head --devnet
  murmur start --address /ip4/203.0.113.7/tcp/4101/p2p/12D3KooW…
  murmur start --address … --detach --schedule 22:00-08:00 --max-upload 20Mbps`,
    )
    .action(async (options: StartOptions) => {
      refuseContradictions(options)
      const logFormat = logFormatOf(options.logFormat)
      if (options.head === true) await (await import('./start-head.ts')).startHeadNode(options, logFormat)
      else await (await import('./start-worker.ts')).startWorkerNode(options, logFormat)
    })
}

function refuseContradictions(options: StartOptions): void {
  const head = options.head === true
  const standby = options.standby === true
  if (standby && !(head && options.address !== undefined))
    throw unclear('a standby is a head that follows another', 'pass --head --standby --address <that head>')
  if (!standby && head === (options.address !== undefined))
    throw unclear(
      'a node is either a head or a worker',
      'pass --head, or --address with the address of a head',
    )
  if (options.devnet === true && options.chain !== undefined)
    throw unclear('a head pays on one chain', 'pass --devnet or --chain, not both')
  if (options.devnet === true && standby)
    throw unclear(
      'a devnet ends with its head, so a standby cannot pay on one',
      'give both heads the same --chain',
    )
  if (options.minStake !== undefined && options.devnet !== true && options.chain === undefined)
    throw unclear('stakes are held by a chain', 'pass --devnet or --chain with --min-stake')
}

function logFormatOf(text: string | undefined): LogFormat | undefined {
  if (text === undefined || text === 'text' || text === 'json') return text
  throw unclear(`--log-format ${text} is not a format`, 'pass text or json')
}
