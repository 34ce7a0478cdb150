import { MurmurError } from '../protocol/errors.ts'
import type { Address, Wei } from '../protocol/ids.ts'
import type { Clock } from '../protocol/ports.ts'
import type { Stake } from './stake.ts'

/** How long an account's stake is believed to be what it was. A head that asks again later sees who has left. */
const enoughMs = 60_000
/** Who had too little may have staked meanwhile, and joins again at once. */
const tooLittleMs = 3_000
/** 4,096 × about 100 bytes; a head has at most a few hundred members. */
const maxAccounts = 4_096
/** Reads of the chain: this many at once, and then so many a second. Joins beyond are told to come again. */
const burst = 20
const readsPerSecond = 5

interface Known {
  readonly staked: Wei
  readonly at: number
}

/**
 * Who has staked enough to work without a token. Anyone may ask to join, as often as they like and under any account, so
 * the chain is asked at a bounded rate: answers are remembered, askers for one account share one read, and beyond the
 * rate `STAKE_BUSY` is thrown, which costs the asker another try and the chain nothing.
 *
 * One account's stake admits one worker: for an account that has `n` members already, ask for `(n + 1)` times the stake.
 */
export class StakeAdmission {
  readonly #stake: Pick<Stake, 'stakeOf'>
  readonly #clock: Clock
  /** By lower-case account, the longest known first. */
  readonly #known = new Map<string, Known>()
  readonly #reading = new Map<string, Promise<Wei>>()
  #tokens = burst
  #filledAt: number

  constructor(stake: Pick<Stake, 'stakeOf'>, clock: Clock) {
    this.#stake = stake
    this.#clock = clock
    this.#filledAt = clock.now()
  }

  /**
   * Whether `account` has at least `minWei` at stake, as of a minute ago or less. The account must be proven to be the
   * asker's (`verifyPayoutBinding`). Throws `STAKE_BUSY`, and what the chain throws: then the answer is not known.
   */
  async hasStake(account: Address, minWei: Wei): Promise<boolean> {
    const key = account.toLowerCase()
    const known = this.#known.get(key)
    if (known !== undefined) {
      const enough = known.staked >= minWei
      if (this.#clock.now() - known.at < (enough ? enoughMs : tooLittleMs)) return enough
    }
    return (await this.#read(key, account)) >= minWei
  }

  #read(key: string, account: Address): Promise<Wei> {
    const underWay = this.#reading.get(key)
    if (underWay !== undefined) return underWay
    this.#take()
    const reading = this.#stake
      .stakeOf(account)
      .then((staked) => {
        this.#known.delete(key)
        this.#known.set(key, { staked, at: this.#clock.now() })
        if (this.#known.size > maxAccounts) this.#known.delete(this.#known.keys().next().value!)
        return staked
      })
      .finally(() => this.#reading.delete(key))
    this.#reading.set(key, reading)
    return reading
  }

  /** Takes one read out of the bucket. */
  #take(): void {
    const now = this.#clock.now()
    // Whole tokens only, so that a fraction is never lost to rounding: the time of a fraction stays in `filledAt`.
    const due = Math.floor(((now - this.#filledAt) * readsPerSecond) / 1_000)
    this.#tokens += due
    this.#filledAt += (due * 1_000) / readsPerSecond
    if (this.#tokens >= burst) {
      this.#tokens = burst
      this.#filledAt = now
    }
    if (this.#tokens < 1) {
      throw new MurmurError('STAKE_BUSY', {
        message: 'too many accounts ask for admission by stake at once',
        next: 'join again in a few seconds',
        exit: 'timeout',
      })
    }
    this.#tokens -= 1
  }
}
