import { constants, type FileHandle, open } from 'node:fs/promises'
import { fileBlocks } from '../checkpoints/file-blocks.ts'
import { leafBytes } from '../checkpoints/unixfs-file.ts'
import { codecOf } from '../protocol/content-id.ts'
import { MurmurError } from '../protocol/errors.ts'
import type { CidText } from '../protocol/ids.ts'
import { maxStateBlockBytes } from '../protocol/limits.ts'
import { bytes as bytesText } from './amounts.ts'
import { connectApi } from './api-client.ts'
import { homeFolder } from './home.ts'
import { interruptible } from './interruptible.ts'

/** How much further a large file has to have got each time it says how far it is: in 20 lines at most. */
const toldEveryBytes = (size: number): number => Math.max(8 * leafBytes, size / 20)

/** Tells now and then how much of a file is sent. Its leaves are what counts: nodes hold links, nothing of the file. */
export function tellSent(
  size: number,
  tell: (line: string) => void,
): (block: CidText, length: number) => void {
  const every = toldEveryBytes(size)
  let sent = 0
  return (block, length) => {
    if (codecOf(block) !== 'raw') return
    const before = Math.floor(sent / every)
    sent += length
    if (Math.floor(sent / every) > before && sent < size) tell(`${bytesText(sent)} of ${bytesText(size)}\n`)
  }
}

/**
 * Gives a file to the head block by block, as a submission gives it the blocks of a run, and prints its CID. Repeating it
 * is harmless.
 * @throws MurmurError MODEL_FILE_MISSING, MODEL_FILE_UNREADABLE, MODEL_FILE_CHANGED (exit `usage`), INTERRUPTED, and what
 * the head says.
 */
export async function modelPutCommand(
  file: string,
  options: { home?: string; json?: boolean },
): Promise<void> {
  await withModelFile(file, async (handle, size) => {
    const api = await connectApi(homeFolder(options.home))
    await interruptible(again, async (signal) => {
      const sent = tellSent(size, (line) => process.stderr.write(line))
      let blocks = 0
      const cid = await fileBlocks(partsOf(file, handle, size, signal), async (block, content) => {
        await api.putBlock(block, content)
        blocks++
        sent(block, content.length)
      })
      process.stdout.write(
        `${options.json === true ? JSON.stringify({ cid, bytes: size, blocks }, null, 2) : cid}\n`,
      )
    })
  })
}

const again = 'run it again: what the head has already is only sent, not kept, twice'

/** Opens a file that runs could name, and gives it, with its length, to `work`. */
async function withModelFile(
  path: string,
  work: (file: FileHandle, size: number) => Promise<void>,
): Promise<void> {
  let file: FileHandle
  try {
    // Without O_NONBLOCK, opening a named pipe waits for a writer.
    file = await open(path, constants.O_RDONLY | constants.O_NONBLOCK)
  } catch (cause) {
    const { code } = cause as NodeJS.ErrnoException
    if (code === 'ENOENT' || code === 'ENOTDIR')
      throw refused('MODEL_FILE_MISSING', `${path} does not exist`, 'check the path', cause)
    throw unreadable(
      path,
      code ?? 'unknown cause',
      code === 'EACCES' || code === 'EPERM' ? 'let this account read it, or run as one that may' : wanted,
      cause,
    )
  }
  try {
    const stat = await file.stat()
    if (!stat.isFile()) throw unreadable(path, 'it is not a file', wanted)
    if (stat.size === 0)
      throw unreadable(path, 'it is empty', 'write the file again: whatever made it did not finish')
    if (stat.size > maxStateBlockBytes)
      throw unreadable(
        path,
        `it has ${stat.size} bytes, the limit is ${maxStateBlockBytes}`,
        'give a smaller model: a run can hold none that is larger',
      )
    await work(file, stat.size)
  } finally {
    await file.close()
  }
}

/** The bytes of the file, as many as it had when it was opened. */
async function* partsOf(
  path: string,
  file: FileHandle,
  size: number,
  signal: AbortSignal,
): AsyncGenerator<Uint8Array> {
  let at = 0
  for (;;) {
    signal.throwIfAborted()
    const { buffer, bytesRead } = await file
      .read(new Uint8Array(leafBytes), 0, leafBytes, at)
      .catch((cause) => {
        const why = (cause as NodeJS.ErrnoException).code ?? 'unknown cause'
        throw unreadable(path, why, 'check the disk or share that it is on', cause)
      })
    at += bytesRead
    if (at > size || (bytesRead === 0 && at < size))
      throw refused(
        'MODEL_FILE_CHANGED',
        `${path} changed while it was read`,
        'run it again when it is written',
      )
    if (bytesRead === 0) return
    yield buffer.subarray(0, bytesRead)
  }
}

const wanted = 'give one ONNX file that keeps all in itself, or one of safetensors'

const unreadable = (path: string, why: string, next: string, cause?: unknown): MurmurError =>
  refused('MODEL_FILE_UNREADABLE', `cannot read ${path}: ${why}`, next, cause)

function refused(code: string, message: string, next: string, cause?: unknown): MurmurError {
  return new MurmurError(code, { message, next, exit: 'usage', cause })
}
