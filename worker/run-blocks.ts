import type { Averaging } from '../aggregation/averaging.ts'
import type { CidText, WorkerId } from '../protocol/ids.ts'
import type { BlockStore, Network } from '../protocol/ports.ts'
import type { TrainSection } from '../protocol/run-spec.ts'

export interface RunBlocksDependencies {
  readonly network: Network
  readonly blocks: BlockStore
  /** Peers of the run to fetch from, the head last. */
  peers(): readonly WorkerId[]
}

const fetchTimeoutMs = 30_000

/**
 * Rounds beside the newest whose blocks a worker keeps: what audits of this epoch and the one before may ask for, while a round
 * that is begun ahead is stored already.
 */
export const keptRounds = (
  { roundsPerEpoch }: Pick<TrainSection, 'roundsPerEpoch'>,
  { eager }: Pick<Averaging, 'eager'>,
): number => 2 * roundsPerEpoch + (eager ? 1 : 0)

/** A run's blocks on a worker: fetched once, and its own kept for as long as an auditor may ask for them. */
export class RunBlocks {
  readonly #dependencies: RunBlocksDependencies
  readonly #keepRounds: number
  readonly #kept: { readonly round: number; readonly cid: CidText }[] = []

  constructor(keepRounds: number, dependencies: RunBlocksDependencies) {
    this.#keepRounds = keepRounds
    this.#dependencies = dependencies
  }

  /** From this node's own store, else from the peers of the run, `first` before the others. */
  async fetch(cid: CidText, maxBytes: number, signal: AbortSignal, first?: WorkerId): Promise<Uint8Array> {
    const { blocks, network, peers } = this.#dependencies
    const own = await blocks.get(cid)
    if (own !== undefined) return own
    const others = peers().filter((peer) => peer !== first)
    const order = first === undefined || first === network.self ? others : [first, ...others]
    const bytes = await network.fetchBlock(order, cid, {
      signal: AbortSignal.any([signal, AbortSignal.timeout(fetchTimeoutMs)]),
      maxBytes,
    })
    await blocks.put(cid, bytes)
    return bytes
  }

  /** Stores what this worker made in `round`, and lets go of what it made `keepRounds` before. */
  async keep(round: number, made: ReadonlyMap<CidText, Uint8Array>): Promise<void> {
    const { blocks } = this.#dependencies
    for (const [cid, bytes] of made) {
      if (!(await blocks.has(cid))) await blocks.put(cid, bytes)
      this.#kept.push({ round, cid })
    }
    while (this.#kept.length > 0 && this.#kept[0]!.round < round - this.#keepRounds) {
      await blocks.delete(this.#kept.shift()!.cid)
    }
  }
}
