import './no-telemetry.ts'
import { setTimeout as sleep } from 'node:timers/promises'
import { Worker } from 'node:worker_threads'
import type { DecodingPrograms } from '../../program/decoding-programs.ts'
import { isMurmurError, MurmurError, type MurmurErrorOptions } from '../../protocol/errors.ts'
import type {
  DecodingSession,
  Engine,
  EvaluationSession,
  SamplingSession,
  StepOptions,
  TrainingSession,
  TrainState,
} from './engine.ts'
import { aboutEngine } from './engine-class.ts'
import type { EngineName } from './engine-names.ts'
import { closed } from './runner.ts'

/** What the thread is asked: one method of the one session it holds, or to abort the step that an earlier call asked for. */
export interface EngineCall {
  readonly id: number
  readonly method: string
  readonly args: readonly unknown[]
}

export type EngineAnswer =
  | { readonly id: number; readonly value: unknown }
  | { readonly id: number; readonly error: { readonly code: string } & Omit<MurmurErrorOptions, 'cause'> }

export interface EngineThreadData {
  readonly engine: EngineName
  readonly program: ThreadProgram
  readonly threads: number
}

export type ThreadProgram =
  | { readonly kind: 'training' | 'evaluation' | 'sampling'; readonly bytes: Uint8Array }
  | { readonly kind: 'decoding'; readonly programs: DecodingPrograms }

/** Of a state whose vectors have a buffer of their own each: what crosses to the other side without being copied. */
export const buffersOf = ({ params, optimizer }: TrainState): ArrayBuffer[] =>
  [params, ...optimizer].map(({ buffer }) => buffer as ArrayBuffer)

/** A thread whose session is closed ends by itself; one that has not after so long is ended. */
const longestEndMs = 2_000

/** The code by which the thread says that it did not take an aborted step. */
export const stepAborted = 'STEP_ABORTED'

/**
 * An engine with one thread a session. Most block the thread they run on, and a node must go on answering the network
 * while it trains or audits.
 */
export function threadedEngine(
  engine: EngineName,
  { threads = 1 }: { readonly threads?: number } = {},
): Engine {
  const open = async <T extends object>(program: ThreadProgram, signal?: AbortSignal) => {
    signal?.throwIfAborted()
    return await openThread<T>({ engine, program, threads })
  }
  return {
    ...aboutEngine(engine, threads),
    loadTraining: async (bytes, signal) => {
      const { info, call, give, step, close } = await open<TrainingSession>(
        { kind: 'training', bytes },
        signal,
      )
      return {
        info,
        writeState: ({ params, optimizer, step }) => {
          const copy = { params: params.slice(), optimizer: optimizer.map((vector) => vector.slice()), step }
          return give(buffersOf(copy), 'writeState', copy)
        },
        readState: () => call('readState'),
        digest: () => call('digest'),
        step,
        close,
      }
    },
    loadEvaluation: async (bytes, signal) => {
      const { info, call, close } = await open<EvaluationSession>({ kind: 'evaluation', bytes }, signal)
      return { info, evaluate: (params, batch) => call('evaluate', params, batch), close }
    },
    loadSampling: async (bytes, signal) => {
      const { info, call, close } = await open<SamplingSession>({ kind: 'sampling', bytes }, signal)
      return { info, logits: (params, inputs) => call('logits', params, inputs), close }
    },
    loadDecoding: async (programs, signal) => {
      const { info, call, close } = await open<DecodingSession>({ kind: 'decoding', programs }, signal)
      return {
        info,
        context: info.cache![2],
        writeParameters: (params) => call('writeParameters', params),
        prefill: (tokens) => call('prefill', tokens),
        next: (token) => call('next', token),
        close,
      }
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
  let gone = false
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
  const ended = Promise.withResolvers<void>()
  worker.on('exit', () => {
    gone = true
    ended.resolve()
    failAll(closed())
  })
  const send = (call: EngineCall, given: readonly ArrayBuffer[] = []) => worker.postMessage(call, given)
  const ask = (method: string, args: readonly unknown[], given?: readonly ArrayBuffer[]) => {
    const id = calls++
    const { promise, resolve, reject } = Promise.withResolvers<never>()
    if (gone) return { id, answer: Promise.reject<never>(closed()) }
    waiting.set(id, { resolve, reject })
    send({ id, method, args }, given)
    return { id, answer: promise }
  }
  const give = <Method extends keyof T & string>(
    buffers: readonly ArrayBuffer[],
    method: Method,
    ...args: Arguments<T[Method]>
  ): Promise<Result<T[Method]>> => ask(method, args, buffers).answer
  const call = <Method extends keyof T & string>(method: Method, ...args: Arguments<T[Method]>) =>
    give([], method, ...args)
  const step: TrainingSession['step'] = async (batch, { learningRate, signal }) => {
    signal?.throwIfAborted()
    const { id, answer } = ask('step', [batch, { learningRate } satisfies StepOptions])
    if (signal === undefined) return await answer
    const abort = () => send({ id, method: 'abort', args: [] })
    signal.addEventListener('abort', abort, { once: true })
    try {
      return await answer
    } catch (error) {
      throw isMurmurError(error) && error.code === stepAborted ? signal.reason : error
    } finally {
      signal.removeEventListener('abort', abort)
    }
  }
  const info: Info = await ask('info', []).answer.catch(async (error: unknown) => {
    await worker.terminate()
    throw error
  })
  return {
    info,
    call,
    give,
    step,
    close: async () => {
      if (gone) return
      // What the thread is in the middle of is finished first, and its session released; then the thread is ended.
      const { answer } = ask('close', [])
      gone = true
      await answer.catch(() => {})
      worker.ref()
      await Promise.race([ended.promise, sleep(longestEndMs, undefined, { ref: false })])
      await worker.terminate()
    },
  }
}
