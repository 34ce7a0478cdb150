import { meanOfVectors } from '../../checkpoints/mean-of-vectors.ts'
import type { Cell } from './cell.ts'
import { type Flock, newFlock, stepsToSync, synchronize } from './replicas.ts'
import { openTrainer, type Trainer } from './trainer.ts'

export interface Point {
  /** Inner steps of every worker until here. */
  readonly step: number
  /** Held-out, nats a byte or row. */
  readonly lossNats: number
}

export interface Outcome {
  readonly parameterCount: number
  /** At about twenty places, on a part of the held-out text; the last is at the end. */
  readonly curve: readonly Point[]
  /** At the end, on more of it. */
  readonly lossNats: number
  /** Share of held-out rows told right, of a classification. */
  readonly accuracy?: number
  /** Of the mean of the last three θ, one a sync, or 25 steps apart where every step is one; absent: not measured. */
  readonly ofLastThree?: number
  /** One worker's, up and down, all rounds. Nothing for synchronous data parallelism, whose ring is counted by rule. */
  readonly bytes: number
  /** What of these goes up; absent: one of R parts. */
  readonly upBytes?: number
  readonly rounds: number
}

/** Where a cell stands between two rounds: enough to go on in another process with the same bits. */
export interface Progress {
  readonly step: number
  readonly flock: Flock
  readonly curve: readonly Point[]
}

export interface TrainOptions {
  readonly from: Progress | null
  /** Called after every round; false stops the cell there. */
  readonly onRound: (progress: Progress) => boolean | Promise<boolean>
}

const curvePoints = 20
const curveBatches = 16
const finalBatches = 96
/** Synchronous data parallelism has no rounds: so many steps go between two looks at the clock. */
const stepsTogether = 25

/** A cell from `from`, or from its start, to its end; null when `onRound` stopped it. A pure function of the cell. */
export async function trainCell(cell: Cell, { from, onRound }: TrainOptions): Promise<Outcome | null> {
  await using trainer = await openTrainer(cell)
  const { steps, workers, sync } = cell
  const flock =
    from?.flock ?? newFlock(trainer.initialTheta, sync === 'every-step' ? 1 : workers, trainer.moments)
  const curve = [...(from?.curve ?? [])]
  let step = from?.step ?? 0
  while (step < steps) {
    if (step > 0) flock.before.splice(0, flock.before.length, ...flock.before.slice(-1), flock.theta.slice())
    step = await advance(trainer, cell, flock, step)
    const last = curve.at(-1)?.step ?? 0
    if (step === steps || step - last >= steps / curvePoints) {
      const { lossNats } = await trainer.heldOut(flock.theta, curveBatches)
      curve.push({ step, lossNats })
    }
    if (step < steps && !(await onRound({ step, flock, curve }))) return null
  }
  const { lossNats, accuracy } = await trainer.heldOut(flock.theta, finalBatches)
  const lastThree = Number.isFinite(lossNats) ? await meanOfLast(flock) : flock.theta
  const averaged = await trainer.heldOut(lastThree, finalBatches)
  return {
    parameterCount: flock.theta.length,
    curve,
    lossNats,
    ...(accuracy === null ? {} : { accuracy }),
    ofLastThree: averaged.lossNats,
    bytes: flock.bytes,
    upBytes: flock.upBytes,
    rounds: flock.rounds,
  }
}

/** As `murmur checkpoint export --average 3` makes it. */
const meanOfLast = ({ before, theta }: Flock): Promise<Float32Array> =>
  meanOfVectors(
    (async function* () {
      yield* [...before, theta]
    })(),
  )

/** To the next sync. */
async function advance(trainer: Trainer, cell: Cell, flock: Flock, step: number): Promise<number> {
  const { sync, steps } = cell
  const to =
    step + (sync === 'every-step' ? Math.min(stepsTogether, steps - step) : stepsToSync(sync, step, steps))
  const starts = flock.replicas.map(({ params }) => params)
  for (const [slot, replica] of flock.replicas.entries()) {
    Object.assign(replica, await trainer.train(replica, slot, step, to))
  }
  if (sync === 'every-step') flock.theta.set(flock.replicas[0]!.params)
  else synchronize(flock, sync, starts, to / steps)
  return to
}
