import type { ReplicaState } from '../aggregation/replica-state.ts'
import type { RoundEvent } from '../coordinator/round/state.ts'
import { contentId } from '../protocol/content-id.ts'
import { invariant } from '../protocol/errors.ts'
import type { CidText, WorkerId } from '../protocol/ids.ts'
import type { RoundManifest } from '../protocol/wire.ts'
import { fetchBlock, fetchBlocks } from './fetch-blocks.ts'
import { admittedRound, applied, checkpointBlock, missingOf, type Rebuilt, rebuild } from './history.ts'
import type { SimulatedHead } from './simulated-head.ts'

type Reveals = Parameters<HeadReplica['aggregate']>[0]['reveals']

/** A head's weights, and the history that led to them, as coordinator/replica.ts keeps them. */
export class HeadReplica {
  /** Every manifest of the history that this head knows, and the replica at the start of each round of it. */
  manifests: { readonly manifest: RoundManifest; readonly cid: CidText }[] = []
  starts: Map<number, ReplicaState>
  readonly #head: SimulatedHead

  constructor(head: SimulatedHead) {
    this.#head = head
    this.starts = new Map([[0, head.simulation.training.initial]])
  }

  adopt({ manifests, starts }: Rebuilt): void {
    this.manifests = [...manifests]
    this.starts = new Map(starts)
  }

  /** The history that the head's own log ends with. */
  ownHistory(): Rebuilt {
    const { simulation, state, disk, number } = this.#head
    const heads = simulation.heads.map(({ id }) => id)
    const result = rebuild(simulation.training, state.parent, heads, (cid) => disk.get(cid), {
      fromTheBeginning: true,
    })
    simulation.checks.expect(result.kind === 'rebuilt', 'chain-unbroken', () => [
      `head ${number} cannot rebuild what its journal says: ${JSON.stringify(result)}`,
    ])
    invariant(result.kind === 'rebuilt', 'a head holds every block that its journal names')
    return result.rebuilt
  }

  /**
   * Aggregated and logged, but not in the chain yet: its manifest is signed again, and θ after it is needed. Another head
   * may have aggregated it: its contributions are fetched first, however long that takes.
   */
  followUnpublished(done: () => void): void {
    const head = this.#head
    const { disk, simulation } = head
    const { phase, round } = head.state
    if (phase.kind !== 'publish') {
      done()
      return
    }
    const next = applied(simulation.training, this.starts.get(round)!, phase.manifest, (cid) => disk.get(cid))
    if (next !== null) {
      this.starts.set(round + 1, next.state)
      done()
      return
    }
    const missing = (remade: boolean) =>
      missingOf(simulation.training, phase.manifest, (cid) => disk.get(cid), remade)
    const { workers, heads } = simulation
    const servers = [...head.work.shuffled(workers), ...heads.filter((other) => other !== head)]
    const got = (cid: CidText, block: Uint8Array) => disk.put(cid, block)
    const again = () => head.after(500, () => this.followUnpublished(done))
    fetchBlocks(head, servers, missing(false), got, () =>
      fetchBlocks(head, servers, missing(true), got, again),
    )
  }

  /** Fetches what was revealed, admits, applies; `done` is told when its blocks are on disk. */
  aggregate(
    {
      round,
      reveals,
      closesEpoch,
    }: {
      readonly round: number
      readonly closesEpoch: boolean
      readonly reveals: readonly {
        readonly worker: WorkerId
        readonly reveal: { readonly contribution: CidText; readonly tokens: number }
      }[]
    },
    done: (event: Extract<RoundEvent, { kind: 'aggregated' }>) => void,
  ): void {
    const head = this.#head
    const { disk, simulation } = head
    const { term } = head.state
    this.#fetch(reveals, (fetched) => {
      const state = this.starts.get(round)
      if (state === undefined || head.state.term !== term || !head.state.leading) return
      const submissions = reveals.flatMap(({ worker, reveal: { contribution, tokens } }) => {
        const bytes = fetched.get(worker)
        return bytes == null ? [] : [{ worker, contribution, bytes, tokens }]
      })
      const absent = reveals.filter(({ worker }) => fetched.get(worker) == null)
      const moody =
        simulation.sabotage === 'moody-aggregate'
          ? { ...state, theta: state.theta.map((value) => value + 1) }
          : state
      const {
        admitted,
        refused,
        state: next,
        stateRoot,
        average,
      } = admittedRound(simulation.training, moody, round, submissions)
      for (const { contribution, bytes } of admitted) disk.put(contribution, bytes)
      const sent = average === null ? null : { cid: contentId(average, 'raw'), bytes: average.length }
      if (sent !== null) disk.put(sent.cid, average!)
      const written = closesEpoch ? checkpointBlock(next) : null
      if (written !== null) disk.put(written.cid, written.block)
      head.journal.afterSync(() => {
        this.starts.set(round + 1, next)
        done({
          ...{ kind: 'aggregated', round, stateRoot },
          admitted: admitted.map(({ worker }) => worker),
          refused: [
            ...absent.map(({ worker }) => ({ worker, code: 'BLOCK_UNAVAILABLE' })),
            ...refused.map(({ worker, code }) => ({ worker, code })),
          ],
          checkpoint: written?.cid ?? null,
          average: sent,
        })
      })
    })
  }

  /** Each contribution from its author or one other worker; null for what neither gives. */
  #fetch(reveals: Reveals, finish: (fetched: ReadonlyMap<WorkerId, Uint8Array | null>) => void): void {
    const head = this.#head
    const { workers, workerOf } = head.simulation
    const fetched = new Map<WorkerId, Uint8Array | null>()
    if (reveals.length === 0) finish(fetched)
    for (const { worker, reveal } of reveals) {
      const own = head.disk.get(reveal.contribution)
      const done = (bytes: Uint8Array | null) => {
        fetched.set(worker, bytes)
        if (fetched.size === reveals.length) finish(fetched)
      }
      const author = workerOf(worker)
      const servers = [author, ...workers.filter((other) => other !== author).slice(0, 1)]
      if (own !== undefined) done(own)
      else fetchBlock(head, servers, reveal.contribution, done)
    }
  }
}
