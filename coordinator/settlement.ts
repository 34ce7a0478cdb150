import { createHash } from 'node:crypto'
import { getAddress, zeroHash } from 'viem'
import type { Escrow } from '../chain/escrow-port.ts'
import { dumpPayouts, type PayoutContext, payoutTree } from '../chain/payout-tree.ts'
import { addEarnings, splitReward } from '../chain/reward.ts'
import { contentId, digestHash } from '../protocol/content-id.ts'
import type { Address, CidText, Hash, RunId, Wei, WorkerId } from '../protocol/ids.ts'
import type { BlockStore } from '../protocol/ports.ts'
import type { AuditReport, EpochReport } from '../protocol/report.ts'
import type { RoundManifest } from '../protocol/wire.ts'
import { type AuditCandidate, drawAudits } from '../verification/draw.ts'

/** Where the money of a run is, and what an epoch of it pays. */
export interface RunMoney {
  readonly escrow: Escrow
  readonly context: PayoutContext
  readonly epochReward: Wei
}

export interface SettlementDependencies {
  readonly run: RunId
  readonly blocks: BlockStore
  readonly money: RunMoney | null
  readonly auditsPerEpoch: number
  /** Tokens the plan asks of all workers in one epoch: what a full reward is for. */
  expectedTokens(manifests: readonly RoundManifest[]): bigint
  payoutOf(worker: WorkerId): Address | null
  /** Re-executes one worker's round and gives the signed verdict. */
  audit(candidate: AuditCandidate, manifests: readonly RoundManifest[]): Promise<AuditReport>
  /** A worker that failed an audit leaves the run. */
  eject(worker: WorkerId, code: string): void
  isEjected(worker: WorkerId): boolean
}

export interface SettledEpoch {
  readonly report: EpochReport
  /** Verified tokens of the epoch, by worker. */
  readonly tokens: ReadonlyMap<WorkerId, number>
  /** Earned in this epoch, by worker. */
  readonly earned: ReadonlyMap<WorkerId, Wei>
}

/**
 * One epoch from closed to settled: anchor its history on chain, wait for the beacon, replay what it draws, and put the
 * verified work into a cumulative payout tree under one root. Epochs settle one after the other; training goes on.
 * `settle` can be called again after it failed: what is already on chain, or audited, is not done twice.
 */
export class Settlement {
  readonly #dependencies: SettlementDependencies
  #cumulative: ReadonlyMap<Address, Wei> = new Map()
  readonly #audited = new Map<string, AuditReport>()

  constructor(dependencies: SettlementDependencies) {
    this.#dependencies = dependencies
  }

  async settle(
    epoch: number,
    lastManifest: CidText,
    manifests: readonly RoundManifest[],
    signal: AbortSignal,
  ): Promise<SettledEpoch> {
    const { money, auditsPerEpoch, isEjected } = this.#dependencies
    const history: Hash = digestHash(lastManifest)
    const beacon = money === null ? null : await this.#beacon(money, epoch, history, signal)
    const candidates = manifests.flatMap(({ round, entries }) =>
      entries.map(({ worker }) => ({ worker, round })),
    )
    const drawn = drawAudits(beacon?.blockHash ?? unpaidBeacon(history), candidates, auditsPerEpoch)
    const audits: AuditReport[] = []
    for (const candidate of drawn) {
      signal.throwIfAborted()
      const key = `${candidate.round}:${candidate.worker}`
      const earlier = this.#audited.get(key)
      if (earlier === undefined && isEjected(candidate.worker)) continue
      const audit = earlier ?? (await this.#dependencies.audit(candidate, manifests))
      this.#audited.set(key, audit)
      audits.push(audit)
      if (audit.outcome === 'refuted') this.#dependencies.eject(audit.worker, audit.code)
    }
    const refuted = new Set(audits.filter(({ outcome }) => outcome === 'refuted').map(({ worker }) => worker))
    const tokens = verifiedTokens(manifests, (worker) => refuted.has(worker) || isEjected(worker))
    const report: EpochReport = {
      epoch,
      manifest: lastManifest,
      beacon: beacon === null ? null : { ...beacon, blockNumber: beacon.blockNumber.toString() },
      audits,
      verified: true,
      settled: money === null,
      payoutTree: null,
      payoutRoot: null,
      paid: '0',
      txHash: null,
      gasUsed: null,
    }
    if (money === null) return { report, tokens, earned: new Map() }
    return await this.#pay(money, report, manifests, tokens)
  }

  async #beacon(money: RunMoney, epoch: number, history: Hash, signal: AbortSignal) {
    const { escrow, context } = money
    const anchored = await escrow.historyRoot(context.escrowRun, epoch)
    if (anchored === undefined) await escrow.closeEpoch(context.escrowRun, epoch, history)
    return await escrow.beacon(context.escrowRun, epoch, signal)
  }

