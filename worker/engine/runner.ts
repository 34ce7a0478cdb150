import { type CheckedProgram, checkProgram, type ProgramLimits } from '../../program/check-program.ts'
import type { ProgramKind } from '../../program/program-info.ts'
import { MurmurError } from '../../protocol/errors.ts'
import type { TensorData } from './engine.ts'

/** A tensor by its values, row-major. */
export interface PlainTensor {
  readonly data: TensorData
  readonly shape: readonly number[]
}

export type Tensors = Readonly<Record<string, PlainTensor>>

/** What an engine makes of a checked program. */
export interface LoadedProgram {
  /** Computes the outputs that `results` names and writes them there. May throw the signal's reason half-way. */
  run(feeds: Tensors, results: Tensors, signal?: AbortSignal): Promise<void>
  release(): Promise<void>
}

export type ProgramLoader = (bytes: Uint8Array, program: CheckedProgram) => Promise<LoadedProgram>

/** A loaded program that is run once at a time, and not after its close. */
export interface Runner {
  readonly program: CheckedProgram
  /** Throws ENGINE_FAILED, ENGINE_CLOSED, ENGINE_BUSY, or the signal's reason. */
  run(feeds: Tensors, results: Tensors, signal?: AbortSignal): Promise<void>
  /** Throws ENGINE_CLOSED. */
  assertOpen(): void
  close(): Promise<void>
}

export interface RunnerOptions {
  readonly limits?: ProgramLimits
  readonly signal?: AbortSignal
}

/**
 * @throws MurmurError PROGRAM_MALFORMED, PROGRAM_INVALID, PROGRAM_TOO_BIG before anything is loaded; PROGRAM_KIND when
 * it is another kind of program; ENGINE_FAILED.
 */
export async function openRunner(
  load: ProgramLoader,
  bytes: Uint8Array,
  kind: ProgramKind,
  { limits, signal }: RunnerOptions = {},
): Promise<Runner> {
  signal?.throwIfAborted()
  const program = checkProgram(bytes, limits)
  if (program.kind !== kind) {
    throw new MurmurError('PROGRAM_KIND', {
      message: `this is a program for ${program.kind}, one for ${kind} is needed`,
      next: `load the run's ${kind} program`,
    })
  }
  const loaded = await load(bytes, program)
  if (signal?.aborted) {
    await loaded.release()
    signal.throwIfAborted()
  }
  let state: 'idle' | 'running' | 'closed' = 'idle'
  const assertOpen = (): void => {
    if (state === 'closed') throw closed()
  }
  return {
    program,
    assertOpen,
    async run(feeds, results, stop) {
      assertOpen()
      if (state === 'running') throw busy('await each step before the next, and before the close')
      stop?.throwIfAborted()
      state = 'running'
      try {
        await loaded.run(feeds, results, stop)
      } finally {
        state = 'idle'
      }
    },
    async close() {
      if (state === 'closed') return
      if (state === 'running') throw busy('await it before the close')
      state = 'closed'
      await loaded.release()
    },
  }
}

export const closed = (): MurmurError =>
  new MurmurError('ENGINE_CLOSED', { message: 'this session is closed', next: 'load the program again' })

const busy = (next: string): MurmurError =>
  new MurmurError('ENGINE_BUSY', { message: 'this session is in the middle of a run', next })

/** What a library threw, with its first lines. */
export function engineFailed(library: string, cause: unknown): MurmurError {
  return new MurmurError('ENGINE_FAILED', {
    message: `${library}: ${cause instanceof Error ? cause.message.slice(0, 300) : String(cause)}`,
    next: 'check that token ids lie below the vocabulary and that memory is free',
    cause,
  })
}
