import { averageCompressor } from '../../aggregation/compressor-of.ts'
import { nesterov } from '../../aggregation/outer/nesterov.ts'
import { outerSgd } from '../../aggregation/outer/sgd.ts'
import { pseudoGradient } from '../../aggregation/pseudo-gradient.ts'
import { weightedMean } from '../../aggregation/rules/weighted-mean.ts'
import { checkedShare } from '../../aggregation/shared-average.ts'
import { addScaled } from '../../aggregation/update.ts'
import { along, type Sync } from './cell.ts'
import { compressorAt } from './codecs.ts'

/** A worker between two rounds, all vectors of N values. */
export interface Replica {
  /** What it trains. */
  params: Float32Array
  /** The inner optimizer's vectors, first moment first. */
  optimizer: readonly Float32Array[]
  /** Inner steps so far. */
  step: number
  /** e: what of its Δ the others have not been told. */
  readonly residual: Float32Array
}

/** A run between two rounds: what the workers share, and what each has of its own. */
export interface Flock {
  /** θ. */
  readonly theta: Float32Array
  readonly outerMomentum: Float32Array
  /** θ as the last two looks at it found it, oldest first; one look a sync. */
  readonly before: Float32Array[]
  readonly replicas: readonly Replica[]
  /**
   * Of one worker, all rounds: a contribution up and those of all others down; where the head sends the average, that down and
   * of the others' contributions as many as a worker fetches on average to check it.
   */
  bytes: number
  /** What of these goes up. */
  upBytes: number
  rounds: number
}

const fragments = 4
/** Fragments end where SparseLoCo's chunks do. */
const chunk = 4096

export const newFlock = (theta: Float32Array, workers: number, moments: number): Flock => {
  const zeros = () => new Float32Array(theta.length)
  const replicas = Array.from({ length: workers }, () => ({
    params: theta.slice(),
    optimizer: Array.from({ length: moments }, zeros),
    step: 0,
    residual: zeros(),
  }))
  return { theta, outerMomentum: zeros(), before: [], replicas, bytes: 0, upBytes: 0, rounds: 0 }
}

/** Inner steps until the next sync: never a stub at the end. */
export function stepsToSync({ innerSteps, when }: Sync, step: number, steps: number): number {
  const whole = along(innerSteps, step / steps)
  const due = Math.max(1, Math.round(when === 'streaming' ? whole / fragments : whole))
  return steps - step - due < due / 2 ? steps - step : due
}

/**
 * One sync, `done` of 1 into the training: every worker's Δ is compressed, the mean taken, the outer step applied to θ,
 * and the next round's start written to `params`. The last sync of all is blocking and complete. Δ is θ − params, where
 * an eager worker's round did not start from θ: start − params.
 */
export function synchronize(flock: Flock, sync: Sync, starts: readonly Float32Array[], done: number): void {
  const last = done === 1
  const { theta, replicas } = flock
  const [from, to] =
    sync.when === 'streaming' && !last
      ? fragmentOf(flock.rounds % fragments, theta.length)
      : [0, theta.length]
  const { codec, learningRate } = (last ? sync.last : undefined) ?? {
    codec: sync.codec,
    learningRate: sync.outer.learningRate,
  }
  const compressor = compressorAt(codec, done)
  let sent = 0
  const updates = replicas.map((replica, index) => {
    const origin = sync.when === 'eager' ? starts[index]! : theta
    const delta = pseudoGradient(
      origin.subarray(from, to),
      replica.params.subarray(from, to),
      new Float32Array(to - from),
    )
    const residual = replica.residual.subarray(from, to)
    if (sync.residual === 'trained') residual.fill(0)
    const { bytes } = compressor.compress(delta, residual, residual)
    sent += bytes.length
    return { update: compressor.decompress(bytes, to - from), tokens: 1 }
  })
  const everybodys = weightedMean.aggregate(updates, to - from, [])
  const average = sync.averageTopK === undefined ? null : averaged(everybodys, sync.averageTopK)
  const mean = average?.mean ?? everybodys
  const one = sent / replicas.length
  flock.upBytes += one
  flock.bytes += average === null ? sent : one + average.bytes + checkedShare(replicas.length) * (sent - one)
  const before = sync.when === 'eager' && !last ? theta.slice() : theta
  const { momentum } = sync.outer
  const outer = momentum > 0 ? nesterov({ learningRate, momentum }) : outerSgd(learningRate)
  outer.apply(theta.subarray(from, to), mean, [flock.outerMomentum.subarray(from, to)], flock.rounds)
  for (const [index, replica] of replicas.entries()) {
    replica.params.set(before.subarray(from, to), from)
    if (before !== theta) addScaled(replica.params, updates[index]!.update, -learningRate / replicas.length)
    if (sync.residual === 'trained') subtract(replica.params, replica.residual, from, to)
    if (sync.firstMoment === 'zeroed') replica.optimizer[0]!.fill(0, from, to)
  }
  flock.rounds++
}

/** What the head sends of a mean. */
function averaged(mean: Float32Array, k: number) {
  const compressor = averageCompressor(k)
  const { bytes } = compressor.compress(mean, compressor.init(mean.length))
  const update = compressor.decompress(bytes, mean.length)
  return { mean: weightedMean.aggregate([{ update, tokens: 1 }], mean.length, []), bytes: bytes.length }
}

function fragmentOf(index: number, count: number): [number, number] {
  const edge = (at: number) => Math.min(count, Math.ceil((at * count) / fragments / chunk) * chunk)
  return [edge(index), index === fragments - 1 ? count : edge(index + 1)]
}

function subtract(from: Float32Array, what: Float32Array, start: number, end: number): void {
  for (let index = start; index < end; index++) from[index] = from[index]! - what[index]!
}
