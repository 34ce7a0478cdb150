import { type FileHandle, mkdir, open, rename, rm } from 'node:fs/promises'
import { dirname } from 'node:path'
import { MurmurError } from '../../protocol/errors.ts'
import { lockFile } from './lock-file.ts'

/**
 * The disk as the journal sees it: one file that only grows at its end. The simulator has another, which loses or tears
 * what was not synced. After any of these has failed the file must not be used again: what is on the disk is unknown,
 * and a second fsync would say that all is well (Rebello et al., "Can applications recover from fsync failures?", ATC'20).
 */
export interface LogFile {
  /** All bytes; none of a new file. */
  read(): Promise<Uint8Array>
  /** The bytes [offset, offset + length), which have been written. */
  readAt(offset: number, length: number): Promise<Uint8Array>
  /** Writes at the end. Durable only after `sync`. */
  append(bytes: Uint8Array): Promise<void>
  sync(): Promise<void>
  /** Cuts the file to its first `length` bytes; durable when it resolves. */
  truncate(length: number): Promise<void>
  /** Begins a file that will take this one's place. */
  stage(): Promise<StagedFile>
  close(): Promise<void>
}

/** What will be the file, all of it or nothing. One at a time. */
export interface StagedFile {
  append(bytes: Uint8Array): Promise<void>
  /** Takes the file's place: from then on, and after any crash, it is the file. */
  commit(): Promise<void>
  discard(): Promise<void>
}

/**
 * Opens a journal's file, creating it and its folder when missing. One process at a time can have it open.
 * @throws MurmurError JOURNAL_LOCKED, JOURNAL_DISK_FAILED (as all its methods)
 */
export async function openLogFile(path: string): Promise<LogFile> {
  const folder = dirname(path)
  const lock = await told(path, async () => {
    await mkdir(folder, { recursive: true })
    return await lockFile(path)
  })
  let handle: FileHandle
  let length: number
  try {
    handle = await told(path, async () => {
      const opened = await open(path, 'a+', 0o600)
      await opened.sync()
      await syncFolder(folder)
      return opened
    })
    length = (await handle.stat()).size
  } catch (error) {
    await lock.release()
    throw error
  }
  const readAt = async (offset: number, wanted: number): Promise<Uint8Array> => {
    const bytes = new Uint8Array(wanted)
    for (let done = 0; done < wanted; ) {
      const { bytesRead } = await handle.read(bytes, done, wanted - done, offset + done)
      if (bytesRead === 0) throw new Error(`it ends at ${offset + done}`)
      done += bytesRead
    }
    return bytes
  }
  return {
    read: () => told(path, () => readAt(0, length)),
    readAt: (offset, wanted) => told(path, () => readAt(offset, wanted)),
    append: (bytes) =>
      told(path, async () => {
        await writeAll(handle, bytes)
        length += bytes.length
      }),
    sync: () => told(path, () => handle.datasync()),
    truncate: (shorter) =>
      told(path, async () => {
        await handle.truncate(shorter)
        await handle.sync()
        length = shorter
      }),
    stage: () =>
      told(path, async () => {
        const temporary = `${path}.next`
        const next = await open(temporary, 'w+', 0o600)
        let written = 0
        return {
          append: (bytes) =>
            told(temporary, async () => {
              await writeAll(next, bytes)
              written += bytes.length
            }),
          commit: () =>
            told(path, async () => {
              await next.sync()
              await next.close()
              await rename(temporary, path)
              await syncFolder(folder)
              await handle.close()
              handle = await open(path, 'a+')
              length = written
            }),
          discard: async () => {
            await next.close()
            await rm(temporary, { force: true })
          },
        }
      }),
    close: async () => {
      await handle.close()
      await lock.release()
    },
  }
}

async function writeAll(handle: FileHandle, bytes: Uint8Array): Promise<void> {
  for (let done = 0; done < bytes.length; )
    done += (await handle.write(bytes, done, bytes.length - done)).bytesWritten
}

async function syncFolder(folder: string): Promise<void> {
  await using handle = await open(folder, 'r')
  await handle.sync()
}

/** What the system says about the disk, in our words. */
async function told<Result>(path: string, work: () => Promise<Result>): Promise<Result> {
  try {
    return await work()
  } catch (cause) {
    if (cause instanceof MurmurError) throw cause
    const why = (cause as NodeJS.ErrnoException).code ?? (cause as Error).message
    throw new MurmurError('JOURNAL_DISK_FAILED', {
      message: `the journal ${path} cannot be read or written (${why})`,
      next: 'free space on that disk, or check it; then start the head again: what was durable is kept',
      cause,
    })
  }
}
