import type { Averaging } from '../aggregation/averaging.ts'
import type { KeptBlocks, KeptFor } from '../checkpoints/kept-blocks.ts'
import type { CidText, RunId, WorkerId } from '../protocol/ids.ts'
import type { BlockStore, Network } from '../protocol/ports.ts'
import type { TrainSection } from '../protocol/run-spec.ts'
import { letGo } from './kept-runs.ts'

export interface RunBlocksDependencies {
  readonly run: RunId
  readonly network: Network
  readonly blocks: BlockStore
  readonly kept: Pick<KeptBlocks, 'name' | 'drop'>
  /** Peers of the run to fetch from, the head last. */
  peers(): readonly WorkerId[]
  log(code: string, text: string): void
}

export interface FetchOptions {
  /** Whom to ask before the others. */
  readonly first?: WorkerId | undefined
  /** It is kept as long as what belongs to this round; for the whole run unless told. */
  readonly round?: number | undefined
  readonly timeoutMs?: number
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

/**
 * A run's blocks on a worker: fetched once, and kept for the run, or for as long as an auditor may ask for those of a
 * round. What they are kept for is on disk before they are.
 */
export class RunBlocks implements Pick<BlockStore, 'get' | 'put'> {
  readonly #dependencies: RunBlocksDependencies
  readonly #keepRounds: number

  constructor(dependencies: RunBlocksDependencies, keepRounds = Number.POSITIVE_INFINITY) {
    this.#dependencies = dependencies
    this.#keepRounds = keepRounds
  }

  get(cid: CidText): Promise<Uint8Array | undefined> {
    return this.#dependencies.blocks.get(cid)
  }

  /** Stores what is kept for the whole run. */
  async put(cid: CidText, bytes: Uint8Array): Promise<void> {
    await this.#name(undefined, [cid])
    await this.#dependencies.blocks.put(cid, bytes)
  }

  /** From this node's own store, else from the peers of the run. */
  async fetch(
    cid: CidText,
    maxBytes: number,
    signal: AbortSignal,
    { first, round, timeoutMs = fetchTimeoutMs }: FetchOptions = {},
  ): Promise<Uint8Array> {
    const { blocks, network, peers } = this.#dependencies
    await this.#name(round, [cid])
    const own = await blocks.get(cid)
    if (own !== undefined) return own
    const others = peers().filter((peer) => peer !== first)
    const order = first === undefined || first === network.self ? others : [first, ...others]
    const bytes = await network.fetchBlock(order, cid, {
      signal: AbortSignal.any([signal, AbortSignal.timeout(timeoutMs)]),
      maxBytes,
    })
    // Its round may have been let go of meanwhile, and may be while it is written: a later drop has to find the block.
    await this.#name(round, [cid])
    await blocks.put(cid, bytes)
    await this.#name(round, [cid])
    return bytes
  }

  /**
   * Keeps what belongs to `round`, and lets go of the rounds that nobody asks for any more. Of what is here already the bytes
   * are not asked for.
   */
  async keep(round: number, parts: ReadonlyMap<CidText, () => Uint8Array>): Promise<void> {
    const { blocks } = this.#dependencies
    await this.#name(round, parts.keys())
    for (const [cid, bytes] of parts) if (!(await blocks.has(cid))) await blocks.put(cid, bytes())
    await this.dropBefore(round)
  }

  /** Lets go of the rounds that nobody asks for any more when `round` is the newest. */
  async dropBefore(round: number): Promise<void> {
    const { run, kept, log } = this.#dependencies
    const oldest = round - this.#keepRounds
    const isOver = (part: KeptFor) => part.run === run && part.kind === 'round' && part.round < oldest
    await letGo(kept, isOver, log)
  }

  #name(round: number | undefined, cids: Iterable<CidText>): Promise<void> {
    const { run, kept } = this.#dependencies
    return kept.name(round === undefined ? { run, kind: 'run' } : { run, kind: 'round', round }, cids)
  }
}
