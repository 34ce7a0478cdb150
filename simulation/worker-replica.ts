import type { ReplicaState } from '../aggregation/replica-state.ts'
import { cidFromDigest, contentId } from '../protocol/content-id.ts'
import type { CidText, Hash, WorkerId } from '../protocol/ids.ts'
import type { RoundManifest } from '../protocol/wire.ts'
import { fetchBlocks, type Server } from './fetch-blocks.ts'
import { applied, checkpointBlock, missingOf, type Rebuilt, rebuild } from './history.ts'
import type { SimulatedWorker } from './simulated-worker.ts'
import type { Output } from './training.ts'

/** A packed local state, its digest, and the round whose admission made it this worker's. */
interface Held {
  readonly round: number
  readonly local: Uint8Array
  readonly digest: Hash
}

/** What a round led to on this replica. `right` when that is what its manifest says. */
export interface Applied {
  readonly state: ReplicaState
  readonly stateRoot: Hash
  readonly checkpoint: CidText | null
}

/** A worker's weights and local state, as worker/worker-run.ts and worker/local-states.ts keep them. */
export class WorkerReplica {
  state: ReplicaState
  readonly #worker: SimulatedWorker
  #held: Held
  /** Trained in a round that is not closed yet: held from then on, if the round admits it. */
  #pending: Held | null = null

  constructor(worker: SimulatedWorker) {
    this.#worker = worker
    this.state = worker.simulation.training.initial
    this.#held = this.#empty()
  }

  /** A new process remembers nothing. */
  forget(): void {
    this.state = this.#worker.simulation.training.initial
    this.#held = this.#empty()
    this.#pending = null
  }

  /** The packed local state that the next round starts from. */
  get local(): Uint8Array {
    return this.#held.local
  }

  trained(round: number, before: Uint8Array, { contribution, bytes, local, trace }: Output): void {
    const { blocks } = this.#worker
    blocks.set(contribution, bytes)
    // What an audit of this round asks for.
    blocks.set(contentId(before, 'raw'), before)
    // What an audit of the next round asks for, and what this host goes on from after a restart.
    blocks.set(contentId(local, 'raw'), local)
    this.#pending = { round, local, digest: trace.at(-1)! }
  }

  /** Applies a round; `done` is told why it cannot be. */
  apply(manifest: RoundManifest, admitted: boolean, done: (result: Applied | string) => void): void {
    const worker = this.#worker
    const { blocks, simulation } = worker
    const missing = (remade: boolean) =>
      missingOf(simulation.training, manifest, (cid) => blocks.get(cid), remade)
    const got = (cid: CidText, block: Uint8Array) => blocks.set(cid, block)
    const fetched = (then: (absent: readonly CidText[]) => void) =>
      fetchBlocks(worker, this.#servers(), missing(false), got, (absent) => {
        if (absent.length > 0 && manifest.average !== null)
          fetchBlocks(worker, this.#servers(), missing(true), got, then)
        else then(absent)
      })
    fetched((absent) => {
      if (absent.length > 0) {
        done(`${absent.length} blocks of the round are nowhere to be had`)
        return
      }
      const next = this.#sabotaged(
        applied(simulation.training, this.state, manifest, (cid) => blocks.get(cid))!,
      )
      let checkpoint: CidText | null = null
      if (next.stateRoot === manifest.stateRoot) {
        if (manifest.checkpoint !== null) {
          const written = checkpointBlock(next.state)
          checkpoint = written.cid
          blocks.set(written.cid, written.block)
        }
        this.state = next.state
        // Admitted may be what an earlier process of this host sent: its local state is among the blocks.
        if (admitted) this.#holdAfter([manifest])
        this.#pending = null
      }
      done({ ...next, checkpoint })
    })
  }

  #sabotaged(next: { readonly state: ReplicaState; readonly stateRoot: Hash }) {
    const { sabotage, rules } = this.#worker.simulation
    if (sabotage === 'poisoned-parameters') next.state.theta[0] = Number.NaN
    return sabotage === 'other-arithmetic' ? { ...next, stateRoot: rules.emptyLocalState } : next
  }

  /** Becomes what the history up to `target` leads to; `done` is told why it cannot. */
  rebuild(
    target: CidText | null,
    heads: readonly WorkerId[],
    done: (result: Rebuilt | string) => void,
    remade = false,
  ): void {
    const worker = this.#worker
    const { blocks } = worker
    const { averaging } = worker.simulation.training
    const result = rebuild(worker.simulation.training, target, heads, (cid) => blocks.get(cid), { remade })
    if (result.kind === 'broken') done(result.text)
    else if (result.kind === 'rebuilt') {
      this.state = result.rebuilt.state
      this.#adoptLocal(result.rebuilt)
      done(result.rebuilt)
    } else {
      const got = (cid: CidText, block: Uint8Array) => blocks.set(cid, block)
      fetchBlocks(worker, this.#servers(), result.cids, got, (missing) => {
        const [gone, shares] = [missing.length > 0, averaging.shared !== undefined]
        if (gone && (remade || !shares)) done(`${missing.length} blocks are nowhere to be had`)
        else this.rebuild(target, heads, done, remade || gone)
      })
    }
  }

  /** As WorkerRun: goes on from the local state that this history leaves it with; from the empty one when that is gone. */
  #adoptLocal({ manifests, round }: Rebuilt): void {
    const known = this.#holdAfter(manifests.map(({ manifest }) => manifest))
    if (!known && (this.#pending !== null || this.#held.round >= round)) this.#held = this.#empty()
    this.#pending = null
  }

  /** False when the manifests, oldest first, admit nothing of this worker. */
  #holdAfter(manifests: readonly RoundManifest[]): boolean {
    for (const { round, entries } of [...manifests].reverse()) {
      const entry = entries.find(({ worker }) => worker === this.#worker.id)
      if (entry === undefined) continue
      const digest = entry.trace.at(-1)!
      const candidate = [this.#held, this.#pending].find((one) => one?.digest === digest)
      const block = cidFromDigest(Buffer.from(digest.slice(2), 'hex'), 'raw')
      const local = candidate?.local ?? this.#worker.blocks.get(block)
      this.#held = local === undefined ? this.#empty() : { local, digest, round }
      return true
    }
    return false
  }

  #empty(): Held {
    const { training, rules } = this.#worker.simulation
    return { local: training.emptyLocal, digest: rules.emptyLocalState, round: -1 }
  }

  /** Other workers in some order, then the heads. */
  #servers(): readonly Server[] {
    const worker = this.#worker
    const { workers, heads } = worker.simulation
    return [...worker.work.shuffled(workers.filter((other) => other !== worker)), ...heads]
  }
}
