import { Draws } from './draws.ts'

/** Shares are in permille, durations in virtual milliseconds. A fault that is off has an intensity of 0. */
export interface FaultPlan {
  readonly lossPermille: number
  readonly duplicationPermille: number
  readonly maxDelayMs: number
  /** Bytes a node sends in a millisecond; 0 is no bound. */
  readonly bytesPerMs: number
  /** Cuts of one direction between two nodes, and of one node from all. */
  readonly oneWayCuts: number
  readonly isolations: number
  readonly workerCrashes: number
  readonly headCrashes: number
  readonly pauses: number
  /** Largest offset of a node's clock; it jumps when the node starts. */
  readonly clockSkewMs: number
  /** Whether a crash may tear what was not synced, instead of losing it. */
  readonly tornWrites: boolean
  readonly syncMs: number
  /** Trainings, applications and rebuilds that fail. */
  readonly failingPermille: number
  readonly reorgs: number
  readonly staleReadPermille: number
  readonly gasSpikes: number
  readonly lostReceiptPermille: number
  /** What the owner does: pause and resume, drain a worker, stop. */
  readonly ownerActs: number
}

export type AdversaryName =
  | 'liar'
  | 'copycat'
  | 'free-rider'
  | 'flooder'
  | 'withholder'
  | 'equivocating-head'
  | 'sybils'
  | 'colluders'

export interface Plan {
  readonly seed: number
  readonly workers: number
  readonly heads: number
  readonly rounds: number
  readonly roundsPerEpoch: number
  readonly quorum: number
  readonly adaptive: boolean
  /** Virtual time until which faults strike; then everything heals. */
  readonly troubleMs: number
  /** Virtual time after healing in which the run must have ended. */
  readonly graceMs: number
  readonly faults: FaultPlan
  readonly adversary: AdversaryName | null
}

export const noFaults: FaultPlan = {
  lossPermille: 0,
  duplicationPermille: 0,
  maxDelayMs: 50,
  bytesPerMs: 0,
  oneWayCuts: 0,
  isolations: 0,
  workerCrashes: 0,
  headCrashes: 0,
  pauses: 0,
  clockSkewMs: 0,
  tornWrites: false,
  syncMs: 2,
  failingPermille: 0,
  reorgs: 0,
  staleReadPermille: 0,
  gasSpikes: 0,
  lostReceiptPermille: 0,
  ownerActs: 0,
}

const adversaries: readonly AdversaryName[] = [
  'liar',
  'copycat',
  'free-rider',
  'flooder',
  'withholder',
  'equivocating-head',
  'sybils',
  'colluders',
]

/**
 * Everything that a seed decides beforehand. Faults come in swarms (Groce et al., "Swarm testing", ISSTA'12): each kind is
 * on in some seeds and off in others, since a fault that is always there hides what only happens without it.
 */
export function planOf(seed: number, change: Partial<Plan> = {}): Plan {
  const draws = new Draws(seed, 0, 'plan')
  const on = <T>(present: () => T, absent: T): T => {
    const value = present()
    return draws.below(2) === 0 ? absent : value
  }
  const faults: FaultPlan = {
    lossPermille: on(() => draws.pick([20, 100, 300]), 0),
    duplicationPermille: on(() => draws.pick([50, 300]), 0),
    maxDelayMs: on(() => draws.pick([500, 1500, 4000]), 50),
    bytesPerMs: on(() => draws.pick([5, 50]), 0),
    oneWayCuts: on(() => draws.between(1, 4), 0),
    isolations: on(() => draws.between(1, 3), 0),
    workerCrashes: on(() => draws.between(1, 4), 0),
    headCrashes: on(() => draws.between(1, 3), 0),
    pauses: on(() => draws.between(1, 4), 0),
    clockSkewMs: on(() => draws.pick([100, 5_000, 3_600_000]), 0),
    tornWrites: on(() => true, false),
    syncMs: draws.pick([1, 5, 40]),
    failingPermille: on(() => draws.pick([50, 200]), 0),
    reorgs: on(() => draws.between(1, 3), 0),
    staleReadPermille: on(() => draws.pick([100, 500]), 0),
    gasSpikes: on(() => draws.between(1, 2), 0),
    lostReceiptPermille: on(() => draws.pick([100, 500]), 0),
    ownerActs: on(() => draws.between(1, 2), 0),
  }
  const workers = draws.between(3, 7)
  return {
    seed,
    workers,
    heads: draws.pick([1, 1, 2, 3]),
    rounds: draws.pick([4, 6]),
    roundsPerEpoch: 2,
    quorum: draws.pick([0.5, 0.67]),
    adaptive: draws.below(2) === 1,
    troubleMs: draws.between(20_000, 90_000),
    graceMs: 1_800_000,
    faults,
    adversary: draws.below(3) === 0 ? draws.pick(adversaries) : null,
    ...change,
  }
}
