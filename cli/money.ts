import type { Account } from 'viem'
import { formatEther } from 'viem'
import { type ChainConfig, connectEscrow, type Escrow } from '../chain/escrow.ts'
import { MurmurError } from '../protocol/errors.ts'
import type { Address, Wei } from '../protocol/ids.ts'
import type { EscrowReport, RunReport } from '../protocol/report.ts'

/** Tokens as people read them: at most four decimals, cut, never rounded up. */
export function tokens(amount: Wei | string): string {
  const [whole, fraction = ''] = formatEther(BigInt(amount)).split('.')
  const cut = fraction.slice(0, 4).replace(/0+$/, '')
  return cut === '' ? whole! : `${whole}.${cut}`
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
