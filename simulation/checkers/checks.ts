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
import type { Simulation } from '../simulation.ts'
import type { VirtualChain } from '../virtual-chain.ts'
import { beacons } from './beacons.ts'
import { bounds } from './bounds.ts'
import type { Checker, Expect, Rule } from './checker.ts'
import { commitments } from './commitments.ts'
import { courtesy } from './courtesy.ts'
import { history } from './history.ts'
import { liveness } from './liveness.ts'
import { money } from './money.ts'
import { parameters } from './parameters.ts'
import { shares } from './shares.ts'
import { terms } from './terms.ts'

export interface Violation {
  readonly rule: Rule
  readonly atMs: number
  readonly details: readonly string[]
}

/** All checkers of a simulation. The first broken rules are kept, and end it. */
export class Checks {
  readonly violations: Violation[] = []
  readonly expect: Expect
  readonly #checkers: readonly Checker[]

  constructor(simulation: Simulation) {
    this.expect = (holds, rule, details) => {
      if (holds || this.violations.length >= 16) return
      const violation = { rule, atMs: simulation.time.now, details: details() }
      this.violations.push(violation)
      simulation.trace(() => `BROKEN ${rule}: ${violation.details.join('; ')}`)
    }
    const makers = [
      history,
      commitments,
      parameters,
      terms,
      money,
      beacons,
      bounds,
      courtesy,
      liveness,
      shares,
    ]
    this.#checkers = makers.map((make) => make(simulation, this.expect))
  }

  get broken(): boolean {
    return this.violations.length > 0
  }

  headStep(head: SimulatedHead, before: RoundState, event: RoundEvent, result: StepResult): void {
    for (const checker of this.#checkers) checker.headStep?.(head, before, event, result)
  }

  workerStep(
    worker: SimulatedWorker,
    before: WorkerState,
    event: WorkerEvent,
    result: WorkerStepResult,
  ): void {
    for (const checker of this.#checkers) checker.workerStep?.(worker, before, event, result)
  }

  said(author: SimulatedHead | SimulatedWorker, message: Gossip): void {
    for (const checker of this.#checkers) checker.said?.(author, message)
  }

  manifest(head: SimulatedHead, manifest: RoundManifest, cid: CidText): void {
    for (const checker of this.#checkers) checker.manifest?.(head, manifest, cid)
  }

  workerApplied(
    worker: SimulatedWorker,
    manifest: RoundManifest,
    next: { readonly state: ReplicaState; readonly stateRoot: Hash },
  ): void {
    for (const checker of this.#checkers) checker.workerApplied?.(worker, manifest, next)
  }

  audited(worker: WorkerId, round: number, outcome: Outcome): void {
    for (const checker of this.#checkers) checker.audited?.(worker, round, outcome)
  }

  drawn(epoch: number, beacon: Hash, root: Hash): void {
    for (const checker of this.#checkers) checker.drawn?.(epoch, beacon, root)
  }

  block(chain: VirtualChain): void {
    for (const checker of this.#checkers) checker.block?.(chain)
  }

  afterEvent(): void {
    for (const checker of this.#checkers) checker.afterEvent?.()
  }

  atEnd(): void {
    if (this.broken) return
    for (const checker of this.#checkers) checker.atEnd?.()
  }
}
