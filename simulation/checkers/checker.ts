import type { ReplicaState } from '../../aggregation/replica-state.ts'
import type { StepResult } from '../../coordinator/round/open.ts'
import type { RoundEvent, RoundState } from '../../coordinator/round/state.ts'
import type { CidText, Hash, WorkerId } from '../../protocol/ids.ts'
import type { Gossip, RoundManifest } from '../../protocol/wire.ts'
import type { WorkerEvent, WorkerState } from '../../worker/round/state.ts'
import type { WorkerStepResult } from '../../worker/round/step.ts'
import type { Outcome } from '../audit.ts'
import type { SimulatedHead } from '../simulated-head.ts'
import type { SimulatedWorker } from '../simulated-worker.ts'
import type { VirtualChain } from '../virtual-chain.ts'

/** Watches what happens and says when a rule is broken. What it does not implement it does not watch. */
export interface Checker {
  headStep?(head: SimulatedHead, before: RoundState, event: RoundEvent, result: StepResult): void
  workerStep?(
    worker: SimulatedWorker,
    before: WorkerState,
    event: WorkerEvent,
    result: WorkerStepResult,
  ): void
  /** A message leaves its author. */
  said?(author: SimulatedHead | SimulatedWorker, message: Gossip): void
  /** A head has signed a manifest and holds it. */
  manifest?(head: SimulatedHead, manifest: RoundManifest, cid: CidText): void
  workerApplied?(
    worker: SimulatedWorker,
    manifest: RoundManifest,
    next: { readonly state: ReplicaState; readonly stateRoot: Hash },
  ): void
  audited?(worker: WorkerId, round: number, outcome: Outcome): void
  /** A head has drawn an epoch's audits by this block hash, and will settle it under this root. */
  drawn?(epoch: number, beacon: Hash, root: Hash): void
  block?(chain: VirtualChain): void
  afterEvent?(): void
  atEnd?(): void
}

/** Says that `rule` is broken unless `holds`; `details` are asked for only then. */
export type Expect = (holds: boolean, rule: Rule, details: () => readonly string[]) => void

export const rules = [
  'one-aggregate',
  'function-of-the-admitted',
  'reveal-matches-commit',
  'parameters-finite',
  'approaches-the-optimum',
  'chain-unbroken',
  'no-rewind-below-settled',
  'credited-once',
  'queues-bounded',
  'terms-fenced',
  'settled-once',
  'canonical-draw',
  'honest-not-rejected',
  'adversary-costs-its-share',
  'liveness',
] as const

export type Rule = (typeof rules)[number]
