import { setImmediate as turn } from 'node:timers/promises'
import { biasCorrection } from '../../program/optimizers/adamw.ts'
import { MurmurError } from '../../protocol/errors.ts'
import type { Batch, StepOptions, StepResult, TrainingSession, TrainState } from './engine.ts'
import { type Hasher, hasherHere } from './hasher.ts'
import type { Runner, Tensors } from './runner.ts'
import { batchTensor, floats, scalar } from './tensors.ts'

/**
 * Trains with two sets of state buffers: a step reads one and writes the other, and only if its result is finite and it
 * was not aborted do they change places: one that diverged has changed nothing.
 */
export function createTrainingSession(runner: Runner, hasher: Hasher = hasherHere): TrainingSession {
  const info = runner.program
  const { parameterCount, optimizerSlots, betas } = info
  const { movingCount } = info.table
  const vectors = ['params', ...optimizerSlots]
  const newSet = () => [floats(parameterCount), ...optimizerSlots.map(() => floats(movingCount))]
  const [lossOut, normOut] = [scalar(0), scalar(0)]
  let current = newSet()
  let next = newSet()
  let step = 0

  const feedsOf = ({ inputs, targets }: Batch, learningRate: number): Tensors =>
    Object.fromEntries([
      ...vectors.map((name, index) => [name, current[index]!] as const),
      ['inputs', batchTensor(inputs, info.inputs, 'inputs')],
      ['targets', batchTensor(targets, info.targets, 'targets')],
      ['learning_rate', scalar(learningRate)],
      ...betas.map((beta, index) => [`bias${index + 1}`, scalar(biasCorrection(beta, step + 1))] as const),
    ])

  async function take(given: Batch, { learningRate, signal }: StepOptions): Promise<StepResult> {
    signal?.throwIfAborted()
    const results = {
      loss: lossOut,
      grad_norm: normOut,
      ...Object.fromEntries(vectors.map((name, index) => [`next_${name}`, next[index]!])),
    }
    const begunMs = performance.now()
    await runner.run(feedsOf(given, learningRate), results, signal)
    const tookMs = performance.now() - begunMs
    if (signal !== undefined) {
      // Whoever aborted while the run blocked this thread is heard now.
      await turn()
      signal.throwIfAborted()
    }
    const [lossNats, gradNorm] = [lossOut.data[0]!, normOut.data[0]!]
    if (!Number.isFinite(lossNats) || !Number.isFinite(gradNorm))
      throw diverged({ step: step + 1, lossNats, gradNorm, compute: runner.program.compute })
    ;[current, next] = [next, current]
    step++
    return { lossNats, gradNorm, tookMs }
  }

  let last: Promise<unknown> = Promise.resolve()
  const inTurn = <T>(work: () => T | Promise<T>): Promise<T> => {
    const result = last.then(() => {
      runner.assertOpen()
      return work()
    })
    last = result.then(
      () => {},
      () => {},
    )
    return result
  }

  return {
    info,
    writeState: (state) =>
      inTurn(() => {
        assertShape(state, parameterCount, { slots: optimizerSlots.length, size: movingCount })
        const given = [state.params, ...state.optimizer]
        current.forEach(({ data }, index) => {
          data.set(given[index]!)
        })
        step = state.step
      }),
    readState: () =>
      inTurn(() => {
        const [params, ...optimizer] = current.map(({ data }) => data.slice())
        return { params: params!, optimizer, step }
      }),
    digest: async () => {
      // In its turn it is begun; what comes next need not wait for its end.
      const { hash } = await inTurn(() => {
        const state = current.map(({ data }) => data)
        return { hash: hasher.hash(step, state) }
      })
      return await hash
    },
    step: (batch, options) => inTurn(() => take(batch, options)),
    close: async () => {
      await last
      try {
        await runner.close()
      } finally {
        await hasher.close()
      }
    },
  }
}

function assertShape(
  { params, optimizer, step }: TrainState,
  count: number,
  { slots, size }: { readonly slots: number; readonly size: number },
): void {
  const fits =
    params.length === count &&
    optimizer.length === slots &&
    optimizer.every((vector) => vector.length === size)
  if (fits && Number.isSafeInteger(step) && step >= 0) return
  throw new MurmurError('STATE_SHAPE_INVALID', {
    message: `a state of ${params.length} parameters, ${optimizer.length} optimizer vectors and step ${step} does not fit a program of ${count} parameters and ${slots} vectors of ${size} values`,
    next: 'load the state that belongs to this program',
  })
}

interface Divergence {
  readonly step: number
  readonly lossNats: number
  readonly gradNorm: number
  readonly compute: 'f32' | 'f16'
}

function diverged({ step, lossNats, gradNorm, compute }: Divergence): MurmurError {
  const likely = compute === 'f16' ? '; likely a product beyond 65,504, where float16 ends' : ''
  const other = compute === 'f16' ? 'set train.compute to f32, ' : ''
  return new MurmurError('TRAINING_DIVERGED', {
    message: `step ${step}: loss ${lossNats}, gradient norm ${gradNorm}${likely}`,
    next: `${other}lower train.learningRate or lengthen train.warmupSteps; the state is as it was before the step`,
    details: { step, lossNats, gradNorm },
  })
}
