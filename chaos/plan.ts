import { below, drawsAt } from '../protocol/random.ts'

/** What can be done to a cluster, and how often one of it is dealt beside the others. */
const deck = {
  'kill-worker': 3,
  'pause-worker': 2,
  'isolate-worker': 2,
  'part-workers': 1,
  'silence-worker': 2,
  'slow-worker': 2,
  'corrupt-worker': 2,
  'kill-leader': 2,
  'pause-leader': 1,
  'kill-standby': 1,
  'restart-standby': 1,
  'part-heads': 1,
  'kill-heads': 1,
  'chain-away': 1,
} as const

export type FaultKind = keyof typeof deck

/** Milliseconds that a fault lasts, from and to. */
const lengths: Readonly<Record<FaultKind, readonly [number, number]>> = {
  'kill-worker': [500, 8_000],
  // From one that a heartbeat hides to one that is taken for dead (15 s).
  'pause-worker': [1_000, 20_000],
  'isolate-worker': [1_000, 12_000],
  'part-workers': [2_000, 12_000],
  'silence-worker': [2_000, 20_000],
  'slow-worker': [4_000, 15_000],
  'corrupt-worker': [2_000, 6_000],
  // Below two seconds the head that died goes on itself, above a standby does.
  'kill-leader': [500, 10_000],
  'pause-leader': [1_000, 10_000],
  'kill-standby': [500, 8_000],
  'restart-standby': [500, 3_000],
  'part-heads': [2_000, 10_000],
  'kill-heads': [500, 4_000],
  'chain-away': [2_000, 10_000],
}

export interface Fault {
  readonly kind: FaultKind
  /** When in the run: this long after this round was first seen under way. */
  readonly round: number
  readonly afterMs: number
  readonly lengthMs: number
  /** Index of the worker that it is done to; null for what is done to heads. */
  readonly worker: number | null
  /** Of `part-workers`: the other one. */
  readonly other: number | null
}

export interface PlanOptions {
  readonly seed: number
  readonly rounds: number
  readonly workers: number
}

/** Rounds at the end in which nothing happens: what is healed must then be whole again. */
export const quietRounds = 3
const faultsPerRound = 1.25
const withinRoundMs = 3_000

/**
 * Which faults, in which rounds. Pure: one seed, one plan. Kinds are dealt from a shuffled deck, so that a plan as long as
 * the deck has each; when each happens is told in rounds, since how long a round takes is up to the machine.
 */
export function planFaults({ seed, rounds, workers }: PlanOptions): readonly Fault[] {
  const draw = drawsAt(seed, 'simulation', [0x6368616f, 0])
  const upTo = (bound: number) => below(bound, draw())
  const within = ([from, to]: readonly [number, number]) => from + upTo(to - from + 1)
  const kinds = dealer(upTo)
  const troubled = Math.max(0, rounds - 1 - quietRounds)
  return Array.from({ length: Math.round(troubled * faultsPerRound) }, (_, index) => {
    const kind = kinds()
    const onWorker = kind.endsWith('-worker') || kind === 'part-workers'
    const worker = onWorker ? upTo(workers) : null
    const other = kind === 'part-workers' ? (worker! + 1 + upTo(Math.max(1, workers - 1))) % workers : null
    const round = 1 + Math.floor(index / faultsPerRound)
    return { kind, round, afterMs: upTo(withinRoundMs), lengthMs: within(lengths[kind]), worker, other }
  })
}

/** Deals one kind after the other from a shuffled deck, then shuffles a new one (Fisher and Yates). */
function dealer(upTo: (bound: number) => number): () => FaultKind {
  let cards: FaultKind[] = []
  return () => {
    if (cards.length === 0) {
      cards = Object.entries(deck).flatMap(([kind, count]) => Array<FaultKind>(count).fill(kind as FaultKind))
      for (let index = cards.length - 1; index > 0; index--) {
        const other = upTo(index + 1)
        ;[cards[index], cards[other]] = [cards[other]!, cards[index]!]
      }
    }
    return cards.pop()!
  }
}
