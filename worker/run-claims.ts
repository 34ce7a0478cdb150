import { errorText, isMurmurError } from '../protocol/errors.ts'
import type { CidText, Hash, RunId } from '../protocol/ids.ts'
import type { Clock } from '../protocol/ports.ts'
import type { Assignment } from '../protocol/wire.ts'
import { connectClaimer, type EarningsClaimer } from './claim-earnings.ts'
import type { Payout } from './head-link.ts'

export interface RunClaimsDependencies {
  readonly clock: Clock
  /** A block that belongs to a run. */
  fetch(run: RunId, cid: CidText, maxBytes: number): Promise<Uint8Array>
  log(code: string, text: string): void
}

/** Runs whose pay is still looked after: what is owed becomes claimable when its dispute window is over. */
const keptClaimers = 16

/** Claims what final epochs of a worker's runs owe, one after the other, so that no later root can give it to another. */
export class RunClaims {
  readonly #payout: Payout | null
  readonly #dependencies: RunClaimsDependencies
  /** By the run's id in its escrow. */
  readonly #claimers = new Map<Hash, EarningsClaimer>()
  #claiming: Promise<void> | null = null

  constructor(payout: Payout | null, dependencies: RunClaimsDependencies) {
    this.#payout = payout
    this.#dependencies = dependencies
  }

  /** Until the transaction that is under way, if any, is through. Never rejects. */
  get settled(): Promise<void> {
    return this.#claiming ?? Promise.resolve()
  }

  /** Tells of a run's newest payout tree, and claims what is final of it unless a claim is under way. */
  offer({ run, escrow, payoutTree }: Assignment): void {
    const payout = this.#payout
    if (escrow === null || payoutTree === null || payout === null || !('account' in payout)) return
    const { account } = payout
    const { clock, log, fetch } = this.#dependencies
    let claimer = this.#claimers.get(escrow.run)
    if (claimer === undefined) {
      const fetchTree = (cid: CidText, maxBytes: number) => fetch(run, cid, maxBytes)
      claimer = connectClaimer(escrow, account.address, account, { clock, fetch: fetchTree })
      this.#claimers.set(escrow.run, claimer)
      for (const [id] of this.#claimers) if (this.#claimers.size > keptClaimers) this.#claimers.delete(id)
    }
    claimer.offer(payoutTree)
    if (this.#claiming !== null) return
    this.#claiming = claimer
      .claim(0n)
      .then((claimed) => {
        if (claimed !== null)
          log('CLAIMED', `${claimed.amount} wei to ${account.address}, ${claimed.gasUsed} gas`)
      })
      .catch((error: unknown) => log(isMurmurError(error) ? error.code : 'CLAIM_FAILED', errorText(error)))
      .finally(() => {
        this.#claiming = null
      })
  }
}
