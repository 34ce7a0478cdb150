import { initialWeights } from '../../program/initial-weights.ts'
import { buildTrainingProgram } from '../../program/training-program.ts'
import { assignedShards } from '../../worker/data/assignment.ts'
import { batchSource } from '../../worker/data/batch-source.ts'
import type { Batch, Evaluation, TensorData, TrainState } from '../../worker/engine/engine.ts'
import { ortCpuEngine } from '../../worker/engine/ort-cpu.ts'
import { learningRateAt } from '../../worker/learning-rate.ts'
import type { Cell } from './cell.ts'
import { dataOf, models } from './tasks.ts'

export interface Trainer extends AsyncDisposable {
  readonly initialTheta: Float32Array
  /** Flat vectors of the inner optimizer. */
  readonly moments: number
  /** Inner steps `from` … `to` − 1 of one worker, on its own shards. */
  train(state: TrainState, slot: number, from: number, to: number): Promise<TrainState>
  /** Means over the same held-out batches, `batches` of them at most: nats a byte or row. */
  heldOut(params: Float32Array, batches: number): Promise<Evaluation>
}

/**
 * Trains a cell's workers in this process, one after the other on one onnxruntime session. The batch of (worker, step) is
 * the same in every cell of a seed. Synchronous data parallelism is one program whose batch holds the batches of all
 * workers: the gradient of its mean loss is the mean of theirs, and N workers that average it at every step do just that.
 */
export async function openTrainer({ task, seed, steps, workers, inner, sync }: Cell): Promise<Trainer> {
  const model = models[task]
  const { batch } = model
  const { shards, heldOut, manifest } = await dataOf(task, workers)
  const hands = Array.from({ length: workers }, (_, slot) =>
    assignedShards({ seed, members: workers, slot, shardCount: shards.length }).map(
      (index) => shards[index]!,
    ),
  )
  const { optimizer: innerOptimizer, momentum } = inner
  const optimizer = momentum === undefined ? {} : { momentum, beta1: momentum }
  const together = sync === 'every-step' ? workers : 1
  const { training, table } = buildTrainingProgram(
    { ...model, batch: batch * together },
    { innerOptimizer, optimizer },
  )
  const engine = ortCpuEngine()
  const session = await engine.loadTraining(training)
  const evaluation = await engine.loadEvaluation(buildTrainingProgram(model).evaluation)
  const batches = batchSource(manifest.format, evaluation.info)
  const schedule = {
    ...{
      learningRate: inner.learningRate,
      warmupSteps: inner.warmupSteps,
      finalLearningRate: inner.finalLearningRate ?? 0.1,
    },
    ...{ innerSteps: steps, roundsPerEpoch: 1, epochs: 1, schedule: 'cosine' as const, decayShare: 0 },
  }
  const batchOf = (slot: number, step: number): Batch =>
    batches.at({ seed, round: 0, slot, step }, hands[slot]!)

  return {
    initialTheta: initialWeights(table, seed),
    moments: session.info.optimizerSlots.length,
    async train(state, slot, from, to) {
      await session.writeState(state)
      for (let step = from; step < to; step++) {
        const slots = together > 1 ? hands.keys() : [slot]
        const given = joined([...slots].map((each) => batchOf(each, step)))
        await session.step(given, { learningRate: learningRateAt(schedule, step) })
      }
      return session.readState()
    },
    async heldOut(params, most) {
      const sum = { count: 0, lossNats: 0, accuracy: 0 }
      for (const one of batches.heldOut(heldOut, most)) {
        const { lossNats, accuracy } = await evaluation.evaluate(params, one)
        sum.lossNats += lossNats
        sum.accuracy += accuracy ?? Number.NaN
        sum.count++
      }
      const accuracy = Number.isNaN(sum.accuracy) ? null : sum.accuracy / sum.count
      return { lossNats: sum.lossNats / sum.count, accuracy }
    },
    async [Symbol.asyncDispose]() {
      await session.close()
      await evaluation.close()
    },
  }
}

/** One batch of all rows. */
const joined = (batches: readonly Batch[]): Batch => ({
  inputs: behind(batches.map(({ inputs }) => inputs)),
  targets: behind(batches.map(({ targets }) => targets)),
})

/** The parts, which are of one type, one behind the other. */
function behind(parts: readonly TensorData[]): TensorData {
  const length = parts.reduce((sum, part) => sum + part.length, 0)
  const floats = parts.filter((part) => part instanceof Float32Array)
  const integers = parts.filter((part) => part instanceof BigInt64Array)
  const all = floats.length > 0 ? new Float32Array(length) : new BigInt64Array(length)
  let offset = 0
  for (const [index, { length }] of parts.entries()) {
    if (all instanceof Float32Array) all.set(floats[index]!, offset)
    else all.set(integers[index]!, offset)
    offset += length
  }
  return all
}
