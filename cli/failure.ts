import { exitCodes, MurmurError } from '../protocol/errors.ts'
import { printable } from './log.ts'

/** Prints an error as its cause and the next step, and gives the exit code. With --json, as one JSON document. */
export function reportFailure(error: unknown, json: boolean): number {
  const { code, message, next, exit } = asMurmurError(error)
  if (json) process.stdout.write(`${JSON.stringify({ error: { code, message, next } })}\n`)
  else process.stderr.write(`murmur: ${code}: ${printable(message)}\n  next: ${printable(next)}\n`)
  if (process.env.MURMUR_DEBUG && error instanceof Error) process.stderr.write(`${error.stack}\n`)
  return exitCodes[exit]
}

function asMurmurError(error: unknown): MurmurError {
  if (error instanceof MurmurError) return error
  return new MurmurError('INTERNAL', {
    message: error instanceof Error ? error.message : String(error),
    next: 'this is a fault of murmur: run it again with MURMUR_DEBUG=1 and report what it prints',
    cause: error,
  })
}
