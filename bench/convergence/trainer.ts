import { initialWeights } from '../../program/initial-weights.ts'
import { buildTrainingProgram } from '../../program/training-program.ts'
import { assignedShards } from '../../worker/data/assignment.ts'
import { type Batch, batchAt, heldOutBatches } from '../../worker/data/batches.ts'
import type { TrainState } from '../../worker/engine/engine.ts'
import { ortCpuEngine } from '../../worker/engine/ort-cpu.ts'
import { learningRateAt } from '../../worker/learning-rate.ts'
import type { Cell } from './cell.ts'
import { models, textOf } from './tasks.ts'

export interface Trainer extends AsyncDisposable {
  readonly initialTheta: Float32Array
  /** Flat vectors of the inner optimizer. */
  readonly moments: number
  /** Inner steps `from` … `to` − 1 of one worker, on its own shards. */
  train(state: TrainState, slot: number, from: number, to: number): Promise<TrainState>
  /** Mean loss over the same `batches` of held-out text, nats a byte. */
  heldOutLoss(params: Float32Array, batches: number): Promise<number>
}

/**
 * Trains a cell's workers in this process, one after the other on one onnxruntime session. The batch of (worker, step) is
 * the same in every cell of a seed. Synchronous data parallelism is one program whose batch holds the batches of all
 * workers: the gradient of its mean loss is the mean of theirs, and N workers that average it at every step do just that.
 */
export async function openTrainer({ task, seed, steps, workers, inner, sync }: Cell): Promise<Trainer> {
  const model = models[task]
  const { batch, context } = model
  const { shards, heldOut } = await textOf(task)
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
  const schedule = {
    ...{ learningRate: inner.learningRate, warmupSteps: inner.warmupSteps, finalLearningRate: 0.1 },
    ...{ innerSteps: steps, roundsPerEpoch: 1, epochs: 1, batch, seed },
  }
  const batchOf = (slot: number, step: number): Batch =>
    batchAt({ seed, round: 0, slot, step, batch, context }, hands[slot]!)

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
    async heldOutLoss(params, batches) {
      const all = heldOutBatches(heldOut, { batch, context }, batches)
      let sum = 0
      for (const one of all) sum += (await evaluation.evaluate(params, one)).lossNats
      return sum / all.length
    },
    async [Symbol.asyncDispose]() {
      await session.close()
      await evaluation.close()
    },
  }
}

/** One batch of all rows. */
function joined(batches: readonly Batch[]): Batch {
  const side = (name: keyof Batch): BigInt64Array => {
    const [first] = batches
    const all = new BigInt64Array(first![name].length * batches.length)
    batches.forEach((batch, index) => {
      all.set(batch[name], index * first![name].length)
    })
    return all
  }
  return { inputs: side('inputs'), targets: side('targets') }
}
