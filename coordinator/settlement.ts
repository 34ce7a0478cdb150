import { createHash } from 'node:crypto'
import { getAddress, zeroHash } from 'viem'
import type { Beacon } from '../chain/escrow-port.ts'
import { dumpPayouts, type PayoutTree, payoutTree } from '../chain/payout-tree.ts'
import { addEarnings, splitReward } from '../chain/reward.ts'
import { contentId, digestHash } from '../protocol/content-id.ts'
import { MurmurError } from '../protocol/errors.ts'
import type { Address, CidText, Hash, RunId, Wei, WorkerId } from '../protocol/ids.ts'
import type { BlockStore } from '../protocol/ports.ts'
import type { AuditReport, EpochReport } from '../protocol/report.ts'
import type { RoundManifest } from '../protocol/wire.ts'
import { type AuditCandidate, drawAudits } from '../verification/draw.ts'
import { closeOnChain, confirmSettled, type RunMoney, settleOnChain } from './epoch-on-chain.ts'
import type { HeadRecord } from './journal/record.ts'
import { auditKey, type Intent, type RunLog } from './run-log.ts'

/** Epochs in which a worker could not be asked, after which it is out of the run. */
const absencesAllowed = 2

/** Workers whose verdicts are tried out to find what another head has paid: 1,024 trees. */
const mostDoubtful = 10

export interface SettlementDependencies {
  readonly run: RunId
  readonly blocks: BlockStore
  readonly money: RunMoney | null
  readonly auditsPerEpoch: number
  readonly tokensPerStep: number
  readonly roundsPerEpoch: number
  /** What was audited, intended and earned before. */
  readonly log: Pick<RunLog, 'audits' | 'intents' | 'cumulative'>
  /** Writes to the journal; resolves when it is durable. */
  record(entry: HeadRecord): Promise<void>
  payoutOf(worker: WorkerId): Address | null
  /** Re-executes one worker's round and gives the signed verdict. */
  audit(candidate: AuditCandidate, manifests: readonly RoundManifest[]): Promise<AuditReport>
  /** A worker that failed an audit leaves the run. */
  eject(worker: WorkerId, code: string): void
  isEjected(worker: WorkerId): boolean
  /** Worth telling of the run. */
  note(code: string, text: string): void
}

interface Payment {
  /** Verified, by worker. */
  readonly tokens: ReadonlyMap<WorkerId, number>
  readonly byAccount: ReadonlyMap<Address, bigint>
  /** Earned in this epoch and all before it. */
  readonly cumulative: ReadonlyMap<Address, Wei>
  readonly tree: PayoutTree
}

export interface SettledEpoch {
  readonly report: EpochReport
  /** Verified tokens of the epoch, by worker. */
  readonly tokens: ReadonlyMap<WorkerId, number>
  /** Earned in this epoch, by worker. */
  readonly earned: ReadonlyMap<WorkerId, Wei>
  /** Earned in this epoch and all before it, by account. */
  readonly cumulative: ReadonlyMap<Address, Wei>
}

/**
 * One epoch from closed to settled: anchor its history on chain, wait for the beacon, replay what it draws, put the
 * verified work into a cumulative payout tree under one root, and wait until the chain will not forget it. Epochs settle
 * one after the other; training goes on. `settle` can be called again, in this process or by a head that took over, and
 * must be where the chain has reorganized (`isPassing`): each verdict, and what is going to be paid, is durable before
 * anything follows from it, and the chain takes an epoch once.
 */
export class Settlement {
  readonly #dependencies: SettlementDependencies

  constructor(dependencies: SettlementDependencies) {
    this.#dependencies = dependencies
  }

  async settle(
    epoch: number,
    lastManifest: CidText,
    manifests: readonly RoundManifest[],
    signal: AbortSignal,
  ): Promise<SettledEpoch> {
    const { money, log } = this.#dependencies
    const history: Hash = digestHash(lastManifest)
    const beacon = money === null ? null : await closeOnChain(money, epoch, history, signal)
    const audits = await this.#audits(epoch, beacon?.blockHash ?? unpaidBeacon(history), manifests, signal)
    const failed = new Set(audits.filter(({ outcome }) => outcome !== 'verified').map(({ worker }) => worker))
    const { isEjected } = this.#dependencies
    const excluded = new Set(workersOf(manifests).filter((worker) => failed.has(worker) || isEjected(worker)))
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
    if (money === null || beacon === null) {
      const tokens = verifiedTokens(manifests, (worker) => excluded.has(worker))
      return { report, tokens, earned: new Map(), cumulative: log.cumulative }
    }
    return await this.#pay(money, report, beacon, manifests, excluded, signal)
  }

