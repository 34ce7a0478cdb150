import type { Connection, Stream } from '@libp2p/interface'
import type { Libp2p } from 'libp2p'
import { z } from 'zod'
import { type ExitKind, exitCodes, isMurmurError, MurmurError } from '../protocol/errors.ts'
import { type WorkerId, workerId } from '../protocol/ids.ts'
import { networkLimits, type Patience } from './limits.ts'
import { openStream } from './protocols.ts'
import { StreamBytes } from './stream-bytes.ts'

/**
 * `/murmur/head/1`: the asker sends u32 length and payload; the answerer sends a status byte (0 answer, 1 error), u32
 * length and payload. Integers are big-endian. An error's payload is JSON: {code, message, next, exit}.
 */
const answered = 0
const refused = 1

export type RequestHandler = (peer: WorkerId, payload: Uint8Array) => Promise<Uint8Array>

const errorSchema = z.strictObject({
  code: z.string().regex(/^[A-Z][A-Z0-9_]{0,63}$/),
  message: z.string().max(2000),
  next: z.string().max(2000),
  exit: z.enum(Object.keys(exitCodes) as [ExitKind, ...ExitKind[]]),
})

/**
 * Asks a connected peer. The peer's own refusal is thrown as the MurmurError that its handler threw.
 * Throws REQUEST_TOO_LONG, RESPONSE_TOO_LONG, RESPONSE_MALFORMED, REQUEST_TIMEOUT, STREAM_ENDED, and as `openStream`.
 */
export async function sendRequest(
  libp2p: Libp2p,
  peer: WorkerId,
  payload: Uint8Array,
  signal: AbortSignal,
  patience: Patience,
): Promise<Uint8Array> {
  if (payload.length > networkLimits.requestBytes)
    throw tooLong('REQUEST_TOO_LONG', 'a request', payload.length, peer)
  const deadline = AbortSignal.timeout(patience.requestMs)
  const either = AbortSignal.any([signal, deadline])
  try {
    const stream = await openStream(libp2p, peer, 'requests', either)
    const bytes = new StreamBytes(stream, { signal: either, idleMs: patience.requestMs })
    try {
      await bytes.write(framed([], payload))
      const [status] = await bytes.read(1)
      const answer = await readFrame(bytes, 'RESPONSE_TOO_LONG', 'an answer', peer)
      void bytes.close()
      if (status === answered) return answer
      throw status === refused ? decodeRefusal(answer, peer) : malformed(peer, `status ${status}`)
    } catch (error) {
      bytes.abort(error)
      throw error
    }
  } catch (error) {
    signal.throwIfAborted()
    if (!deadline.aborted) throw error
    throw new MurmurError('REQUEST_TIMEOUT', {
      message: `${peer} did not answer within ${patience.requestMs} ms`,
      next: 'check that the peer is not overloaded, and try again',
      exit: 'timeout',
      details: { peer },
      cause: error,
    })
  }
}

/** Answers one inbound stream. Never rejects: a bad request costs the asker its stream, nothing else. */
export async function answerRequest(
  stream: Stream,
  connection: Connection,
  handler: RequestHandler | undefined,
  patience: Patience,
  onFault: (fault: unknown) => void,
): Promise<void> {
  const peer = workerId(connection.remotePeer.toString())
  const bytes = new StreamBytes(stream, {
    signal: AbortSignal.timeout(patience.requestMs),
    idleMs: patience.requestMs,
  })
  try {
    const payload = await readFrame(bytes, 'REQUEST_TOO_LONG', 'a request', peer)
    await bytes.write(await answerTo(peer, payload, handler, onFault))
    await bytes.close()
  } catch (error) {
    bytes.abort(error)
  }
}

async function answerTo(
  peer: WorkerId,
  payload: Uint8Array,
  handler: RequestHandler | undefined,
  onFault: (fault: unknown) => void,
): Promise<Uint8Array> {
  try {
    if (handler === undefined)
      throw new MurmurError('NOT_SERVING', {
        message: 'this node answers no requests',
        next: 'ask the head of the run',
        exit: 'unreachable',
      })
    const answer = await handler(peer, payload)
    if (answer.length > networkLimits.requestBytes)
      throw tooLong('RESPONSE_TOO_LONG', 'an answer', answer.length, peer)
    return framed([answered], answer)
  } catch (error) {
    if (!isMurmurError(error)) onFault(error)
    return framed([refused], encodeRefusal(error))
  }
}

async function readFrame(
  bytes: StreamBytes,
  code: string,
  what: string,
  peer: WorkerId,
): Promise<Uint8Array> {
  const length = new DataView((await bytes.read(4)).buffer).getUint32(0)
  if (length > networkLimits.requestBytes) throw tooLong(code, what, length, peer)
  return bytes.read(length)
}

function framed(head: readonly number[], payload: Uint8Array): Uint8Array {
  const frame = new Uint8Array(head.length + 4 + payload.length)
  frame.set(head)
  new DataView(frame.buffer).setUint32(head.length, payload.length)
  frame.set(payload, head.length + 4)
  return frame
}

/** What others may know of an error: ours in words, anything else only that it happened. */
function encodeRefusal(error: unknown): Uint8Array {
  const { code, message, next, exit } = isMurmurError(error)
    ? error
    : { code: 'INTERNAL', message: 'the peer failed on this request', next: 'see its log', exit: 'failed' }
  const shown = { code, message: message.slice(0, 2000), next: next.slice(0, 2000), exit }
  return new TextEncoder().encode(JSON.stringify(shown))
}

function decodeRefusal(payload: Uint8Array, peer: WorkerId): MurmurError {
  let parsed: z.infer<typeof errorSchema>
  try {
    parsed = errorSchema.parse(JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(payload)))
  } catch (cause) {
    return malformed(peer, 'its error does not decode', cause)
  }
  // Printed on terminals as it is: no control characters from outside.
  const plain = (text: string): string => text.replace(/\p{Cc}/gu, ' ')
  const { code, message, next, exit } = parsed
  return new MurmurError(code, { message: plain(message), next: plain(next), exit, details: { peer } })
}

function malformed(peer: WorkerId, why: string, cause?: unknown): MurmurError {
  return new MurmurError('RESPONSE_MALFORMED', {
    message: `${peer} answered in a form that the protocol does not have: ${why}`,
    next: 'the peer runs other software or is hostile; use another',
    details: { peer },
    cause,
  })
}

function tooLong(code: string, what: string, length: number, peer: WorkerId): MurmurError {
  return new MurmurError(code, {
    message: `${what} of ${length} bytes is over the bound of ${networkLimits.requestBytes}`,
    next: 'send large things as a block, and its CID here',
    details: { peer, length, bound: networkLimits.requestBytes },
  })
}
