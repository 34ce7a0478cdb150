import { setTimeout as sleep } from 'node:timers/promises'
import type { Accounting } from '../chain/escrow.ts'
import { digestHash } from '../protocol/content-id.ts'
import { isMurmurError } from '../protocol/errors.ts'
import { type Address, cidText, type RunId, type Wei } from '../protocol/ids.ts'
import type { EscrowReport } from '../protocol/report.ts'
import type { RunSpec } from '../protocol/run-spec.ts'
import type { RunMoney } from './epoch-on-chain.ts'

export interface EscrowSnapshot {
  readonly report: EscrowReport
  /** Claimed so far, by lower-case account. */
  readonly claimedBy: ReadonlyMap<string, Wei>
}

const pollMs = 500
const freshMs = 1_000
/** After this long without progress anyone may end the run and free the money: see RunEscrow.expire. */
const deadlineSeconds = 7 * 86_400

/** The run's side of its escrow: opens it, waits until it is funded, and reads it for reports. */
export class EscrowWatch {
  readonly #money: RunMoney & { readonly rpcUrl: string; readonly chainId: number; readonly token: Address }
  readonly #required: Wei
  #accounting: Accounting | null = null
  #snapshot: { readonly at: number; readonly value: EscrowSnapshot } | null = null

  constructor(
    money: RunMoney & { readonly rpcUrl: string; readonly chainId: number; readonly token: Address },
    epochs: bigint,
  ) {
    this.#money = money
    this.#required = money.epochReward * epochs
  }

  /**
   * Creates the run in the escrow. A run that is there already is used as it is; one that has ended only where it
   * `concludes`: the chain ends a run with its last settlement, before that is confirmed and journaled.
   * @returns whether it has ended
   */
  async open(run: RunId, spec: RunSpec, now: number, concludes: boolean): Promise<boolean> {
    const { escrow, context, epochReward } = this.#money
    try {
      await escrow.createRun({
        specDigest: digestHash(cidText(run)),
        epochReward,
        epochs: spec.train.epochs,
        disputeWindowSeconds: spec.reward?.disputeWindowSeconds ?? 0,
        deadline: Math.floor(now / 1000) + deadlineSeconds,
      })
      return false
    } catch (error) {
      if (!isMurmurError(error, 'TX_REVERTED')) throw error
      const { ended } = await escrow.run(context.escrowRun)
      if (ended && !concludes) throw error
      return ended
    }
  }

  /**
   * Takes the run's lease on chain: from then on nobody who led before can close or settle an epoch. A run that has
   * ended has no lease to take.
   * @returns the term of the lease
   * @throws MurmurError LEASE_LOST when another has taken a higher one
   */
  async takeLease(term: number): Promise<number> {
    const { escrow, context } = this.#money
    try {
      await escrow.takeLease(context.escrowRun, term)
    } catch (error) {
      if (!isMurmurError(error, 'TX_REVERTED') || error.details.error !== 'RunAlreadyEnded') throw error
    }
    return term
  }

  /** Epochs whose history is anchored on chain. */
  async epochsClosed(): Promise<number> {
    const { escrow, context } = this.#money
    return (await escrow.run(context.escrowRun)).epochsClosed
  }

  async leaseTerm(): Promise<number> {
    const { escrow, context } = this.#money
    return (await escrow.lease(context.escrowRun)).term
  }

  /** Resolves once the escrow holds what all epochs together may pay. */
  async funded(signal: AbortSignal): Promise<void> {
    for (;;) {
      try {
        this.#accounting = await this.#money.escrow.accounting(this.#money.context.escrowRun)
        if (this.#accounting.funded - this.#accounting.refunded >= this.#required) return
      } catch (error) {
        if (!isMurmurError(error, 'RPC_UNREACHABLE')) throw error
      }
      await sleep(pollMs, undefined, { signal })
    }
  }

  pending(): string {
    const held = this.#accounting === null ? 0n : this.#accounting.funded - this.#accounting.refunded
    return `the escrow holds ${held} of ${this.#required} wei; add the rest with \`murmur fund\``
  }

  /** A run that ends early frees its money at once; one that settled every epoch is closed already. */
  async close(): Promise<void> {
    const { escrow, context } = this.#money
    const { ended, epochsSettled, epochs } = await escrow.run(context.escrowRun)
    if (!ended && epochsSettled < epochs) await escrow.finish(context.escrowRun, this.#money.term())
  }

  /** As last read. */
  latest(): EscrowSnapshot | null {
    return this.#snapshot?.value ?? null
  }

  async snapshot(now: number): Promise<EscrowSnapshot | null> {
    if (this.#snapshot !== null && now - this.#snapshot.at < freshMs) return this.#snapshot.value
    const { escrow, context, rpcUrl, chainId, token } = this.#money
    try {
      const [accounting, claims] = await Promise.all([
        escrow.accounting(context.escrowRun),
        escrow.claims(context.escrowRun),
      ])
      const claimedBy = new Map<string, Wei>()
      for (const { account, amount } of claims) {
        const key = account.toLowerCase()
        claimedBy.set(key, (claimedBy.get(key) ?? 0n) + amount)
      }
      const report: EscrowReport = {
        rpcUrl,
        chainId,
        contract: context.escrow,
        token,
        run: context.escrowRun,
        required: this.#required.toString(),
        funded: accounting.funded.toString(),
        reserved: accounting.reserved.toString(),
        claimed: accounting.claimed.toString(),
        refundable: (accounting.unspent + accounting.refunded).toString(),
        refunded: accounting.refunded.toString(),
      }
      this.#snapshot = { at: now, value: { report, claimedBy } }
      return this.#snapshot.value
    } catch (error) {
      // A chain that is away makes the report older, not wrong.
      if (isMurmurError(error)) return this.#snapshot?.value ?? null
      throw error
    }
  }
}