  async #audits(
    epoch: number,
    beacon: Hash,
    manifests: readonly RoundManifest[],
    signal: AbortSignal,
  ): Promise<readonly AuditReport[]> {
    const { run, log, auditsPerEpoch, roundsPerEpoch, isEjected, audit, eject, record } = this.#dependencies
    const candidates = manifests.flatMap(({ round, entries }) =>
      entries.map(({ worker }) => ({ worker, round })),
    )
    const audits: AuditReport[] = []
    for (const candidate of drawAudits(beacon, candidates, auditsPerEpoch)) {
      signal.throwIfAborted()
      const earlier = log.audits.get(auditKey(candidate))
      if (earlier === undefined && isEjected(candidate.worker)) continue
      const verdict = earlier ?? (await audit(candidate, manifests))
      if (earlier === undefined) {
        log.audits.set(auditKey(candidate), verdict)
        await record({ kind: 'audited', run, epoch, audit: verdict })
      }
      audits.push(verdict)
      // Once it may have been cut off; who is never there when asked has something to hide.
      const absent = new Set(
        [...log.audits.values()]
          .filter(({ worker, outcome }) => worker === verdict.worker && outcome === 'unavailable')
          .map(({ round }) => Math.floor(round / roundsPerEpoch)),
      )
      if (verdict.outcome === 'refuted' || absent.size >= absencesAllowed) eject(verdict.worker, verdict.code)
    }
    return audits
  }

  async #pay(
    money: RunMoney,
    report: EpochReport,
    { blockHash }: Beacon,
    manifests: readonly RoundManifest[],
    excluded: ReadonlySet<WorkerId>,
    signal: AbortSignal,
  ): Promise<SettledEpoch> {
    const { run, blocks, log, record, note } = this.#dependencies
    const { escrow, context } = money
    const { epoch } = report
    // Already settled: an earlier attempt's transaction was mined but its receipt never came, or another head led.
    const earlier = await escrow.settlement(context.escrowRun, epoch)
    const meant = log.intents.get(epoch)
    const holds =
      earlier === undefined
        ? (meant?.beacon ?? blockHash) === blockHash
        : meant?.payoutRoot === earlier.payoutRoot
    const intent = holds ? meant : undefined
    let payment = this.#paymentOf(money, manifests, excluded, intent?.cumulative)
    const isOther = earlier !== undefined && earlier.payoutRoot !== payment.tree.root
    if (isOther) {
      const found = this.#paymentBehind(earlier.payoutRoot, money, report, manifests)
      if (found === undefined) throw settledOtherwise(epoch, payment.tree.root)
      payment = found
      note(
        'SETTLED_BEFORE',
        `epoch ${epoch + 1}: the head that settled it had found other audits; its pay stands`,
      )
    }
    const { tokens, cumulative, tree, byAccount } = payment
    const dump = dumpPayouts(tree)
    const payoutTreeCid = contentId(dump, 'dag-cbor')
    await blocks.put(payoutTreeCid, dump)
    if (intent === undefined || isOther) {
      const settling: Intent = {
        kind: 'settling',
        run,
        epoch,
        payoutTree: payoutTreeCid,
        payoutRoot: tree.root,
        cumulative: [...cumulative].map(([account, amount]) => [account, amount.toString()]),
        beacon: blockHash,
      }
      log.intents.set(epoch, settling)
      await record(settling)
    }
    const checkpoint = manifests.at(-1)?.checkpoint ?? null
    const sent =
      earlier ??
      (await settleOnChain(money, blockHash, signal, {
        epoch,
        payoutRoot: tree.root,
        cumulativeTotal: tree.total,
        checkpoint: checkpoint === null ? zeroHash : digestHash(checkpoint),
      }))
    await confirmSettled(money, epoch, tree.root, sent.blockNumber, signal)
    const split = new Map(
      [...cumulative].map(([account, amount]) => [account, amount - (log.cumulative.get(account) ?? 0n)]),
    )
    const paid = [...split.values()].reduce((sum, amount) => sum + amount, 0n)
    return {
      report: {
        ...report,
        audits: isOther ? report.audits.map((audit) => asPaid(audit, tokens)) : report.audits,
        settled: true,
        payoutTree: payoutTreeCid,
        payoutRoot: tree.root,
        paid: paid.toString(),
        txHash: sent.txHash,
        gasUsed: sent.gasUsed.toString(),
      },
      tokens,
      earned: earnedByWorker(tokens, split, (worker) => this.#accountOf(worker), byAccount),
      cumulative,
    }
  }

  /** What the epoch pays when the work of `excluded` does not count; or what was going to be paid, where that is durable. */
  #paymentOf(
    money: RunMoney,
    manifests: readonly RoundManifest[],
    excluded: ReadonlySet<WorkerId>,
    intended?: readonly (readonly [Address, string])[],
  ): Payment {
    const { log, tokensPerStep, roundsPerEpoch } = this.#dependencies
    const tokens = verifiedTokens(manifests, (worker) => excluded.has(worker))
    const byAccount = new Map<Address, bigint>()
    for (const [worker, count] of tokens) {
      const account = this.#accountOf(worker)
      if (account !== null) byAccount.set(account, (byAccount.get(account) ?? 0n) + BigInt(count))
    }
    const cumulative: ReadonlyMap<Address, Wei> =
      intended === undefined
        ? addEarnings(
            log.cumulative,
            splitReward(
              money.epochReward,
              byAccount,
              expectedTokens(manifests, tokensPerStep, roundsPerEpoch),
            ),
          )
        : new Map(intended.map(([account, amount]) => [account, BigInt(amount)]))
    const tree = payoutTree(money.context, new Map([...cumulative].filter(([, amount]) => amount > 0n)))
    return { tokens, byAccount, cumulative, tree }
  }

  /**
   * The payment that has this root: of the head before, whose last records this one never got, or by an earlier beacon. It
   * knows the same manifests, so it can only have judged the workers otherwise that were drawn now or then, or are out of the
   * run. Undefined when none of their subsets leads to it.
   */
  #paymentBehind(
    root: Hash,
    money: RunMoney,
    { audits, epoch }: EpochReport,
    manifests: readonly RoundManifest[],
  ): Payment | undefined {
    const { isEjected, log, roundsPerEpoch } = this.#dependencies
    const failed = [...log.audits.values()].filter(
      ({ round, outcome }) => outcome !== 'verified' && Math.floor(round / roundsPerEpoch) === epoch,
    )
    const drawn = new Set([...audits, ...failed].map(({ worker }) => worker))
    const doubtful = workersOf(manifests).filter((worker) => drawn.has(worker) || isEjected(worker))
    if (doubtful.length > mostDoubtful) return undefined
    for (let subset = 0; subset < 2 ** doubtful.length; subset++) {
      const excluded = new Set(doubtful.filter((_, index) => (subset >> index) & 1))
      const payment = this.#paymentOf(money, manifests, excluded)
      if (payment.tree.root === root) return payment
    }
    return undefined
  }

  /** One spelling an account: two workers may write the same address in different case. */
  #accountOf(worker: WorkerId): Address | null {
    const account = this.#dependencies.payoutOf(worker)
    return account === null ? null : getAddress(account)
  }
}

