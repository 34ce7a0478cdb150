import type { ProgramLimits } from '../../program/check-program.ts'
import { createDecodingSession } from './decoding-session.ts'
import type { Engine, EvaluationSession, SamplingSession } from './engine.ts'
import type { About } from './engine-class.ts'
import type { Hasher } from './hasher.ts'
import { openRunner, type ProgramLoader, type Runner } from './runner.ts'
import { batchTensor, floats, parameterTensor, scalar } from './tensors.ts'
import { createTrainingSession } from './training-session.ts'

export interface EngineOptions {
  /** Threads within one operator. Part of the engine class, as they decide how sums are split. */
  readonly threads?: number
  readonly limits?: ProgramLimits
  /** What computes the digests of a training session; absent: the thread that the session runs on. */
  readonly newHasher?: () => Hasher
}

/** An engine of what it calls itself and how it loads a checked program. Runs may block the thread they are started on. */
export function engineOf(
  about: About,
  load: ProgramLoader,
  { limits, newHasher }: Omit<EngineOptions, 'threads'>,
): Engine {
  return {
    ...about,
    loadTraining: async (program, signal) =>
      createTrainingSession(await openRunner(load, program, 'training', { limits, signal }), newHasher?.()),
    loadEvaluation: async (program, signal) =>
      evaluationSession(await openRunner(load, program, 'evaluation', { limits, signal })),
    loadSampling: async (program, signal) =>
      samplingSession(await openRunner(load, program, 'sampling', { limits, signal })),
    async loadDecoding({ prefill, step }, signal) {
      const first = await openRunner(load, prefill, 'prefill', { limits, signal })
      try {
        return createDecodingSession(first, await openRunner(load, step, 'decoding', { limits, signal }))
      } catch (error) {
        await first.close()
        throw error
      }
    },
  }
}

function evaluationSession(runner: Runner): EvaluationSession {
  const info = runner.program
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
      await runner.run(feeds, { loss, ...(classifies && { accuracy }) })
      return { lossNats: loss.data[0]!, accuracy: classifies ? accuracy.data[0]! : null }
    },
    close: () => runner.close(),
  }
}

function samplingSession(runner: Runner): SamplingSession {
  const info = runner.program
  const count = info.logits.reduce((product, size) => product * size, 1)
  return {
    info,
    async logits(params, inputs) {
      const logits = floats(count, info.logits)
      const feeds = {
        params: parameterTensor(params, info.parameterCount),
        inputs: batchTensor(inputs, info.inputs, 'inputs'),
      }
      await runner.run(feeds, { logits })
      return logits.data
    },
    close: () => runner.close(),
  }
}
