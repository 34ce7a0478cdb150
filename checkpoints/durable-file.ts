import { randomUUID } from 'node:crypto'
import { mkdir, open, readdir, rename, rm } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { MurmurError } from '../protocol/errors.ts'

const temporaryExtension = '.tmp'

/**
 * Writes a file so that after a crash or power loss it is either whole or not there: temporary file beside it, fsync,
 * rename, fsync of the folder. The folder is created when missing.
 * @throws MurmurError DISK_WRITE_FAILED
 */
export async function writeDurably(path: string, bytes: Uint8Array): Promise<void> {
  const folder = dirname(path)
  const temporary = join(folder, `.${randomUUID()}${temporaryExtension}`)
  try {
    await makeFolder(folder)
    await writeAndSync(temporary, bytes)
    await rename(temporary, path)
    await syncFolder(folder)
  } catch (cause) {
    await rm(temporary, { force: true })
    throw new MurmurError('DISK_WRITE_FAILED', {
      message: `${path} cannot be written (${(cause as NodeJS.ErrnoException).code ?? 'unknown cause'})`,
      next: 'free space on that disk, or choose a folder that this user may write to',
      cause,
    })
  }
}

/** Removes what writes that a crash cut off have left below a folder. Nothing may be written there meanwhile. */
export async function removeUnfinished(folder: string): Promise<void> {
  await makeFolder(folder)
  for (const name of await readdir(folder, { recursive: true }))
    if (name.endsWith(temporaryExtension)) await rm(join(folder, name), { force: true })
}

/** Creates a folder and makes it durable in its parents, from the first that was missing on. */
async function makeFolder(folder: string): Promise<void> {
  const first = await mkdir(folder, { recursive: true })
  if (first === undefined) return
  const above = dirname(first)
  for (let parent = dirname(folder); parent.length >= above.length; parent = dirname(parent)) {
    await syncFolder(parent)
    if (parent === dirname(parent)) break
  }
}

async function writeAndSync(path: string, bytes: Uint8Array): Promise<void> {
  await using file = await open(path, 'wx')
  await file.writeFile(bytes)
  await file.sync()
}

async function syncFolder(folder: string): Promise<void> {
  await using handle = await open(folder, 'r')
  await handle.sync()
}

export const isMissing = (cause: unknown): boolean => (cause as NodeJS.ErrnoException).code === 'ENOENT'

/** What is there and cannot be read, by the fault of the disk or of what was written. */
export function unreadable(
  code: 'BLOCK_UNREADABLE' | 'RECORD_UNREADABLE',
  path: string,
  cause: unknown,
): MurmurError {
  const why =
    (cause as NodeJS.ErrnoException).code ?? (cause instanceof Error ? cause.message : 'unknown cause')
  return new MurmurError(code, {
    message: `${path} cannot be read (${why.slice(0, 200)})`,
    next: 'check the permissions of the state folder, and the disk',
    cause,
  })
}
