import { setTimeout as sleep } from 'node:timers/promises'
import type { ClusterEvent } from '../coordinator/events.ts'
import { MurmurError } from '../protocol/errors.ts'
import type { RunId } from '../protocol/ids.ts'
import type { ApiPlace } from './api-client.ts'

export interface FollowOptions {
  /** Replay what came after this sequence number; 0 for all that is kept. Default: from now on. */
  readonly since?: number
  readonly run?: RunId
  readonly signal: AbortSignal
  /** How long the head may be away, in milliseconds. Default 60 s. */
  readonly patienceMs?: number
}

/** An event; or that the stream is open (again); or that some of what came before is not kept any more. */
export type StreamEvent =
  | { readonly type: 'open' }
  | { readonly type: 'gap' }
  | { readonly type: 'event'; readonly event: ClusterEvent }

type Heard = StreamEvent | { readonly type: 'closed'; readonly error: MurmurError }

const openTimeoutMs = 10_000
/** Three heartbeats of the head. */
const silenceMs = 30_000
const firstDelayMs = 100
const maxDelayMs = 5_000
const maxMessageBytes = 1024 * 1024

/**
 * Follows the head's events over its WebSocket. A connection that ends or falls silent is made again, from the last
 * sequence number that was read; each time the place is asked for anew.
 * @throws MurmurError HEAD_UNREACHABLE after `patienceMs` without a head; at once what no waiting would change.
 */
export async function* followEvents(
  locate: () => Promise<ApiPlace>,
  { since, run, signal, patienceMs = 60_000 }: FollowOptions,
): AsyncGenerator<StreamEvent, void, void> {
  let place = since
  let lastHeard = performance.now()
  for (let delayMs = firstDelayMs; !signal.aborted; delayMs = Math.min(maxDelayMs, delayMs * 2)) {
    let failure: MurmurError
    try {
      failure = yield* oneConnection(await locate(), place, run, signal, (sequence) => {
        place = sequence
        lastHeard = performance.now()
        delayMs = firstDelayMs
      })
    } catch (error) {
      if (!(error instanceof MurmurError)) throw error
      failure = error
    }
    if (signal.aborted) return
    // What is wrong with the token or the question stays wrong.
    if (failure.exit === 'auth' || failure.exit === 'usage') throw failure
    if (performance.now() - lastHeard > patienceMs) throw failure
    await sleep(delayMs, undefined, { signal }).catch(() => {})
  }
}

/** Yields what one connection brings; returns why it ended. */
async function* oneConnection(
  { url, token }: ApiPlace,
  since: number | undefined,
  run: RunId | undefined,
  signal: AbortSignal,
  heard: (sequence: number) => void,
): AsyncGenerator<StreamEvent, MurmurError, void> {
  const { WebSocket } = await import('ws')
  const query = new URLSearchParams()
  if (since !== undefined) query.set('since', String(since))
  if (run !== undefined) query.set('run', run)
  const socket = new WebSocket(`${url.replace(/^http/, 'ws')}/api/v1/stream?${query}`, 'murmur.v1', {
    headers: { authorization: `Bearer ${token}` },
    handshakeTimeout: openTimeoutMs,
    maxPayload: maxMessageBytes,
    perMessageDeflate: false,
  })
  const queue: Heard[] = []
  let wake = () => {}
  const put = (item: Heard) => {
    queue.push(item)
    wake()
  }
  const silence = setTimeout(() => socket.terminate(), silenceMs)
  const abort = () => put({ type: 'closed', error: unreachable(url, signal.reason) })
  signal.addEventListener('abort', abort, { once: true })
  // It may have aborted before anybody listened.
  if (signal.aborted) abort()
  socket.on('unexpected-response', (request, response) => {
    let body = ''
    response.on('data', (chunk) => (body = `${body}${chunk}`.slice(0, 4096)))
    response.on('end', () => put({ type: 'closed', error: problemOf(response.statusCode ?? 0, body) }))
    response.on('error', () => request.destroy())
  })
  socket.on('ping', () => silence.refresh())
  socket.on('message', (data) => {
    silence.refresh()
    const message = parse(String(data))
    if (message?.type === 'hello' || message?.type === 'heartbeat') {
      if (since === undefined && message.type === 'hello') heard(message.newest)
      if (message.type === 'hello') put({ type: 'open' })
    } else if (message?.type === 'gap') put({ type: 'gap' })
    else if (message?.type === 'event') put({ type: 'event', event: message as unknown as ClusterEvent })
  })
  socket.on('error', (cause) => put({ type: 'closed', error: unreachable(url, cause) }))
  socket.on('close', () => put({ type: 'closed', error: unreachable(url, undefined) }))
  try {
    for (;;) {
      const item = queue.shift()
      if (item === undefined) {
        await new Promise<void>((resolve) => {
          wake = resolve
        })
        continue
      }
      if (item.type === 'closed') return item.error
      if (item.type === 'event') heard(item.event.sequence)
      yield item
    }
  } finally {
    clearTimeout(silence)
    signal.removeEventListener('abort', abort)
    socket.on('error', () => {})
    socket.terminate()
  }
}

function parse(text: string): { readonly type: string; readonly newest: number } | undefined {
  try {
    const value = JSON.parse(text)
    return typeof value === 'object' && value !== null && typeof value.type === 'string' ? value : undefined
  } catch {
    return undefined
  }
}

function problemOf(status: number, body: string): MurmurError {
  let problem: Record<string, string | undefined> = {}
  try {
    problem = JSON.parse(body)
  } catch {
    // Not a head of ours; its status has to do.
  }
  return new MurmurError(problem.title ?? 'API_FAILED', {
    message: problem.detail ?? `the head answered ${status} instead of opening the stream`,
    next: problem.next ?? 'look at the head’s log',
    exit: (problem.exit as MurmurError['exit'] | undefined) ?? 'failed',
  })
}

function unreachable(url: string, cause: unknown): MurmurError {
  return new MurmurError('HEAD_UNREACHABLE', {
    message: `the stream of the head's API at ${url} has ended, and cannot be opened again`,
    next: 'look at the head’s log; start it again with `murmur start --head`',
    exit: 'unreachable',
    cause,
  })
}
