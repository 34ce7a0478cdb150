import { exitCodes, MurmurError } from '../protocol/errors.ts'
import { log, printable, stderrIsLog } from './log.ts'

/** Prints an error as its cause and the next step, and gives the exit code. With --json, as one JSON document. */
export function reportFailure(error: unknown, json: boolean): number {
  const { code, message, next, exit } = asMurmurError(error)
  if (json) process.stdout.write(`${JSON.stringify({ error: { code, message, next } })}\n`)
  else if (stderrIsLog()) log(code, `${message}; next: ${next}`)
  else process.stderr.write(`murmur: ${code}: ${printable(message)}\n  next: ${printable(next)}\n`)
  // Nobody can run a node again that ended at night: its log keeps where the fault was.
  const traced = process.env.MURMUR_DEBUG || (stderrIsLog() && code === 'INTERNAL')
  if (traced && error instanceof Error) process.stderr.write(`${error.stack}\n`)
  return exitCodes[exit]
}

/** What a command ends with, in words for its user: faults of ours are INTERNAL. */
export function asMurmurError(error: unknown): MurmurError {
  if (error instanceof MurmurError) return error
  // A timer or stream that was aborted says only that: why is the reason that its signal gave.
  if (error instanceof Error && error.name === 'AbortError' && error.cause instanceof MurmurError)
    return error.cause
  const file = fileError(error)
  if (file !== undefined) return file
  return new MurmurError('INTERNAL', {
    message: error instanceof Error ? error.message : String(error),
    next: 'this is a fault of murmur: run it again with MURMUR_DEBUG=1 and report what it prints',
    cause: error,
  })
}

const unusable = new Set(['EACCES', 'EPERM', 'EROFS', 'ENOTDIR', 'EISDIR', 'ENAMETOOLONG', 'ELOOP'])
const exhausted = new Set(['ENOSPC', 'EDQUOT', 'EMFILE', 'ENFILE', 'EIO'])

/** A file or folder that the system refuses is the user's to mend, wherever in the program it shows. */
function fileError(error: unknown): MurmurError | undefined {
  if (!(error instanceof Error)) return undefined
  const { code = '', path } = error as NodeJS.ErrnoException
  if (unusable.has(code)) {
    return new MurmurError('FILE_UNUSABLE', {
      message: `${path ?? 'a file'} cannot be used (${code})`,
      next: 'check the path and its permissions, or name another folder',
      exit: 'usage',
      cause: error,
    })
  }
  if (!exhausted.has(code)) return fileError(error.cause)
  return new MurmurError('SYSTEM_EXHAUSTED', {
    message: `the system has no more room or files for ${path ?? 'this'} (${code})`,
    next: 'free some space or raise the limit (`ulimit -n`), and run it again',
    cause: error,
  })
}
