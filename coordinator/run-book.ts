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
  readonly #verified = new Map<WorkerId, number>()
  readonly #earned = new Map<WorkerId, Wei>()
  #notes: RunReport['notes'] = []
  heldOut: { before: number | null; after: number | null } = { before: null, after: null }
  samples: { before: string | null; after: string | null } = { before: null, after: null }

  addManifest(manifest: RoundManifest, cid: CidText): void {
    this.manifests.push({ manifest, cid })
    if (manifest.checkpoint !== null) {
      const { epoch, round, checkpoint } = manifest
      this.#checkpoints.push({ epoch, round, cid: checkpoint, heldOutLossNats: null })
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

  addEvaluation(epoch: number, lossNats: number): void {
    const index = this.#checkpoints.findIndex((checkpoint) => checkpoint.epoch === epoch)
    const checkpoint = this.#checkpoints[index]
    if (checkpoint !== undefined) this.#checkpoints[index] = { ...checkpoint, heldOutLossNats: lossNats }
  }

  addNote(at: number, code: string, text: string): void {
    this.#notes = [...this.#notes.slice(1 - maxNotes), { at, code, text }]
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

  checkpoints(): readonly CheckpointReport[] {
    return this.#checkpoints
  }

  notes(): RunReport['notes'] {
    return this.#notes
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
        members: manifest.members,
        admitted: manifest.entries.map(({ worker }) => worker),
        refused: manifest.refused,
        trainLossNats: tokens === 0 ? null : weighted / tokens,
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
      const tokens = this.manifests
        .flatMap(({ manifest }) => manifest.entries)
        .filter(({ worker }) => worker === id)
        .reduce((sum, entry) => sum + entry.tokens, 0)
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
          tokens,
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