  async #pay(
    money: RunMoney,
    report: EpochReport,
    manifests: readonly RoundManifest[],
    tokens: ReadonlyMap<WorkerId, number>,
  ): Promise<SettledEpoch> {
    const { expectedTokens, blocks } = this.#dependencies
    const payoutOf = (worker: WorkerId): Address | null => {
      // One spelling an account: two workers may write the same address in different case.
      const account = this.#dependencies.payoutOf(worker)
      return account === null ? null : getAddress(account)
    }
    const byAccount = new Map<Address, bigint>()
    for (const [worker, count] of tokens) {
      const account = payoutOf(worker)
      if (account !== null) byAccount.set(account, (byAccount.get(account) ?? 0n) + BigInt(count))
    }
    const expected = expectedTokens(manifests)
    const split = splitReward(money.epochReward, byAccount, expected)
    const cumulative = addEarnings(this.#cumulative, split)
    const tree = payoutTree(money.context, new Map([...cumulative].filter(([, amount]) => amount > 0n)))
    const dump = dumpPayouts(tree)
    const payoutTreeCid = contentId(dump, 'dag-cbor')
    await blocks.put(payoutTreeCid, dump)
    const checkpoint = manifests.at(-1)?.checkpoint ?? null
    const { escrow, context } = money
    const { epochsSettled } = await escrow.run(context.escrowRun)
    // Already settled: an earlier attempt's transaction was mined, but its receipt never came.
    const sent =
      epochsSettled > report.epoch
        ? null
        : await escrow.settleEpoch(context.escrowRun, {
            epoch: report.epoch,
            payoutRoot: tree.root,
            cumulativeTotal: tree.total,
            checkpoint: checkpoint === null ? zeroHash : digestHash(checkpoint),
          })
    this.#cumulative = cumulative
    const paid = [...split.values()].reduce((sum, amount) => sum + amount, 0n)
    return {
      report: {
        ...report,
        settled: true,
        payoutTree: payoutTreeCid,
        payoutRoot: tree.root,
        paid: paid.toString(),
        txHash: sent?.txHash ?? null,
        gasUsed: sent?.gasUsed.toString() ?? null,
      },
      tokens,
      earned: earnedByWorker(tokens, split, payoutOf, byAccount),
    }
  }
}

/** Admitted tokens of an epoch by worker, without those whose work is not accepted. */
export function verifiedTokens(
  manifests: readonly RoundManifest[],
  excluded: (worker: WorkerId) => boolean,
): Map<WorkerId, number> {
  const tokens = new Map<WorkerId, number>()
  for (const { entries } of manifests) {
    for (const entry of entries) {
      if (!excluded(entry.worker)) tokens.set(entry.worker, (tokens.get(entry.worker) ?? 0) + entry.tokens)
    }
  }
  return tokens
}

/** An account's share, told by worker: workers that are paid to one account divide it by their tokens, for display. */
function earnedByWorker(
  tokens: ReadonlyMap<WorkerId, number>,
  split: ReadonlyMap<Address, Wei>,
  payoutOf: (worker: WorkerId) => Address | null,
  byAccount: ReadonlyMap<Address, bigint>,
): Map<WorkerId, Wei> {
  const earned = new Map<WorkerId, Wei>()
  for (const [worker, count] of tokens) {
    const account = payoutOf(worker)
    if (account === null) continue
    const total = byAccount.get(account) ?? 0n
    if (total > 0n) earned.set(worker, ((split.get(account) ?? 0n) * BigInt(count)) / total)
  }
  return earned
}

/** Without a chain there is no beacon that the head cannot foresee: the draw is only repeatable, and unpaid. */
const unpaidBeacon = (history: Hash): Hash =>
  `0x${createHash('sha256').update('murmur/unpaid-beacon/1\0').update(history).digest('hex')}`