/** A verdict as the head that settled the epoch must have had it. */
function asPaid(audit: AuditReport, tokens: ReadonlyMap<WorkerId, number>): AuditReport {
  const counted = tokens.has(audit.worker)
  if (counted === (audit.outcome === 'verified')) return audit
  return { ...audit, outcome: counted ? 'verified' : 'unavailable', code: 'SETTLED_BEFORE' }
}

/** Workers whose work was admitted in an epoch, in the order of their first entry. */
const workersOf = (manifests: readonly RoundManifest[]): readonly WorkerId[] => [
  ...new Set(manifests.flatMap(({ entries }) => entries.map(({ worker }) => worker))),
]

/**
 * What a full reward is for: the tokens that the plan of an epoch asked of its members. An epoch that the run's end cut
 * short counts the rounds that it lacks as much as the largest of those it has, so that it is paid in part.
 */
export function expectedTokens(
  manifests: readonly RoundManifest[],
  tokensPerStep: number,
  roundsPerEpoch: number,
): bigint {
  const asked = manifests
    .filter(({ slots }) => slots.length > 0)
    .map(({ slots }) => slots.reduce((sum, { steps }) => sum + steps * tokensPerStep, 0))
  const missing = Math.max(0, roundsPerEpoch - asked.length)
  return BigInt(asked.reduce((sum, tokens) => sum + tokens, 0) + missing * Math.max(0, ...asked))
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

/** What is on chain stands: to carry on from another tree would promise pay that the chain does not know of. */
const settledOtherwise = (epoch: number, root: Hash): MurmurError =>
  new MurmurError('SETTLED_OTHERWISE', {
    message: `epoch ${epoch} is settled on chain under another payout root than ${root}`,
    next: 'take over the payout tree of the head that settled it, then settle the next epoch',
    exit: 'verification',
  })

/** Without a chain there is no beacon that the head cannot foresee: the draw is only repeatable, and unpaid. */
const unpaidBeacon = (history: Hash): Hash =>
  `0x${createHash('sha256').update('murmur/unpaid-beacon/1\0').update(history).digest('hex')}`
