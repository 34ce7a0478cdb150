import './no-telemetry.ts'
import { InferenceSession, type Tensor } from 'onnxruntime-node'
import { type CheckedProgram, checkProgram, type ProgramLimits } from '../../program/check-program.ts'
import type { ProgramKind } from '../../program/program-info.ts'
import { MurmurError } from '../../protocol/errors.ts'
import { optimizationLevel } from './engine-class.ts'

/**
 * What decides an engine's bits beside its version and the processor. No spinning: idle threads of several workers on one host would starve the busy ones.
 */
const pinned = {
  executionProviders: ['cpu'],
  graphOptimizationLevel: optimizationLevel,
  executionMode: 'sequential',
  interOpNumThreads: 1,
  enableCpuMemArena: true,
  enableMemPattern: true,
  // Failures arrive as errors; standard error is for people.
  logSeverityLevel: 4,
  extra: { session: { intra_op: { allow_spinning: '0' }, inter_op: { allow_spinning: '0' } } },
} as const

export type Tensors = Readonly<Record<string, Tensor>>

/** A checked program, loaded: one run at a time, nothing after its close. */
export interface OrtSession {
  readonly program: CheckedProgram
  /** Runs it once; results are written into the tensors of `results`. Throws ENGINE_FAILED, ENGINE_CLOSED, ENGINE_BUSY. */
  run(feeds: Tensors, results: Tensors): Promise<void>
  /** Throws ENGINE_CLOSED. */
  assertOpen(): void
  close(): Promise<void>
}

/**
 * @throws MurmurError PROGRAM_MALFORMED, PROGRAM_INVALID, PROGRAM_TOO_BIG before anything is loaded; PROGRAM_KIND when
 * it is another kind of program; ENGINE_FAILED.
 */
export async function openSession(
  bytes: Uint8Array,
  kind: ProgramKind,
  options: { readonly threads: number; readonly limits?: ProgramLimits; readonly signal?: AbortSignal },
): Promise<OrtSession> {
  options.signal?.throwIfAborted()
  const program = checkProgram(bytes, options.limits)
  if (program.kind !== kind) {
    throw new MurmurError('PROGRAM_KIND', {
      message: `this is a program for ${program.kind}, one for ${kind} is needed`,
      next: `load the run's ${kind} program`,
    })
  }
  const session = await InferenceSession.create(bytes, {
    ...pinned,
    intraOpNumThreads: options.threads,
  }).catch(fail)
  if (options.signal?.aborted) {
    await session.release()
    options.signal.throwIfAborted()
  }
  let state: 'idle' | 'running' | 'closed' = 'idle'
  const assertOpen = (): void => {
    if (state === 'closed') {
      throw new MurmurError('ENGINE_CLOSED', {
        message: 'this session is closed',
        next: 'load the program again',
      })
    }
  }
  return {
    program,
    assertOpen,
    async run(feeds, results) {
      assertOpen()
      if (state === 'running') {
        throw new MurmurError('ENGINE_BUSY', {
          message: 'this session is in the middle of a run',
          next: 'await each step before the next, and before the close',
        })
      }
      state = 'running'
      try {
        await session.run(feeds, results)
      } catch (cause) {
        fail(cause)
      } finally {
        state = 'idle'
      }
    },
    async close() {
      if (state === 'closed') return
      if (state === 'running') {
        throw new MurmurError('ENGINE_BUSY', {
          message: 'a run is under way',
          next: 'await it before the close',
        })
      }
      state = 'closed'
      await session.release()
    },
  }
}

function fail(cause: unknown): never {
  throw new MurmurError('ENGINE_FAILED', {
    message: `onnxruntime: ${cause instanceof Error ? cause.message.slice(0, 300) : String(cause)}`,
    next: 'check that token ids lie below the vocabulary and that memory is free',
    cause,
  })
}
