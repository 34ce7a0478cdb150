import { parseEther } from 'viem'
import { parseAddress, parseListenAddress } from '../network/addresses.ts'
import { MurmurError } from '../protocol/errors.ts'
import type { Wei } from '../protocol/ids.ts'
import { accountFromFile } from './accounts.ts'
import { readChainFile } from './chain-file.ts'
import { detachNode } from './detach-node.ts'
import { homeFolder, requireReady } from './home.ts'
import type { LogFormat } from './log.ts'
import { runNode } from './run-node.ts'
import type { StartOptions } from './start-options.ts'

const defaultListen = ['/ip4/0.0.0.0/tcp/4101']

/** What a head is told on its command line beyond where it listens and pays. */
export interface HeadFlags {
  /** Addresses of the head to follow; null for one that leads from the start. */
  readonly standbyOf: readonly string[] | null
  /** Whether it relays for workers that cannot be dialled. */
  readonly relay: boolean
  /** Workers with this much at stake are admitted without a token; null: a token decides alone. */
  readonly minStakeWei: Wei | null
}

/** `murmur start --head`: until it is asked to stop, or with --detach until it is ready. */
export async function startHeadNode(options: StartOptions, logFormat: LogFormat | undefined): Promise<void> {
  const home = homeFolder(options.home)
  const listen = options.listen ?? defaultListen
  for (const address of listen) parseListenAddress(address)
  for (const address of options.announce ?? []) parseAddress(address)
  const apiPort = portOf(options.apiPort)
  const flags: HeadFlags = {
    standbyOf: options.standby === true ? headAddresses(options.address!) : null,
    relay: options.relay,
    minStakeWei: options.minStake === undefined ? null : stakeOf(options.minStake),
  }
  const chain = options.chain === undefined ? null : await readChain(options.chain, options.accountKey)
  if (options.detach === true) {
    return await detachNode({ home, role: 'head' }, options, async () => {
      const { addresses } = await requireReady(home)
      const token = options.token === undefined ? '' : ' --token <token>'
      return { addresses, join: `murmur start --address ${addresses[0]}${token}` }
    })
  }
  await runNode({ home, role: 'head' }, { ...options, logFormat }, async ({ stopping, ready }) => {
    const { startHead } = await import('./head-process.ts')
    const { token = '', headToken, devnet = false, announce } = options
    const head = await startHead({
      home,
      listen,
      announce,
      apiPort,
      token,
      headToken,
      devnet,
      chain,
      ...flags,
    })
    try {
      await ready()
      await aborted(stopping)
    } finally {
      await head.stop()
    }
  })
}

/** The addresses of heads in `--address`, each checked. Throws ADDRESS_INVALID. */
export function headAddresses(text: string): readonly string[] {
  const addresses = text.split(',').map((address) => address.trim())
  for (const address of addresses) parseAddress(address)
  return addresses
}

function aborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve()
    else signal.addEventListener('abort', () => resolve(), { once: true })
  })
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

function stakeOf(text: string): Wei {
  if (/^\d{1,18}(\.\d{1,18})?$/.test(text)) return parseEther(text)
  throw new MurmurError('STAKE_INVALID', {
    message: `--min-stake ${text.slice(0, 40)} is not an amount of tokens`,
    next: 'write it as 150 or 0.5',
    exit: 'usage',
  })
}

async function readChain(file: string, accountKey: string | undefined) {
  if (accountKey === undefined) {
    throw new MurmurError('ACCOUNT_KEY_MISSING', {
      message: 'a head that pays on a chain needs an account to post epochs with',
      next: 'pass --account-key with the file of its private key',
      exit: 'usage',
    })
  }
  return { config: await readChainFile(file), account: await accountFromFile(accountKey) }
}
