import type { ChainConfig } from '../chain/escrow-port.ts'
import { MurmurError } from '../protocol/errors.ts'
import { readChainFile } from './chain-file.ts'
import { homeFolder, readReady, requireReady } from './home.ts'

export interface MoneyChain {
  readonly chain: ChainConfig
  /** True when it is the embedded devnet of the head on this host. */
  readonly devnet: boolean
  /** The home of the head on this host, where there is one. */
  readonly home: string | null
}

/**
 * The chain that a worker's money command is about: the file that is named, or that of the head on this host. Throws
 * CHAIN_FILE_INVALID, HEAD_NOT_RUNNING, and CHAIN_MISSING for a head without a chain.
 */
export async function chosenChain(options: {
  readonly chain?: string
  readonly home?: string
}): Promise<MoneyChain> {
  const home = homeFolder(options.home)
  if (options.chain !== undefined) {
    const chain = await readChainFile(options.chain)
    const ready = await readReady(home)
    const same = ready?.chain?.chainId === chain.chainId && ready.chain.escrow === chain.escrow
    return { chain, devnet: false, home: same ? home : null }
  }
  const { chain, devnet } = await requireReady(home)
  if (chain !== null) return { chain, devnet, home }
  throw new MurmurError('CHAIN_MISSING', {
    message: 'the head on this host has no chain: nothing is staked or paid there',
    next: 'name a chain with --chain FILE, or start the head with --devnet or --chain',
    exit: 'usage',
  })
}
