import type { CidText, Hash, Wei, WorkerId } from '../protocol/ids.ts'
import type {
  CheckpointReport,
  EpochReport,
  RoundReport,
  RunReport,
  WorkerReport,
} from '../protocol/report.ts'
import type { RoundManifest } from '../protocol/wire.ts'
import type { Members } from './members.ts'
import type { RoundState } from './round/state.ts'

/** Notes kept for the report: enough to explain the last minutes. */
const maxNotes = 100

/** What a run has done so far, as its report tells it. Grows by one small entry a round. */
export class RunBook {
  readonly manifests: { readonly manifest: RoundManifest; readonly cid: CidText }[] = []
  readonly #epochs = new Map<number, EpochReport>()
  readonly #checkpoints: CheckpointReport[] = []
  /** Of admitted contributions. */
  readonly #tokens = new Map<WorkerId, number>()
  readonly #verified = new Map<WorkerId, number>()
  readonly #earned = new Map<WorkerId, Wei>()
  #notes: {
    readonly at: number
    readonly code: string
    readonly worker: WorkerId | null
    readonly text: string
  }[] = []
  heldOut: { before: number | null; after: number | null } = { before: null, after: null }
  accuracy: { before: number | null; after: number | null } = { before: null, after: null }
  samples: { before: string | null; after: string | null } = { before: null, after: null }

  addManifest(manifest: RoundManifest, cid: CidText): void {
    this.manifests.push({ manifest, cid })
    for (const { worker, tokens } of manifest.entries)
      this.#tokens.set(worker, (this.#tokens.get(worker) ?? 0) + tokens)
    if (manifest.checkpoint !== null) {
      const { epoch, round, checkpoint } = manifest
      this.#checkpoints.push({ epoch, round, cid: checkpoint, heldOutLossNats: null, heldOutAccuracy: null })
    }
  }

  addEpoch(
    report: EpochReport,
    tokens: ReadonlyMap<WorkerId, number>,
    earned: ReadonlyMap<WorkerId, Wei>,
  ): void {
    this.#epochs.set(report.epoch, report)
    for (const [worker, count] of tokens)
      this.#verified.set(worker, (this.#verified.get(worker) ?? 0) + count)
    for (const [worker, amount] of earned) this.#earned.set(worker, (this.#earned.get(worker) ?? 0n) + amount)
  }

  /** What was measured of the weights before the first round, after an epoch, or after the last round. */
  addMeasurement({
    what,
    epoch,
    lossNats,
    accuracy = null,
    text,
  }: {
    readonly what: string
    readonly epoch: number | null
    readonly lossNats: number | null
    readonly accuracy?: number | null
    readonly text: string | null
  }): void {
    if (what === 'before' || what === 'after') {
      this.heldOut = { ...this.heldOut, [what]: lossNats }
      this.accuracy = { ...this.accuracy, [what]: accuracy }
      this.samples = { ...this.samples, [what]: text }
    } else if (epoch !== null && lossNats !== null) this.#addEvaluation(epoch, lossNats, accuracy)
  }

  #addEvaluation(epoch: number, heldOutLossNats: number, heldOutAccuracy: number | null): void {
    const index = this.#checkpoints.findIndex((checkpoint) => checkpoint.epoch === epoch)
    const checkpoint = this.#checkpoints[index]
    if (checkpoint === undefined) return
    this.#checkpoints[index] = { ...checkpoint, heldOutLossNats, heldOutAccuracy }
  }

  addNote(at: number, code: string, worker: WorkerId | null, text: string): void {
    this.#notes = [...this.#notes.slice(1 - maxNotes), { at, code, worker, text }]
  }

  /** Of its admitted contributions. */
  tokensOf(worker: WorkerId): number {
    return this.#tokens.get(worker) ?? 0
  }

  /** CID of the newest settled payout tree. */
  newestPayoutTree(): CidText | null {
    return this.epochs().findLast(({ payoutTree }) => payoutTree !== null)?.payoutTree ?? null
  }

  manifestsOf(epoch: number): readonly RoundManifest[] {
    return this.manifests.filter(({ manifest }) => manifest.epoch === epoch).map(({ manifest }) => manifest)
  }

  epochs(): readonly EpochReport[] {
    return [...this.#epochs.values()].sort((a, b) => a.epoch - b.epoch)
  }

  /** As they are now: whoever compares two reports must not see the later one twice. */
  checkpoints(): readonly CheckpointReport[] {
    return [...this.#checkpoints]
  }

  notes(nameOf: (worker: WorkerId) => string): RunReport['notes'] {
    return this.#notes.map(({ at, code, worker, text }) => ({
      at,
      code,
      text: worker === null ? text : `${nameOf(worker)}: ${text}`,
    }))
  }

  rounds(state: RoundState): readonly RoundReport[] {
    return this.manifests.map(({ manifest, cid }) => {
      const roots = state.roots.get(manifest.round) ?? new Map<WorkerId, Hash>()
      const replicas = [...roots.keys()].sort()
      const tokens = manifest.entries.reduce((sum, entry) => sum + entry.tokens, 0)
      const weighted = manifest.entries.reduce((sum, entry) => sum + entry.tokens * entry.lossNats, 0)
      return {
        round: manifest.round,
        epoch: manifest.epoch,
        members: manifest.slots.map(({ worker }) => worker),
        admitted: manifest.entries.map(({ worker }) => worker),
        refused: manifest.refused,
        trainLossNats: tokens === 0 ? null : weighted / tokens,
        tokens,
        stateRoot: manifest.stateRoot,
        stateRoots: replicas.map((worker) => roots.get(worker)!),
        replicas,
        manifest: cid,
      }
    })
  }

  workers(state: RoundState, cluster: Members, claimed: ReadonlyMap<string, Wei>): readonly WorkerReport[] {
    return [...state.members].flatMap(([id, member]) => {
      const known = cluster.get(id)
      if (known === undefined) return []
      const { name, payout, telemetry } = known
      return [
        {
          id,
          name,
          payout,
          status: member.status,
          phase: telemetry.phase,
          round: telemetry.round,
          step: telemetry.step,
          lossNats: telemetry.lossNats > 0 ? telemetry.lossNats : null,
          tokensPerSecond: telemetry.tokensPerSecond,
          utilization: telemetry.utilization,
          tokens: this.#tokens.get(id) ?? 0,
          verifiedTokens: this.#verified.get(id) ?? 0,
          bytesSent: telemetry.sentBytes,
          bytesReceived: telemetry.receivedBytes,
          earned: (this.#earned.get(id) ?? 0n).toString(),
          claimed: (payout === null ? 0n : (claimed.get(payout.toLowerCase()) ?? 0n)).toString(),
          error: telemetry.error,
        },
      ]
    })
  }
}
