import type { IncomingMessage } from 'node:http'
import type { Duplex } from 'node:stream'
import { type WebSocket, WebSocketServer } from 'ws'
import { errorText, isMurmurError, MurmurError } from '../../protocol/errors.ts'
import type { ClusterEvent, EventFeed, EventPage } from '../events.ts'
import { type Guard, streamProtocol } from './guard.ts'
import { problemOf, problemType } from './problem.ts'
import { checked } from './route.ts'
import { streamQuery } from './schemas.ts'
import type { Principal, TokenBook } from './tokens.ts'

export interface StreamOptions {
  /** A ping and a heartbeat message this often; who has not answered one when the next is due is cut off. */
  readonly heartbeatMs?: number
}

export interface StreamDependencies {
  readonly events: EventFeed
  readonly guard: Guard
  readonly tokens: TokenBook
}

/** Close codes of our own (RFC 6455 §7.4.2 leaves 4000–4999 to applications). */
const closeCodes = { slow: 4408, revoked: 4401, unexpected: 1008, shutdown: 1001 } as const

/** Dashboards and followers of one head; each costs a socket and one page of events. */
const maxStreams = 256
const maxStreamsPerToken = 64
/** Nothing is read from a stream but pongs and its close. */
const maxPayloadBytes = 1024

/**
 * `GET /api/v1/stream`: hello, then events in order, each a JSON text message (docs/api.md, "The stream"). The next page
 * is read from the feed only when the last one has left for the network, so that a slow reader costs one page of memory;
 * the feed drops it when it falls too far behind.
 */
export class EventStream {
  readonly #dependencies: StreamDependencies
  readonly #heartbeatMs: number
  readonly #server = new WebSocketServer({
    noServer: true,
    maxPayload: maxPayloadBytes,
    perMessageDeflate: false,
    clientTracking: true,
    handleProtocols: (offered) => (offered.has(streamProtocol) ? streamProtocol : false),
  })
  readonly #streams = new Map<WebSocket, Principal>()

  constructor(dependencies: StreamDependencies, { heartbeatMs = 10_000 }: StreamOptions = {}) {
    this.#dependencies = dependencies
    this.#heartbeatMs = heartbeatMs
  }

  get size(): number {
    return this.#streams.size
  }

  /** For the HTTP server's `upgrade`. Refusals are answered as on every other route. */
  upgrade(request: IncomingMessage, socket: Duplex, head: Buffer): void {
    // Whoever resets the connection meanwhile is nobody's fault.
    socket.on('error', () => socket.destroy())
    try {
      const { guard } = this.#dependencies
      const url = new URL(request.url ?? '', 'http://head')
      guard.place(request.headers)
      const principal = guard.principal(request.headers)
      guard.pace(principal, 'calls')
      if (url.pathname !== '/api/v1/stream') throw notAStream()
      const query = checked(streamQuery, Object.fromEntries(url.searchParams), 'query')
      this.#admit(principal)
      this.#server.handleUpgrade(request, socket, head, (stream) => {
        void this.#serve(stream, principal, query)
      })
    } catch (error) {
      refuse(socket, error)
    }
  }

  close(): void {
    for (const stream of this.#streams.keys()) {
      stream.close(closeCodes.shutdown, 'HEAD_STOPPING')
      stream.terminate()
    }
    this.#server.close()
  }

  #admit(principal: Principal): void {
    const own = [...this.#streams.values()].filter(({ id }) => id === principal.id).length
    if (this.#streams.size < maxStreams && own < maxStreamsPerToken) return
    throw new MurmurError('TOO_MANY_STREAMS', {
      message: `${own} streams are open with this token, ${this.#streams.size} in all`,
      next: 'close one that nobody reads',
    })
  }

  async #serve(
    stream: WebSocket,
    principal: Principal,
    { since, run }: { readonly since?: number; readonly run?: string },
  ): Promise<void> {
    const { events } = this.#dependencies
    const ended = new AbortController()
    this.#streams.set(stream, principal)
    const stopBeating = this.#beat(stream, principal)
    stream.on('close', () => ended.abort())
    stream.on('error', () => stream.terminate())
    stream.on('message', () => stream.close(closeCodes.unexpected, 'NOTHING_IS_READ_HERE'))
    try {
      const { newest, oldest } = events
      await send(stream, [{ type: 'hello', version: 1, newest, oldest, heartbeatMs: this.#heartbeatMs }])
      for await (const page of events.follow(since, ended.signal)) await send(stream, messagesOf(page, run))
    } catch (error) {
      if (!ended.signal.aborted)
        stream.close(isMurmurError(error) ? closeCodes.slow : 1011, errorText(error).slice(0, 120))
    } finally {
      ended.abort()
      stopBeating()
      this.#streams.delete(stream)
    }
  }

  /** Ends a stream whose other end is gone, does not read, or whose token has been revoked. */
  #beat(stream: WebSocket, { id }: Principal): () => void {
    let answered = true
    stream.on('pong', () => {
      answered = true
    })
    const timer = setInterval(() => {
      if (!this.#dependencies.tokens.has(id)) {
        stream.close(closeCodes.revoked, 'TOKEN_INVALID')
        return
      }
      if (!answered) {
        stream.terminate()
        return
      }
      answered = false
      stream.ping()
      // Behind what is not sent yet it would say nothing new.
      if (stream.bufferedAmount === 0)
        stream.send(JSON.stringify({ type: 'heartbeat', newest: this.#dependencies.events.newest }))
    }, this.#heartbeatMs)
    return () => clearInterval(timer)
  }
}

function messagesOf({ events, gap, newest }: EventPage, run: string | undefined): readonly object[] {
  const asked = run === undefined ? events : events.filter((event) => event.run === run)
  const told = asked.map((event: ClusterEvent) => ({ type: 'event', ...event }))
  return gap ? [{ type: 'gap', newest }, ...told] : told
}

/** Resolves when the messages have left for the network; rejects when the stream is closed. */
async function send(stream: WebSocket, messages: readonly object[]): Promise<void> {
  await Promise.all(
    messages.map(
      (message) =>
        new Promise<void>((resolve, reject) => {
          stream.send(JSON.stringify(message), (error) => (error ? reject(error) : resolve()))
        }),
    ),
  )
}

function notAStream(): MurmurError {
  return new MurmurError('NOT_FOUND', {
    message: 'no stream there',
    next: 'connect to /api/v1/stream',
    exit: 'usage',
  })
}

function refuse(socket: Duplex, error: unknown): void {
  const problem = problemOf(error)
  const body = JSON.stringify(problem)
  socket.end(
    [
      `HTTP/1.1 ${problem.status} ${problem.title}`,
      'connection: close',
      `content-type: ${problemType}`,
      `content-length: ${Buffer.byteLength(body)}`,
      '',
      body,
    ].join('\r\n'),
  )
}
