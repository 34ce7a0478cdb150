import type { Account } from 'viem'
import { connectEscrow } from '../chain/escrow.ts'
import { loadPayouts, maxPayoutBytes } from '../chain/payout-tree.ts'
import type { Address, CidText, Wei } from '../protocol/ids.ts'
import type { Assignment } from '../protocol/wire.ts'

type EscrowPlace = NonNullable<Assignment['escrow']>

export interface Claimed {
  readonly amount: Wei
  readonly gasUsed: bigint
}

/**
 * Claims everything that finalized epochs owe to `account`, whoever pays for the transaction. The payout tree is
 * checked against the root that is final on chain, so whoever serves it cannot change a payment.
 * @returns what was paid, or null when the tree is not final yet or nothing is owed.
 * @throws MurmurError PAYOUTS_INVALID, RPC_UNREACHABLE, TX_REVERTED
 */
export async function claimEarnings(
  place: EscrowPlace,
  payoutTree: CidText,
  account: Address,
  sender: Account,
  fetch: (cid: CidText, maxBytes: number) => Promise<Uint8Array>,
): Promise<Claimed | null> {
  const config = {
    rpcUrl: place.rpcUrl,
    chainId: place.chainId,
    escrow: place.escrow as Address,
    token: place.token as Address,
  }
  const escrow = connectEscrow(config, sender)
  const finalized = await escrow.finalized(place.run)
  const tree = loadPayouts(await fetch(payoutTree, maxPayoutBytes))
  if (tree.root !== finalized.payoutRoot) return null
  const cumulative =
    [...tree.entries].find(([entry]) => entry.toLowerCase() === account.toLowerCase())?.[1] ?? 0n
  const already = await escrow.claimed(place.run, account)
  if (cumulative <= already) return null
  const { gasUsed } = await escrow.claim(place.run, account, cumulative, tree.proof(account))
  return { amount: cumulative - already, gasUsed }
}
