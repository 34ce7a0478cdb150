import type { Tensor } from 'onnxruntime-node'
import { biasCorrection } from '../../program/optimizers/adamw.ts'
import { invariant, MurmurError } from '../../protocol/errors.ts'
import type { Batch, TrainingSession, TrainState } from './engine.ts'
import type { OrtSession, Tensors } from './ort-session.ts'
import { batchTensor, floats, scalar } from './ort-tensors.ts'

/**
 * Trains with two sets of state buffers: a step reads one and writes the other, and only if its result is finite do
 * they change places: one that diverged has changed nothing.
 */
export function createTrainingSession(session: OrtSession): TrainingSession {
  const info = session.program
  const { parameterCount, optimizerSlots, betas } = info
  const vectors = ['params', ...optimizerSlots]
  const newSet = () => new Map(vectors.map((name) => [name, floats(parameterCount)]))
  const [lossOut, normOut] = [scalar(0), scalar(0)]
  let current = newSet()
  let next = newSet()
  let step = 0

  const feedsOf = ({ inputs, targets }: Batch, learningRate: number): Tensors =>
    Object.fromEntries([
      ...current,
      ['inputs', batchTensor(inputs, info.inputs, 'inputs')],
      ['targets', batchTensor(targets, info.targets, 'targets')],
      ['learning_rate', scalar(learningRate)],
      ...betas.map((beta, index) => [`bias${index + 1}`, scalar(biasCorrection(beta, step + 1))] as const),
    ])

  return {
    info,
    async writeState(state) {
      session.assertOpen()
      assertShape(state, parameterCount, optimizerSlots.length)
      const given = [state.params, ...state.optimizer]
      vectors.forEach((name, index) => {
        dataOf(current, name).set(given[index]!)
      })
      step = state.step
    },
    async readState() {
      session.assertOpen()
      const [params, ...optimizer] = vectors.map((name) => dataOf(current, name).slice())
      return { params: params!, optimizer, step }
    },
    async step(given, { learningRate }) {
      const results = {
        loss: lossOut,
        grad_norm: normOut,
        ...Object.fromEntries([...next].map(([name, tensor]) => [`next_${name}`, tensor])),
      }
      await session.run(feedsOf(given, learningRate), results)
      const [lossNats, gradNorm] = [lossOut.data[0]!, normOut.data[0]!]
      if (!Number.isFinite(lossNats) || !Number.isFinite(gradNorm))
        throw diverged(step + 1, lossNats, gradNorm)
      ;[current, next] = [next, current]
      step++
      return { lossNats, gradNorm }
    },
    close: () => session.close(),
  }
}

function dataOf(set: ReadonlyMap<string, Tensor>, name: string): Float32Array {
  const data = set.get(name)?.data
  invariant(data instanceof Float32Array, `${name} is a float vector of the state`)
  return data
}

function assertShape({ params, optimizer, step }: TrainState, count: number, slots: number): void {
  const fits =
    params.length === count &&
    optimizer.length === slots &&
    optimizer.every((vector) => vector.length === count)
  if (fits && Number.isSafeInteger(step) && step >= 0) return
  throw new MurmurError('STATE_SHAPE_INVALID', {
    message: `a state of ${params.length} parameters, ${optimizer.length} optimizer vectors and step ${step} does not fit a program of ${count} parameters and ${slots} vectors`,
    next: 'load the state that belongs to this program',
  })
}

function diverged(step: number, lossNats: number, gradNorm: number): MurmurError {
  return new MurmurError('TRAINING_DIVERGED', {
    message: `step ${step}: loss ${lossNats}, gradient norm ${gradNorm}`,
    next: 'lower train.learningRate or lengthen train.warmupSteps; the state is as it was before the step',
    details: { step, lossNats, gradNorm },
  })
}
