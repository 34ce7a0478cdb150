import type { InferenceSession, Tensor } from 'onnxruntime-node'
import { optimizationLevel } from './engine-class.ts'
import { assertTakesHalf } from './half-support.ts'
import { engineFailed, type PlainTensor, type ProgramLoader, type Tensors } from './runner.ts'

/** The parts of onnxruntime that its builds for Node and for WebAssembly share. */
export interface OrtRuntime {
  readonly InferenceSession: {
    create(
      bytes: Uint8Array,
      options: InferenceSession.SessionOptions,
    ): Promise<Pick<InferenceSession, 'run' | 'release'>>
  }
  readonly Tensor: new (
    type: 'float32' | 'int64',
    data: Float32Array | BigInt64Array,
    shape: readonly number[],
  ) => Tensor
  /** Whether a run writes into tensors that it is given for results; otherwise it makes its own. */
  readonly writesResults: boolean
}

/**
 * What decides an engine's bits beside its version and the processor. No spinning: idle threads of several workers on one
 * host would starve the busy ones.
 */
const pinned = {
  graphOptimizationLevel: optimizationLevel,
  executionMode: 'sequential',
  interOpNumThreads: 1,
  enableCpuMemArena: true,
  enableMemPattern: true,
  // Failures arrive as errors; standard error is for people.
  logSeverityLevel: 4,
  extra: { session: { intra_op: { allow_spinning: '0' }, inter_op: { allow_spinning: '0' } } },
} as const

/**
 * onnxruntime-node answers with copies of what it has written where it was told to. They go back to the allocator at once: three
 * vectors as long as the model a step, which the garbage collector would let go of late, and stop between steps for.
 */
function letGo(answer: Tensor | undefined, written: PlainTensor['data']): void {
  const copy = answer?.data
  if (!ArrayBuffer.isView(copy) || copy.buffer === written.buffer) return
  if (copy.buffer instanceof ArrayBuffer) copy.buffer.transfer(0)
}

/** Loads programs into onnxruntime, on the given provider. */
export function ortLoader(
  { InferenceSession, Tensor, writesResults }: OrtRuntime,
  provider: string,
  threads: number,
): ProgramLoader {
  const tensor = ({ data, shape }: PlainTensor) =>
    new Tensor(data instanceof Float32Array ? 'float32' : 'int64', data, shape)
  const tensors = (plain: Tensors) =>
    Object.fromEntries(Object.entries(plain).map(([name, value]) => [name, tensor(value)]))
  const fail = (cause: unknown): never => {
    throw engineFailed('onnxruntime', cause)
  }
  const create = (bytes: Uint8Array) =>
    InferenceSession.create(bytes, {
      ...pinned,
      executionProviders: [provider],
      intraOpNumThreads: threads,
    }).catch(fail)
  return async (bytes, { compute }) => {
    if (compute === 'f16' && provider === 'webgpu')
      await assertTakesHalf(create, tensor({ data: Float32Array.of(1), shape: [1, 1] }))
    const session = await create(bytes)
    return {
      async run(feeds, results) {
        if (writesResults) {
          const copies = await session.run(tensors(feeds), tensors(results)).catch(fail)
          for (const [name, { data }] of Object.entries(results)) letGo(copies[name], data)
          return
        }
        const made = await session.run(tensors(feeds), Object.keys(results)).catch(fail)
        for (const [name, { data }] of Object.entries(results))
          (data as Float32Array).set(made[name]!.data as Float32Array)
      },
      release: () => session.release(),
    }
  }
}
