import type { Account } from 'viem'
import { isAddress, parseEther } from 'viem'
import { type ChainConfig, connectEscrow, type Escrow } from '../chain/escrow.ts'
import { MurmurError } from '../protocol/errors.ts'
import type { Address, Wei } from '../protocol/ids.ts'
import type { EscrowReport, RunReport } from '../protocol/report.ts'

/** What a person wrote as an amount of tokens, in base units. Throws AMOUNT_INVALID (exit `usage`), also for 0. */
export function amountOf(text: string): Wei {
  if (/^\d{1,18}(\.\d{1,18})?$/.test(text) && parseEther(text) > 0n) return parseEther(text)
  throw new MurmurError('AMOUNT_INVALID', {
    message: `${text} is not an amount of tokens`,
    next: 'write it as 150 or 0.5',
    exit: 'usage',
  })
}

/** An address as an option gives it, or `otherwise` without the option. Throws ADDRESS_INVALID (exit `usage`). */
export function addressOf(text: string | undefined, otherwise: Address): Address {
  if (text === undefined) return otherwise
  if (isAddress(text)) return text
  throw new MurmurError('ADDRESS_INVALID', {
    message: `${text} is not an address`,
    next: 'write it as 0x and 40 hexadecimal digits',
    exit: 'usage',
  })
}

/**
 * The escrow of a run. `chain` is where the head finds its chain now: a devnet that was restarted has another port than
 * the report of an older run tells. Throws RUN_UNPAID for a run without an escrow.
 */
export function escrowOf(
  report: RunReport,
  account?: Account,
  chain: ChainConfig | null = null,
): { escrow: Escrow; place: EscrowReport } {
  const recorded = report.escrow
  const moved = chain !== null && recorded !== null && chain.escrow === recorded.contract
  const place = moved ? { ...recorded, rpcUrl: chain.rpcUrl } : recorded
  if (place === null) {
    throw new MurmurError('RUN_UNPAID', {
      message: `the run ${report.name} has no escrow (or its chain does not answer)`,
      next: 'a run pays when its file has a `reward` section',
      exit: 'funds',
    })
  }
  const config = { rpcUrl: place.rpcUrl, chainId: place.chainId, escrow: place.contract, token: place.token }
  return { escrow: connectEscrow(config, account), place }
}

export interface FundingRow {
  readonly funder: Address
  readonly funded: Wei
  readonly refunded: Wei
}

export async function fundingTable(escrow: Escrow, place: EscrowReport): Promise<readonly FundingRow[]> {
  return (await escrow.funders(place.run)).map(({ funder, amount, refunded }) => ({
    funder,
    funded: amount,
    refunded,
  }))
}
