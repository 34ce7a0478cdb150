import type { ProgramLimits } from '../../program/check-program.ts'
import type { Engine } from './engine.ts'
import { ortCpuClass } from './engine-class.ts'
import { openSession } from './ort-session.ts'
import { batchTensor, floats, parameterTensor, scalar } from './ort-tensors.ts'
import { createTrainingSession } from './ort-training.ts'

export interface OrtCpuOptions {
  /** Threads within one operator. Part of the engine class, as they decide how sums are split. */
  readonly threads?: number
  readonly limits?: ProgramLimits
}

/**
 * onnxruntime on the processor. Runs block the thread they are started on for their whole length: a node that must
 * answer others meanwhile uses threaded-engine.ts.
 */
export function ortCpuEngine({ threads = 1, limits }: OrtCpuOptions = {}): Engine {
  return {
    name: 'ort-cpu',
    engineClass: ortCpuClass(threads),
    async loadTraining(program, signal) {
      return createTrainingSession(await openSession(program, 'training', { threads, limits, signal }))
    },
    async loadEvaluation(program, signal) {
      const session = await openSession(program, 'evaluation', { threads, limits, signal })
      const { program: info } = session
      return {
        info,
        async evaluate(params, { inputs, targets }) {
          const [loss, accuracy] = [scalar(0), scalar(0)]
          const feeds = {
            params: parameterTensor(params, info.parameterCount),
            inputs: batchTensor(inputs, info.inputs, 'inputs'),
            targets: batchTensor(targets, info.targets, 'targets'),
          }
          const classifies = info.task === 'classification'
          await session.run(feeds, { loss, ...(classifies && { accuracy }) })
          return { lossNats: loss.data[0]!, accuracy: classifies ? accuracy.data[0]! : null }
        },
        close: () => session.close(),
      }
    },
    async loadSampling(program, signal) {
      const session = await openSession(program, 'sampling', { threads, limits, signal })
      const { program: info } = session
      const count = info.logits.reduce((product, size) => product * size, 1)
      return {
        info,
        async logits(params, inputs) {
          const logits = floats(count, info.logits)
          const feeds = {
            params: parameterTensor(params, info.parameterCount),
            inputs: batchTensor(inputs, info.inputs, 'inputs'),
          }
          await session.run(feeds, { logits })
          return logits.data
        },
        close: () => session.close(),
      }
    },
  }
}
