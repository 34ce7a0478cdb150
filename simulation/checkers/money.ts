import { digestHash } from '../../protocol/content-id.ts'
import type { Address, WorkerId } from '../../protocol/ids.ts'
import type { RoundManifest } from '../../protocol/wire.ts'
import { accountOf } from '../names.ts'
import { payoutsOf } from '../payouts.ts'
import type { Simulation } from '../simulation.ts'
import type { Checker, Expect } from './checker.ts'

/**
 * Exactly-once settlement: what the escrow holds for an epoch is, to the last unit, the price of the work that was
 * verified in it, once. Recomputed here from the manifests that the chain anchors, in plain integers.
 */
export function money(simulation: Simulation, expect: Expect): Checker {
  const { tokensPerStep } = simulation.training
  const refutedIn = new Map<WorkerId, number>()
  /** Rounds of workers that were drawn, and could not be audited: by `round worker`. */
  const unproven = new Set<string>()
  const manifestOf = new Map<string, RoundManifest>()
  let settled = 0
  const cumulative = new Map<Address, bigint>()

  /** The rounds of an epoch, newest first, as its anchored hash leads to them. */
  function roundsOf(epoch: number, history: string): RoundManifest[] {
    const rounds: RoundManifest[] = []
    for (let at = manifestOf.get(history); at?.epoch === epoch; ) {
      rounds.push(at)
      at = at.parent === null ? undefined : manifestOf.get(digestHash(at.parent))
    }
    return rounds
  }

  function pay(epoch: number, rounds: readonly RoundManifest[]): void {
    let expected = 0
    let verified = 0
    const tokens = new Map<WorkerId, number>()
    for (const { round, slots, entries } of rounds) {
      for (const { steps } of slots) expected += steps * tokensPerStep
      for (const { worker, tokens: count } of entries) {
        if ((refutedIn.get(worker) ?? Number.POSITIVE_INFINITY) <= epoch) continue
        if (unproven.has(`${round} ${worker}`)) continue
        verified += count
        tokens.set(worker, (tokens.get(worker) ?? 0) + count)
      }
    }
    const price = BigInt(Math.max(1, expected, verified))
    for (const [worker, count] of tokens) {
      const account = accountOf(simulation.workerOf(worker).number)
      const amount = (simulation.epochReward * BigInt(count)) / price
      if (amount > 0n) cumulative.set(account, (cumulative.get(account) ?? 0n) + amount)
    }
  }

  return {
    manifest(_, manifest, cid) {
      manifestOf.set(digestHash(cid), manifest)
      const { round, slots, entries, refused } = manifest
      const steps = new Map(slots.map(({ worker, steps: asked }) => [worker, asked]))
      const told = [...entries, ...refused].map(({ worker }) => worker)
      expect(new Set(told).size === told.length && told.length === slots.length, 'credited-once', () => [
        `round ${round} tells ${told.length} fates of ${slots.length} slots`,
      ])
      for (const { worker, tokens } of entries)
        expect(tokens === (steps.get(worker) ?? 0) * tokensPerStep, 'credited-once', () => [
          `round ${round} credits ${worker} with ${tokens} tokens`,
        ])
    },
    audited(worker, round, outcome) {
      const epoch = Math.floor(round / simulation.rules.roundsPerEpoch)
      // Asked again after a restart, the newest answer counts.
      if (outcome === 'unavailable') unproven.add(`${round} ${worker}`)
      else unproven.delete(`${round} ${worker}`)
      if (outcome === 'refuted') refutedIn.set(worker, Math.min(epoch, refutedIn.get(worker) ?? epoch))
      expect(outcome !== 'refuted' || !simulation.workerOf(worker).honest, 'honest-not-rejected', () => [
        `honest ${worker} is refuted in round ${round}`,
      ])
    },
    block({ final }) {
      for (; settled < final.settlements.length; settled++) {
        const { root } = final.settlements[settled]!
        const { history } = final.closures[settled]!
        const rounds = roundsOf(settled, history)
        expect(rounds.length > 0, 'settled-once', () => [
          `epoch ${settled} is settled for a history nobody signed`,
        ])
        pay(settled, rounds)
        const tree = payoutsOf(simulation.payoutContext, cumulative)
        expect(tree.root === root && tree.total === final.settlements[settled]!.total, 'settled-once', () => [
          `epoch ${settled}: the escrow reserves ${final.settlements[settled]!.total} under ${root}`,
          `verified work is worth ${tree.total} under ${tree.root}`,
        ])
      }
    },
  }
}
