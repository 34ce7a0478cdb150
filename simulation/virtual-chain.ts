import { createHash } from 'node:crypto'
import type { Address, Hash } from '../protocol/ids.ts'
import type { Draws } from './draws.ts'
import { type EscrowCall, type EscrowRules, type EscrowState, execute } from './escrow-rules.ts'
import type { FaultPlan } from './plan.ts'
import type { VirtualTime } from './virtual-time.ts'

const blockMs = 2_000
/** Blocks after which what is on chain is taken for final; no reorganization here is deeper. */
const confirmations = 4
const maxReorgDepth = 3
/** Transactions that wait; more are refused, as a node's own pool does. */
const maxPool = 256

interface Transaction {
  readonly id: number
  readonly from: Address
  readonly call: EscrowCall
  readonly bornMs: number
}

interface Block {
  readonly hash: Hash
  readonly state: EscrowState
  readonly mined: readonly Transaction[]
}

/** What a remote procedure call tells of the chain, as of some block. */
export interface ChainView {
  readonly number: number
  readonly state: EscrowState
  /** The state that `confirmations` blocks have been built on. */
  readonly final: EscrowState
  hashOf(block: number): Hash | undefined
}

/**
 * A chain with blocks in virtual time. It may forget its newest blocks and mine their transactions again in others, tell
 * what was true some blocks ago, keep transactions waiting while gas is dear, and lose receipts.
 */
export class VirtualChain {
  readonly reverted: { readonly call: EscrowCall; readonly reason: string }[] = []
  readonly #time: VirtualTime
  readonly #draws: Draws
  readonly #rules: EscrowRules
  #faults: Pick<FaultPlan, 'staleReadPermille' | 'lostReceiptPermille'>
  #blocks: Block[]
  #pool: Transaction[] = []
  #dearUntil = 0
  #ids = 0
  #forks = 0

  constructor(
    time: VirtualTime,
    draws: Draws,
    faults: FaultPlan,
    genesis: EscrowState,
    rules: EscrowRules,
    onBlock: (chain: VirtualChain) => void,
  ) {
    this.#time = time
    this.#draws = draws
    this.#rules = rules
    this.#faults = faults
    this.#blocks = [{ hash: this.#hash(0), state: genesis, mined: [] }]
    time.every(blockMs, () => {
      this.#mine()
      onBlock(this)
      return true
    })
  }

  heal(): void {
    this.#faults = { staleReadPermille: 0, lostReceiptPermille: 0 }
    this.#dearUntil = 0
  }

  /** Gas is dear: nothing is mined for a while. */
  gasSpike(durationMs: number): void {
    this.#dearUntil = this.#time.now + durationMs
  }

  /** The newest blocks are forgotten. Their transactions wait again, some of them for good. */
  reorganize(): void {
    const depth = Math.min(this.#draws.between(1, maxReorgDepth), this.#blocks.length - 1)
    const forgotten = this.#blocks.splice(this.#blocks.length - depth)
    this.#forks++
    const again = this.#draws.shuffled(forgotten.flatMap(({ mined }) => mined))
    this.#pool = [...again.filter(() => !this.#draws.chance(200)), ...this.#pool]
    for (let block = 0; block < depth; block++) this.#mine()
  }

  /** False when the node does not take it. That it does says nothing of whether it is ever mined. */
  send(from: Address, call: EscrowCall): boolean {
    if (this.#pool.length >= maxPool) return false
    this.#pool.push({ id: this.#ids++, from, call, bornMs: this.#time.now })
    // Nobody hears that it was taken: whoever sent it sends it again.
    return !this.#draws.chance(this.#faults.lostReceiptPermille)
  }

  view(): ChainView {
    const stale = this.#draws.chance(this.#faults.staleReadPermille) ? this.#draws.between(1, 3) : 0
    const number = Math.max(0, this.#blocks.length - 1 - stale)
    const blocks = this.#blocks
    return {
      number,
      state: blocks[number]!.state,
      final: blocks[Math.max(0, number - confirmations)]!.state,
      hashOf: (block) => (block <= number ? blocks[block]?.hash : undefined),
    }
  }

  /** Of the chain as it is. For checkers. */
  hashOf(block: number): Hash | undefined {
    return this.#blocks[block]?.hash
  }

  /** The newest block's state, as it is. For checkers. */
  get newest(): EscrowState {
    return this.#blocks.at(-1)!.state
  }

  get final(): EscrowState {
    return this.#blocks[Math.max(0, this.#blocks.length - 1 - confirmations)]!.state
  }

  get waiting(): number {
    return this.#pool.length
  }

  #mine(): void {
    const number = this.#blocks.length
    let { state } = this.#blocks.at(-1)!
    const mined: Transaction[] = []
    if (this.#dearUntil <= this.#time.now) {
      for (const transaction of this.#pool) {
        const next = execute(state, transaction.call, transaction.from, number, this.#rules)
        if (typeof next === 'string') this.reverted.push({ call: transaction.call, reason: next })
        else {
          state = next
          mined.push(transaction)
        }
      }
      this.#pool = []
    }
    this.#blocks.push({ hash: this.#hash(number), state, mined })
  }

  #hash(number: number): Hash {
    return `0x${createHash('sha256').update(`block ${number} of fork ${this.#forks}`).digest('hex')}`
  }
}
