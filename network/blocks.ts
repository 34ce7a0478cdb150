import { createHash } from 'node:crypto'
import type { Stream } from '@libp2p/interface'
import type { Libp2p } from 'libp2p'
import { digestOf } from '../protocol/content-id.ts'
import { isMurmurError, MurmurError } from '../protocol/errors.ts'
import type { CidText, WorkerId } from '../protocol/ids.ts'
import type { BlockSource, FetchBlockOptions } from '../protocol/ports.ts'
import { networkLimits, type Patience } from './limits.ts'
import { openStream } from './protocols.ts'
import { StreamBytes } from './stream-bytes.ts'
import type { Turnstile } from './turnstile.ts'
import type { UploadPacer } from './upload.ts'
import { decodeWant, encodeWants, found, foundHeader, notFound, notFoundHeader, wantBytes } from './wants.ts'

/**
 * Fetches a block from the first of `peers` that has it and sends it whole; verified before it is returned.
 * Throws BLOCK_UNAVAILABLE (exit `unreachable`) when none gave it: its message names what each peer did, its cause is
 * the BLOCK_CORRUPT of one that lied, if one did. Throws CID_INVALID, or the signal's reason.
 */
export async function fetchBlock(
  libp2p: Libp2p,
  peers: readonly WorkerId[],
  cid: CidText,
  { signal, maxBytes }: FetchBlockOptions,
  patience: Patience,
  places: (peer: WorkerId) => Turnstile,
): Promise<Uint8Array> {
  const failures: { readonly peer: WorkerId; readonly error: unknown }[] = []
  const wants = encodeWants([cid])
  for (const peer of peers) {
    const leave = await places(peer).enter(signal)
    try {
      return await fetchFrom(libp2p, peer, cid, wants, maxBytes, signal, patience)
    } catch (error) {
      signal.throwIfAborted()
      failures.push({ peer, error })
    } finally {
      leave()
    }
  }
  throw unavailable(cid, failures)
}

async function fetchFrom(
  libp2p: Libp2p,
  peer: WorkerId,
  cid: CidText,
  wants: Uint8Array,
  maxBytes: number,
  signal: AbortSignal,
  patience: Patience,
): Promise<Uint8Array> {
  const either = AbortSignal.any([signal, AbortSignal.timeout(patience.idleMs)])
  const stream = await openStream(libp2p, peer, 'blocks', either)
  const bytes = new StreamBytes(stream, { signal, idleMs: patience.idleMs })
  let overdue = cutAfter(bytes, patience.blockBaseMs)
  try {
    await bytes.write(wants)
    const [status] = await bytes.read(1)
    if (status === notFound) throw blockError('BLOCK_NOT_FOUND', peer, `${peer} does not have ${cid}`)
    if (status !== found) throw blockError('BLOCK_MALFORMED', peer, `${peer} answered with status ${status}`)
    const length = new DataView((await bytes.read(4)).buffer).getUint32(0)
    if (length > maxBytes)
      throw blockError(
        'BLOCK_TOO_LONG',
        peer,
        `${peer} offers ${length} bytes, over the bound of ${maxBytes}`,
      )
    clearTimeout(overdue)
    overdue = cutAfter(bytes, patience.blockBaseMs + transferMs(length))
    // Reserved, not touched: the system gives the memory only as bytes arrive, whatever length a peer claims.
    const block = new Uint8Array(length)
    const hash = createHash('sha256')
    await bytes.readInto(block, (piece) => hash.update(piece))
    if (!hash.digest().equals(digestOf(cid)))
      throw blockError('BLOCK_CORRUPT', peer, `${peer} sent ${length} bytes that are not ${cid}`)
    void bytes.close()
    return block
  } catch (error) {
    bytes.abort(error)
    throw error
  } finally {
    clearTimeout(overdue)
  }
}

/** A stream that gives a byte now and then is not idle, and must end nevertheless. */
function cutAfter(bytes: StreamBytes, totalMs: number): NodeJS.Timeout {
  return setTimeout(() => {
    const message = `the block did not cross within ${Math.round(totalMs)} ms`
    bytes.abort(new MurmurError('BLOCK_TOO_SLOW', { message, next: 'ask another peer', exit: 'timeout' }))
  }, totalMs)
}

const transferMs = (length: number): number => (length / networkLimits.blockBytesPerSecond) * 1000

/**
 * Answers one inbound stream, want by want in order. Never rejects: a bad or slow asker costs itself its stream.
 * `answers` bounds how many blocks are in memory for being sent, `pacer` how fast they leave, over all peers.
 */
export async function answerWants(
  stream: Stream,
  source: BlockSource | undefined,
  answers: Turnstile,
  pacer: UploadPacer,
  patience: Patience,
  stopping: AbortSignal,
  onFault: (fault: unknown) => void,
): Promise<void> {
  const bytes = new StreamBytes(stream, { signal: stopping, idleMs: patience.idleMs })
  const whole = new AbortController()
  stream.addEventListener('close', () => whole.abort(new Error('the asker is gone')))
  if (stream.status !== 'open') return
  try {
    const count = new DataView((await bytes.read(2)).buffer).getUint16(0)
    if (count === 0 || count > networkLimits.wants)
      throw new MurmurError('WANTS_OUT_OF_BOUNDS', {
        message: `a want list of ${count} blocks, outside 1 to ${networkLimits.wants}`,
        next: 'ask in several lists',
      })
    const list = await bytes.read(count * wantBytes)
    for (let index = 0; index < count; index++) {
      const cid = decodeWant(list.subarray(index * wantBytes, (index + 1) * wantBytes))
      const leave = await answers.enter(whole.signal)
      try {
        await answer(bytes, cid, source, pacer, whole, patience)
      } finally {
        leave()
      }
    }
    await bytes.close()
  } catch (error) {
    bytes.abort(error)
    if (!isMurmurError(error) && !whole.signal.aborted) onFault(error)
  }
}

async function answer(
  bytes: StreamBytes,
  cid: CidText,
  source: BlockSource | undefined,
  pacer: UploadPacer,
  whole: AbortController,
  patience: Patience,
): Promise<void> {
  const block = await source?.get(cid, whole.signal)
  if (block === undefined) return bytes.write(notFoundHeader)
  const overdue = cutAfter(bytes, patience.blockBaseMs + transferMs(block.length))
  try {
    await bytes.write(foundHeader(block.length))
    await bytes.write(block, pacer)
  } finally {
    clearTimeout(overdue)
  }
}

function blockError(code: string, peer: WorkerId, message: string): MurmurError {
  return new MurmurError(code, { message, next: 'ask another peer', exit: 'unreachable', details: { peer } })
}

function unavailable(
  cid: CidText,
  failures: readonly { readonly peer: WorkerId; readonly error: unknown }[],
): MurmurError {
  const corrupt = failures.map(({ error }) => error).find((error) => isMurmurError(error, 'BLOCK_CORRUPT'))
  const reasons = failures.map(({ peer, error }) =>
    isMurmurError(error)
      ? `${peer.slice(-8)}: ${error.code}`
      : `${peer.slice(-8)}: ${(error as Error).message}`,
  )
  const asked = failures.length === 0 ? 'there is no peer to ask' : reasons.join('; ')
  return new MurmurError('BLOCK_UNAVAILABLE', {
    message: `no peer gave ${cid} (${asked})`,
    next: 'wait until a peer that holds it is connected, and fetch again',
    exit: 'unreachable',
    details: { cid, peers: failures.length },
    cause: corrupt ?? failures.at(-1)?.error,
  })
}
