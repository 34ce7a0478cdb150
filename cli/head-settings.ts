import { parseEther } from 'viem'
import { parseAddress, parseListenAddress } from '../network/addresses.ts'
import { MurmurError } from '../protocol/errors.ts'
import type { Wei } from '../protocol/ids.ts'
import { accountFromFile } from './accounts.ts'
import { readChainFile } from './chain-file.ts'
import { headAddresses } from './head-addresses.ts'
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

/**
 * What a head needs to know before it starts, from its options.
 * @throws MurmurError ADDRESS_INVALID, PORT_INVALID, STAKE_INVALID, ACCOUNT_KEY_MISSING, and what reading its files throws
 */
export async function headSettings(options: StartOptions) {
  const { listen = defaultListen, announce, token = '', headToken, devnet = false } = options
  for (const address of listen) parseListenAddress(address)
  for (const address of announce ?? []) parseAddress(address)
  const flags: HeadFlags = {
    standbyOf: options.standby === true ? headAddresses(options.address!) : null,
    relay: options.relay,
    minStakeWei: options.minStake === undefined ? null : stakeOf(options.minStake),
  }
  const apiPort = portOf(options.apiPort)
  const chain = options.chain === undefined ? null : await readChain(options.chain, options.accountKey)
  return { ...flags, listen, announce, apiPort, token, headToken, devnet, chain }
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
