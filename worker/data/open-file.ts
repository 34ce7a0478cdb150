import { constants, type FileHandle, open } from 'node:fs/promises'
import { MurmurError } from '../../protocol/errors.ts'

/** Data that a run is submitted with is held in memory while it is cut; 256 MiB is a year of one small GPU's bytes. */
export const maxDataBytes = 256 * 1024 * 1024

/** A refusal of what the researcher gave. */
export const refused = (code: string, message: string, next: string, cause?: unknown): MurmurError =>
  new MurmurError(code, { message, next, exit: 'usage', cause })

/**
 * Opens the researcher's own file and gives it, with its length, to `work`.
 * @throws MurmurError DATA_MISSING | DATA_UNREADABLE | DATA_NOT_A_FILE | DATA_EMPTY, all exit `usage`; what `work` throws.
 */
export async function withDataFile<T>(
  path: string,
  work: (file: FileHandle, size: number) => Promise<T>,
): Promise<T> {
  let file: FileHandle
  try {
    // Without O_NONBLOCK, opening a named pipe waits for a writer.
    file = await open(path, constants.O_RDONLY | constants.O_NONBLOCK)
  } catch (error) {
    throw explain(path, error)
  }
  try {
    const stat = await file.stat()
    if (!stat.isFile())
      throw refused('DATA_NOT_A_FILE', `${path} is not a file`, 'name one file: data: { file: book.txt }')
    if (stat.size === 0) throw refused('DATA_EMPTY', `${path} is empty`, 'name a file with data in it')
    return await work(file, stat.size)
  } catch (error) {
    throw isSystemError(error) ? explain(path, error) : error
  } finally {
    await file.close()
  }
}

const isSystemError = (error: unknown): error is NodeJS.ErrnoException =>
  error instanceof Error && 'errno' in error

/** What a failed system call means for whoever named the path. */
export function explain(path: string, cause: unknown): MurmurError {
  const code = (cause as NodeJS.ErrnoException).code
  switch (code) {
    case 'ENOENT':
    case 'ENOTDIR':
      return refused(
        'DATA_MISSING',
        `${path} does not exist`,
        'check the path; a relative one starts at the run file',
        cause,
      )
    case 'EISDIR':
      return refused('DATA_NOT_A_FILE', `${path} is a folder`, 'name one file in it', cause)
    default:
      return refused(
        'DATA_UNREADABLE',
        `${path} cannot be read (${code ?? 'unknown cause'})`,
        'check its permissions',
        cause,
      )
  }
}
