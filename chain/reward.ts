import { MurmurError } from '../protocol/errors.ts'
import type { Address, Wei } from '../protocol/ids.ts'

/**
 * What each worker earned in one epoch, in token base units: floor(epochReward · verified tokens / expected tokens).
 *
 * The price of a token is set by what the epoch's plan asked for (`expectedTokens`), not by what was done: work that
 * was not done or not verified is paid to nobody, stays in the escrow and goes back to the funders. Otherwise a
 * worker would gain from others failing their audits. Where more was verified than expected, the reward is divided by
 * what was verified. Everything rounds down, so Σ ≤ epochReward always; accounts that earn 0 are left out.
 * Throws `REWARD_INVALID` on negative numbers or no expected tokens.
 */
export function splitReward(
  epochReward: Wei,
  verifiedTokens: ReadonlyMap<Address, bigint>,
  expectedTokens: bigint,
): ReadonlyMap<Address, Wei> {
  const verified = [...verifiedTokens.values()].reduce((sum, tokens) => sum + tokens, 0n)
  const negative = [...verifiedTokens.values()].some((tokens) => tokens < 0n)
  if (epochReward < 0n || expectedTokens < 1n || negative) {
    throw new MurmurError('REWARD_INVALID', {
      message: 'an epoch reward is split by token counts of at least 0, expected tokens of at least 1',
      next: "check the epoch's plan and its verdicts",
    })
  }
  const denominator = verified > expectedTokens ? verified : expectedTokens
  const earned = [...verifiedTokens].map(
    ([account, tokens]) => [account, (epochReward * tokens) / denominator] as const,
  )
  return new Map(earned.filter(([, amount]) => amount > 0n))
}

/** Cumulative pay after an epoch: what each account had before plus what it earned now. */
export function addEarnings(
  cumulative: ReadonlyMap<Address, Wei>,
  earned: ReadonlyMap<Address, Wei>,
): ReadonlyMap<Address, Wei> {
  const sum = new Map(cumulative)
  for (const [account, amount] of earned) sum.set(account, (sum.get(account) ?? 0n) + amount)
  return sum
}
