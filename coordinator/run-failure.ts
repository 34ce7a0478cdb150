import { MurmurError } from '../protocol/errors.ts'

/** Why a run failed, as its report tells it. */
export interface Failure {
  readonly code: string
  readonly message: string
  readonly next: string
}

export function failureOf(error: unknown): Failure {
  if (error instanceof MurmurError) return { code: error.code, message: error.message, next: error.next }
  return {
    code: 'INTERNAL',
    message: error instanceof Error ? error.message : String(error),
    next: 'this is a fault of the head: see its log, and report it',
  }
}
