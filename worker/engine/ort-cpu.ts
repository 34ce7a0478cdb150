import type { ProgramLimits } from '../../program/check-program.ts'
import type { Engine } from './engine.ts'
import { ortCpuClass } from './engine-class.ts'
import { openSession } from './ort-session.ts'
import { floats, parameterTensor, scalar, tokenTensor } from './ort-tensors.ts'
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
      const { batch, context, parameterCount } = session.program
      return {
        info: session.program,
        async evaluate(params, { inputs, targets }) {
          const loss = scalar(0)
          const feeds = {
            params: parameterTensor(params, parameterCount),
            inputs: tokenTensor(inputs, [batch, context], 'inputs'),
            targets: tokenTensor(targets, [batch, context], 'targets'),
          }
          await session.run(feeds, { loss })
          return loss.data[0]!
        },
        close: () => session.close(),
      }
    },
    async loadSampling(program, signal) {
      const session = await openSession(program, 'sampling', { threads, limits, signal })
      const { batch, context, vocabulary, parameterCount } = session.program
      return {
        info: session.program,
        async logits(params, tokens) {
          const logits = floats(batch * context * vocabulary, [batch * context, vocabulary])
          const feeds = {
            params: parameterTensor(params, parameterCount),
            inputs: tokenTensor(tokens, [batch, context], 'inputs'),
          }
          await session.run(feeds, { logits })
          return logits.data
        },
        close: () => session.close(),
      }
    },
  }
}
