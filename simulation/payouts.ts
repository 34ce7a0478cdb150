import { type PayoutContext, type PayoutTree, payoutTree } from '../chain/payout-tree.ts'
import { addEarnings, splitReward } from '../chain/reward.ts'
import type { Address, Wei, WorkerId } from '../protocol/ids.ts'
import type { RoundManifest } from '../protocol/wire.ts'
import { accountOf } from './names.ts'
import type { Simulation } from './simulation.ts'

const built = new Map<string, PayoutTree>()

/** The payout tree of these pays; built once, since a head and a checker come to the same one. */
export function payoutsOf(context: PayoutContext, cumulative: ReadonlyMap<Address, Wei>): PayoutTree {
  const paid = [...cumulative].filter(([, amount]) => amount > 0n).sort(([a], [b]) => (a < b ? -1 : 1))
  const key = `${context.escrowRun} ${paid.join()}`
  const known = built.get(key)
  if (known !== undefined) return known
  const tree = payoutTree(context, new Map(paid))
  if (built.size >= 64) built.clear()
  built.set(key, tree)
  return tree
}

/** What everyone is owed after an epoch of these rounds, in which `tokens` of each worker were verified. */
export function payOf(
  { training, sabotage, workerOf, epochReward, payoutContext, payoutTrees }: Simulation,
  rounds: readonly RoundManifest[],
  tokens: ReadonlyMap<WorkerId, number>,
  before: ReadonlyMap<Address, Wei>,
): PayoutTree {
  const steps = rounds.reduce((sum, { slots }) => sum + slots.reduce((all, slot) => all + slot.steps, 0), 0)
  const byAccount = new Map<Address, bigint>()
  for (const [worker, count] of tokens) {
    const counted = sabotage === 'double-pay' && byAccount.size === 0 ? 2 * count : count
    byAccount.set(accountOf(workerOf(worker).number), BigInt(counted))
  }
  const split = splitReward(epochReward, byAccount, BigInt(Math.max(1, steps * training.tokensPerStep)))
  const tree = payoutsOf(payoutContext, addEarnings(before, split))
  payoutTrees.set(tree.root, tree.entries)
  return tree
}
