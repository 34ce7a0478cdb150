import { type Averaging, averagingOf } from '../../aggregation/averaging.ts'
import { pseudoGradient } from '../../aggregation/pseudo-gradient.ts'
import { defaultModel } from '../../program/model-spec.ts'
import { programOptions } from '../../program/program-options.ts'
import { readRunModel } from '../../program/run-model.ts'
import { buildTrainingProgram } from '../../program/training-program.ts'
import { parseRunFile } from '../../protocol/run-spec.ts'
import { assignedShards } from '../../worker/data/assignment.ts'
import { batchAt, heldOutBatches } from '../../worker/data/batches.ts'
import { mobyDick } from '../../worker/data/moby-dick.ts'
import { shardText } from '../../worker/data/shards.ts'
import { ortCpuEngine } from '../../worker/engine/ort-cpu.ts'
import { learningRateAt } from '../../worker/learning-rate.ts'
import type { Sent } from './plan.ts'

/** 11,696 parameters that train a step in a millisecond; 200 steps of ten workers bring the loss from 5.8 to 2.7 nats. */
const model = { ...defaultModel, layers: 1, width: 16, heads: 2, context: 16, batch: 4 }
const innerSteps = 8
const evaluationBatches = 64

/** What a worker carries from round to round. */
export interface Carried {
  readonly moments: readonly Float32Array[]
  readonly step: number
  readonly errorFeedback: Float32Array
}

export interface Place {
  readonly seed: number
  readonly round: number
  readonly slot: number
  readonly members: number
  readonly theta: Float32Array
  readonly carried: Carried
  /** Trained on targets that are all one byte value too high: the label-flip attack. */
  readonly flipped: boolean
}

export interface Task {
  readonly parameterCount: number
  /** As a run has it: the compressor with its error feedback, outer SGD. */
  readonly averaging: Averaging
  /** Tokens of a worker’s round. */
  readonly tokens: number
  initialTheta(seed: number): Float32Array
  newcomer(): Carried
  /** The inner steps of one worker's round: Δ, and what it carries on, with the error feedback as it was. */
  train(place: Place): Promise<{ readonly delta: Float32Array; readonly carried: Carried }>
  /** Mean held-out loss, nats a token. */
  evaluate(theta: Float32Array): Promise<number>
}

export interface TaskOptions {
  readonly rounds: number
  readonly sent: Sent
}

/** A run's own, with all of the residual kept and as runs of GPTs do; and SparseLoCo as published, with the inner optimizer that it was published for. */
const ways = {
  signs: { train: {}, averaging: { errorFeedback: 1 } },
  fading: { train: {}, averaging: {} },
  sparse: { train: { optimizer: 'adamw' }, averaging: { compressor: 'sparse-loco' } },
} as const satisfies Record<Sent, unknown>

/** A real run, small: the program that `murmur run` builds, its text, shards, batches, engine and compressor. */
export async function openTask({ rounds, sent }: TaskOptions): Promise<Task & AsyncDisposable> {
  const { batch, ...shape } = model
  const train = { batch, innerSteps, roundsPerEpoch: 1, epochs: rounds, learningRate: 0.01, warmupSteps: 10 }
  const sections = { model: shape, train: { ...train, ...ways[sent].train }, averaging: ways[sent].averaging }
  const spec = parseRunFile(sections, 'the robustness bench')
  const programs = buildTrainingProgram(model, programOptions(spec.train))
  const { parameterCount, moments, initialWeights } = readRunModel(programs.training)
  const { context } = model
  const { shards, heldOut } = shardText(await mobyDick(), { context })
  const engine = ortCpuEngine()
  const session = await engine.loadTraining(programs.training)
  const evaluation = await engine.loadEvaluation(programs.evaluation)
  const batches = heldOutBatches(heldOut, model, evaluationBatches)
  const zeros = () => new Float32Array(parameterCount)
  return {
    ...{ parameterCount, averaging: averagingOf(spec), tokens: innerSteps * batch * context },
    initialTheta: initialWeights,
    newcomer: () => ({ moments: Array.from({ length: moments }, zeros), step: 0, errorFeedback: zeros() }),
    train: async ({ seed, round, slot, members, theta, carried, flipped }) => {
      const hand = assignedShards({ seed, members, slot, shardCount: shards.length })
      const mine = hand.map((index) => shards[index]!)
      await session.writeState({ params: theta, optimizer: carried.moments, step: carried.step })
      for (let step = 0; step < innerSteps; step++) {
        const { inputs, targets } = batchAt({ seed, round, slot, step, batch, context }, mine)
        const learningRate = learningRateAt(spec.train, round * innerSteps + step)
        const answers = flipped ? targets.map((token) => (token + 1n) % 256n) : targets
        await session.step({ inputs, targets: answers }, { learningRate })
      }
      const { params, optimizer, step } = await session.readState()
      return {
        delta: pseudoGradient(theta, params, params),
        carried: { moments: optimizer, step, errorFeedback: carried.errorFeedback },
      }
    },
    evaluate: async (theta) => {
      let sum = 0
      for (const each of batches) sum += (await evaluation.evaluate(theta, each)).lossNats
      return sum / batches.length
    },
    [Symbol.asyncDispose]: async () => {
      await session.close()
      await evaluation.close()
    },
  }
}
