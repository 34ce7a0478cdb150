import type { Command } from 'commander'
import { MurmurError } from '../protocol/errors.ts'

interface StartOptions {
  head?: boolean
  address?: string
  home?: string
  listen?: string
  apiPort: string
  token?: string
  devnet?: boolean
  chain?: string
  accountKey?: string
  name: string
  devAccount?: string
  pay: boolean
}

export function addStart(program: Command): void {
  program
    .command('start')
    .description('start one node: a head, or a worker that joins one')
    .option('--head', 'be the head of a new cluster')
    .option('--address <multiaddr,…>', 'join the cluster of the head at this address, as a worker')
    .option('--home <folder>', 'where the node keeps its state')
    .option('--listen <multiaddr>', 'where to listen (head: /ip4/0.0.0.0/tcp/4101; worker: any free port)')
    .option('--api-port <port>', 'port of the head’s API on 127.0.0.1', '4180')
    .option('--token <token>', 'what workers must present to join (head), or present (worker)')
    .option('--devnet', 'head: run a local chain with test money, and pay on it')
    .option('--chain <file>', 'head: pay on the chain of this JSON file {rpcUrl, chainId, escrow, token}')
    .option('--account-key <file>', 'private key: head, who posts epochs; worker, who is paid')
    .option('--name <name>', 'worker: name of its state folder', 'worker')
    .option('--dev-account <index>', 'worker: be paid to this account of the devnet')
    .option('--no-pay', 'worker: train without pay')
    .addHelpText(
      'after',
      `
Examples:
  murmur start --head --devnet
  murmur start --address /ip4/203.0.113.7/tcp/4101/p2p/12D3KooW…`,
    )
    .action(async (options: StartOptions) => {
      if ((options.head === true) === (options.address !== undefined)) {
        throw unclear(
          'a node is either a head or a worker',
          'pass --head, or --address with the address of a head',
        )
      }
      await (options.head === true ? startHeadNode(options) : startWorkerNode(options))
    })
}

function unclear(message: string, next: string): MurmurError {
  return new MurmurError('START_UNCLEAR', { message, next, exit: 'usage' })
}

async function startHeadNode(options: StartOptions): Promise<void> {
  if (options.devnet === true && options.chain !== undefined)
    throw unclear('a head pays on one chain', 'pass --devnet or --chain, not both')
  const apiPort = portOf(options.apiPort)
  const [{ startHead }, { homeFolder }] = await Promise.all([
    import('./head-process.ts'),
    import('./home.ts'),
  ])
  const { untilStopped } = await import('./until-stopped.ts')
  const chain = options.chain === undefined ? null : await readChain(options.chain, options.accountKey)
  const stopped = untilStopped()
  const head = await startHead({
    home: homeFolder(options.home),
    listen: [options.listen ?? '/ip4/0.0.0.0/tcp/4101'],
    apiPort,
    token: options.token ?? '',
    devnet: options.devnet === true,
    chain,
  })
  await stopped
  await head.stop()
}

async function startWorkerNode(options: StartOptions): Promise<void> {
  if (!/^[A-Za-z0-9][\w.-]{0,63}$/.test(options.name))
    throw unclear(
      `--name ${options.name} is not the name of a folder`,
      'use letters, digits, hyphens and dots; --home says where it is',
    )
  const { parseAddress } = await import('../network/addresses.ts')
  const addresses = options.address!.split(',')
  for (const address of addresses) parseAddress(address)
  const [{ startWorker }, { homeFolder, workerFolder }, accounts] = await Promise.all([
    import('./worker-process.ts'),
    import('./home.ts'),
    import('./accounts.ts'),
  ])
  const { untilStopped } = await import('./until-stopped.ts')
  const folder = workerFolder(homeFolder(options.home), options.name)
  const account = !options.pay
    ? null
    : options.devAccount !== undefined
      ? accounts.chosenDevAccount(options.devAccount, '--dev-account')
      : options.accountKey !== undefined
        ? await accounts.accountFromFile(options.accountKey)
        : await accounts.ownAccount(folder)
  const stopped = untilStopped()
  const worker = await startWorker({
    folder,
    addresses,
    listen: [options.listen ?? '/ip4/0.0.0.0/tcp/0'],
    token: options.token ?? '',
    account,
  })
  try {
    await Promise.race([stopped, worker.life])
  } finally {
    await worker.stop()
  }
}

function portOf(text: string): number {
  const port = Number(text)
  if (Number.isInteger(port) && port >= 0 && port <= 65_535) return port
  throw new MurmurError('PORT_INVALID', {
    message: `${text} is not a port`,
    next: 'give a number from 0 to 65535; 0 takes any free port',
    exit: 'usage',
  })
}

async function readChain(file: string, accountKey: string | undefined) {
  const [{ readChainFile }, { accountFromFile }] = await Promise.all([
    import('./chain-file.ts'),
    import('./accounts.ts'),
  ])
  if (accountKey === undefined) {
    throw new MurmurError('ACCOUNT_KEY_MISSING', {
      message: 'a head that pays on a chain needs an account to post epochs with',
      next: 'pass --account-key with the file of its private key',
      exit: 'usage',
    })
  }
  return { config: await readChainFile(file), account: await accountFromFile(accountKey) }
}
