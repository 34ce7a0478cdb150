import './no-telemetry.ts'
import { Worker } from 'node:worker_threads'
import { MurmurError, type MurmurErrorOptions } from '../../protocol/errors.ts'
import type { Engine, EvaluationSession, SamplingSession, TrainingSession } from './engine.ts'
import { ortCpuClass } from './engine-class.ts'

/** What the thread is asked: one method of the one session it holds. */
export interface EngineCall {
  readonly id: number
  readonly method: string
  readonly args: readonly unknown[]
}

export type EngineAnswer =
  | { readonly id: number; readonly value: unknown }
  | { readonly id: number; readonly error: { readonly code: string } & Omit<MurmurErrorOptions, 'cause'> }

export interface EngineThreadData {
  readonly kind: 'training' | 'evaluation' | 'sampling'
  readonly program: Uint8Array
  readonly threads: number
}

/**
 * onnxruntime on the processor, one thread a session. The runtime blocks the thread it runs on, and a node must go on
 * answering the network while it trains or audits.
 */
export function threadedOrtCpuEngine({ threads = 1 }: { readonly threads?: number } = {}): Engine {
  const open = async <T extends object>(
    kind: EngineThreadData['kind'],
    program: Uint8Array,
    signal?: AbortSignal,
  ) => {
    signal?.throwIfAborted()
    return await openThread<T>({ kind, program, threads })
  }
  return {
    name: 'ort-cpu',
    engineClass: ortCpuClass(threads),
    loadTraining: async (program, signal) => {
      const { info, call, close } = await open<TrainingSession>('training', program, signal)
      return {
        info,
        writeState: (state) => call('writeState', state),
        readState: () => call('readState'),
        step: (batch, options) => call('step', batch, options),
        close,
      }
    },
    loadEvaluation: async (program, signal) => {
      const { info, call, close } = await open<EvaluationSession>('evaluation', program, signal)
      return { info, evaluate: (params, batch) => call('evaluate', params, batch), close }
    },
    loadSampling: async (program, signal) => {
      const { info, call, close } = await open<SamplingSession>('sampling', program, signal)
      return { info, logits: (params, inputs) => call('logits', params, inputs), close }
    },
  }
}

type Info = TrainingSession['info']

type Arguments<F> = F extends (...args: infer A) => unknown ? A : never
type Result<F> = F extends (...args: never[]) => infer R ? Awaited<R> : never

interface Waiting {
  resolve(value: never): void
  reject(error: unknown): void
}

async function openThread<T extends object>(data: EngineThreadData) {
  const worker = new Worker(new URL('./engine-thread.ts', import.meta.url), { workerData: data })
  // A session that nobody closed must not keep the process alive.
  worker.unref()
  const waiting = new Map<number, Waiting>()
  let calls = 0
  let closed = false
  const failAll = (error: unknown) => {
    for (const { reject } of waiting.values()) reject(error)
    waiting.clear()
  }
  worker.on('message', (answer: EngineAnswer) => {
    const caller = waiting.get(answer.id)
    waiting.delete(answer.id)
    if (caller === undefined) return
    if ('value' in answer) caller.resolve(answer.value as never)
    else caller.reject(new MurmurError(answer.error.code, answer.error))
  })
  worker.on('error', failAll)
  worker.on('exit', () => {
    closed = true
    failAll(gone())
  })
  const ask = (method: string, args: readonly unknown[]): Promise<never> => {
    if (closed) return Promise.reject(gone())
    return new Promise((resolve, reject) => {
      const id = calls++
      waiting.set(id, { resolve, reject })
      worker.postMessage({ id, method, args } satisfies EngineCall)
    })
  }
  const call = <Method extends keyof T & string>(
    method: Method,
    ...args: Arguments<T[Method]>
  ): Promise<Result<T[Method]>> => ask(method, args)
  const info: Info = await ask('info', []).catch(async (error: unknown) => {
    await worker.terminate()
    throw error
  })
  return {
    info,
    call,
    close: async () => {
      if (closed) return
      // What the thread is in the middle of is finished first, and its session released; then the thread is ended.
      const released = ask('close', [])
      closed = true
      await released.catch(() => {})
      await worker.terminate()
    },
  }
}

const gone = (): MurmurError =>
  new MurmurError('ENGINE_CLOSED', { message: 'this session is closed', next: 'load the program again' })
