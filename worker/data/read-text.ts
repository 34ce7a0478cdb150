import { maxDataBytes, refused, withDataFile } from './open-file.ts'

export interface ReadTextOptions {
  readonly maxBytes?: number
  readonly signal?: AbortSignal
}

/**
 * The bytes of the researcher's own file.
 * @throws MurmurError DATA_MISSING | DATA_UNREADABLE | DATA_NOT_A_FILE | DATA_EMPTY | DATA_TOO_LARGE, all exit `usage`.
 */
export async function readText(path: string, options: ReadTextOptions = {}): Promise<Uint8Array> {
  const maxBytes = options.maxBytes ?? maxDataBytes
  return await withDataFile(path, async (file, size) => {
    if (size > maxBytes) throw tooLarge(path, size, maxBytes)
    return await file.readFile(options.signal === undefined ? {} : { signal: options.signal })
  })
}

export const tooLarge = (what: string, bytes: number, maxBytes = maxDataBytes) =>
  refused('DATA_TOO_LARGE', `${what} has ${bytes} bytes, over ${maxBytes}`, 'train on a part of it')
