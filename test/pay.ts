import { expect } from 'vitest'
import { type ChainConfig, connectEscrow } from '../chain/escrow.ts'
import type { Wei, WorkerId } from '../protocol/ids.ts'
import type { RunReport } from '../protocol/report.ts'

/**
 * What a worker is due of one epoch, from who was a member of its rounds and who was admitted: every member is asked
 * for the same tokens, so its share is its admitted rounds over all members' rounds, whatever the others did.
 */
export function shareOf(report: RunReport, worker: WorkerId, epoch: number, perEpochWei: Wei): Wei {
  const rounds = report.rounds.filter((round) => round.epoch === epoch)
  const asked = rounds.reduce((sum, { members }) => sum + BigInt(members.length), 0n)
  const done = BigInt(rounds.filter(({ admitted }) => admitted.includes(worker)).length)
  return (perEpochWei * done) / asked
}

/** The escrow's books and the chain's own balances agree to the wei, and nobody was paid what nobody verified. */
export async function expectSolvent(report: RunReport, chain: ChainConfig): Promise<void> {
  const escrow = connectEscrow(chain)
  const { funded, reserved, claimed, unspent, refunded } = await escrow.accounting(report.escrow!.run)
  expect(await escrow.balanceOf(chain.escrow)).toBe(unspent + reserved - claimed)
  expect(unspent).toBe(funded - reserved - refunded)
  expect(reserved).toBe(report.epochs.reduce((sum, { paid }) => sum + BigInt(paid), 0n))
  expect(claimed).toBe(report.workers.reduce((sum, { earned }) => sum + BigInt(earned), 0n))
  for (const { payout, earned } of report.workers)
    expect(await escrow.balanceOf(payout!)).toBe(BigInt(earned))
}
