import type { Account } from 'viem'
import { connectEscrow } from '../chain/escrow.ts'
import type { Escrow } from '../chain/escrow-port.ts'
import { loadPayouts, maxPayoutBytes } from '../chain/payout-tree.ts'
import { isMurmurError } from '../protocol/errors.ts'
import type { Address, CidText, Hash, Wei } from '../protocol/ids.ts'
import type { Clock } from '../protocol/ports.ts'
import type { Assignment } from '../protocol/wire.ts'

type EscrowPlace = NonNullable<Assignment['escrow']>
type FetchTree = (cid: CidText, maxBytes: number) => Promise<Uint8Array>

export interface Claimed {
  readonly amount: Wei
  readonly gasUsed: bigint
}

export interface ClaimOptions {
  readonly escrow: Pick<Escrow, 'finalized' | 'claimed' | 'claim'>
  readonly escrowRun: Hash
  /** Who is paid, whoever pays for the transaction. */
  readonly account: Address
}

export interface ClaimDependencies {
  readonly clock: Clock
  readonly fetch: FetchTree
}

/** Trees that may still become payable: seven in their dispute windows (`RunEscrow.MAX_PENDING`), and the newest final. */
const keptTrees = 8
/** A tree that is not final yet is looked for after this long, then twice as long, and so on. */
const firstLookMs = 1_000
const lastLookMs = 60_000

/** What one tree owes the account in all; its root says whether it is final. */
interface Promised {
  readonly cumulative: Wei
  readonly proof: readonly Hash[]
}

/**
 * Claims one account's pay in one run while the run goes on: every payout tree that the head tells of is offered, and
 * `claim` takes what the newest *final* one owes. Trees are checked against the root on chain, so whoever serves them
 * cannot change a payment. Cheap to call often: each tree is read once, and the chain is asked only while something
 * may be owed, at growing distances.
 */
export class EarningsClaimer {
  readonly #options: ClaimOptions
  readonly #dependencies: ClaimDependencies
  readonly #seen = new Set<CidText>()
  readonly #offered = new Set<CidText>()
  /** By payout root, oldest first. */
  readonly #promised = new Map<Hash, Promised>()
  /** What is known to be claimed; anyone may have claimed more for the account since. */
  #already: Wei = 0n
  #lookAgainAt = 0
  #lookMs = firstLookMs
  #claiming: Promise<Claimed | null> | null = null

  constructor(options: ClaimOptions, dependencies: ClaimDependencies) {
    this.#options = options
    this.#dependencies = dependencies
  }

  /** Tells of a payout tree; again and again is harmless. */
  offer(payoutTree: CidText): void {
    if (this.#seen.has(payoutTree)) return
    keepNewest(this.#seen.add(payoutTree), 2 * keptTrees)
    keepNewest(this.#offered.add(payoutTree), keptTrees)
    this.#look(firstLookMs, 0)
  }

  /**
   * Claims what is final, if it is at least `minWei` (what makes a transaction worth its gas; 0 for all of it).
   * @returns what was paid; null where nothing new is final, it is less than `minWei`, or it is too early to look again.
   * @throws MurmurError PAYOUTS_INVALID, RPC_UNREACHABLE, TX_REVERTED, INSUFFICIENT_FUNDS, and what `fetch` throws;
   * later calls try again.
   */
  claim(minWei: Wei): Promise<Claimed | null> {
    // Two transactions at once would pay for one of them in vain.
    this.#claiming ??= this.#claimOnce(minWei).finally(() => {
      this.#claiming = null
    })
    return this.#claiming
  }

  async #claimOnce(minWei: Wei): Promise<Claimed | null> {
    const { escrow, escrowRun, account } = this.#options
    const now = this.#dependencies.clock.now()
    if (now < this.#lookAgainAt) return null
    const worthwhile = minWei > 0n ? minWei : 1n
    const unread = await this.#load()
    const due = [...this.#promised.values()].some(
      ({ cumulative }) => cumulative - this.#already >= worthwhile,
    )
    if (due || unread !== null) this.#look(Math.min(2 * this.#lookMs, lastLookMs), now + this.#lookMs)
    const promised = due ? this.#promised.get((await escrow.finalized(escrowRun)).payoutRoot) : undefined
    if (promised === undefined) {
      if (unread !== null) throw unread
      return null
    }
    this.#already = await escrow.claimed(escrowRun, account)
    const amount = promised.cumulative - this.#already
    if (amount < worthwhile) return this.#forgetPaid()
    const { gasUsed } = await escrow.claim(escrowRun, account, promised.cumulative, promised.proof)
    this.#already = promised.cumulative
    this.#forgetPaid()
    this.#look(firstLookMs, 0)
    return { amount, gasUsed }
  }

  /** Reads the trees that were offered and are not read yet. Returns why one could not be, after trying all. */
  async #load(): Promise<unknown> {
    let failure: unknown = null
    for (const cid of this.#offered) {
      try {
        const tree = loadPayouts(await this.#dependencies.fetch(cid, maxPayoutBytes))
        const account = this.#options.account.toLowerCase()
        const own = [...tree.entries].find(([entry]) => entry.toLowerCase() === account)
        if (own !== undefined) {
          this.#promised.set(tree.root, { cumulative: own[1], proof: tree.proof(own[0]) })
          keepNewest(this.#promised, keptTrees)
        }
        this.#offered.delete(cid)
      } catch (error) {
        if (isMurmurError(error, 'PAYOUTS_INVALID')) this.#offered.delete(cid)
        failure ??= error
      }
    }
    return failure
  }

  #forgetPaid(): null {
    for (const [root, { cumulative }] of this.#promised) {
      if (cumulative <= this.#already) this.#promised.delete(root)
    }
    return null
  }

  #look(lookMs: number, lookAgainAt: number): void {
    this.#lookMs = lookMs
    this.#lookAgainAt = lookAgainAt
  }
}

/** A claimer of an account's pay in the run that an assignment is paid by. `sender` pays for the gas. */
export function connectClaimer(
  place: EscrowPlace,
  account: Address,
  sender: Account,
  dependencies: ClaimDependencies,
): EarningsClaimer {
  const config = {
    rpcUrl: place.rpcUrl,
    chainId: place.chainId,
    escrow: place.escrow as Address,
    token: place.token as Address,
  }
  return new EarningsClaimer(
    { escrow: connectEscrow(config, sender), escrowRun: place.run, account },
    dependencies,
  )
}

/**
 * Claims once what `payoutTree` owes to `account`, if that tree is the newest final one.
 * @returns what was paid, or null when the tree is not final (yet, or any more), or less than `minWei` is owed.
 * @throws MurmurError see {@link EarningsClaimer.claim}
 */
export function claimEarnings(
  place: EscrowPlace,
  payoutTree: CidText,
  account: Address,
  sender: Account,
  fetch: FetchTree,
  minWei: Wei = 0n,
): Promise<Claimed | null> {
  const claimer = connectClaimer(place, account, sender, { clock: { now: () => 0 }, fetch })
  claimer.offer(payoutTree)
  return claimer.claim(minWei)
}

/** Drops the oldest of what is kept in order of arrival. */
function keepNewest(kept: Set<CidText> | Map<Hash, unknown>, most: number): void {
  for (const key of kept.keys()) {
    if (kept.size <= most) return
    kept.delete(key as never)
  }
}
