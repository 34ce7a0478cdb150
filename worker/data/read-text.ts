import { constants, open } from 'node:fs/promises'
import { MurmurError } from '../../protocol/errors.ts'

/** A whole corpus is held in memory while it is cut into shards; 256 MiB is a year of one small GPU's bytes. */
const maxTextBytes = 256 * 1024 * 1024

export interface ReadTextOptions {
  readonly maxBytes?: number
  readonly signal?: AbortSignal
}

/**
 * The bytes of the researcher's own file.
 * @throws MurmurError DATA_MISSING | DATA_UNREADABLE | DATA_NOT_A_FILE | DATA_EMPTY | DATA_TOO_LARGE, all exit `usage`.
 */
export async function readText(path: string, options: ReadTextOptions = {}): Promise<Uint8Array> {
  const maxBytes = options.maxBytes ?? maxTextBytes
  try {
    // Without O_NONBLOCK, opening a named pipe waits for a writer.
    await using file = await open(path, constants.O_RDONLY | constants.O_NONBLOCK)
    const { size, isFile } = await file.stat().then((stat) => ({ size: stat.size, isFile: stat.isFile() }))
    if (!isFile) {
      throw refused(
        'DATA_NOT_A_FILE',
        `${path} is not a file`,
        'name one text file: data: { file: book.txt }',
      )
    }
    if (size === 0) throw refused('DATA_EMPTY', `${path} is empty`, 'name a file with text in it')
    if (size > maxBytes) {
      throw refused('DATA_TOO_LARGE', `${path} has ${size} bytes, over ${maxBytes}`, 'train on a part of it')
    }
    return await file.readFile(options.signal === undefined ? {} : { signal: options.signal })
  } catch (error) {
    if (error instanceof MurmurError || options.signal?.aborted) throw error
    throw explain(path, error)
  }
}

function explain(path: string, cause: unknown): MurmurError {
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
      return refused('DATA_NOT_A_FILE', `${path} is a folder`, 'name one text file in it', cause)
    default:
      return refused(
        'DATA_UNREADABLE',
        `${path} cannot be read (${code ?? 'unknown cause'})`,
        'check its permissions',
        cause,
      )
  }
}

function refused(code: string, message: string, next: string, cause?: unknown): MurmurError {
  return new MurmurError(code, { message, next, exit: 'usage', cause })
}
