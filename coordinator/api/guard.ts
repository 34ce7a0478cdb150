import type { IncomingHttpHeaders } from 'node:http'
import { MurmurError } from '../../protocol/errors.ts'
import type { Clock } from '../../protocol/ports.ts'
import { RateLimit } from './rate-limit.ts'
import type { Principal, Role, TokenBook } from './tokens.ts'

export interface GuardOptions {
  /** Names, beside the loopback's, by which the API may be called: those of a proxy in front of it. */
  readonly hosts?: readonly string[]
  /** Web pages that may call it, such as `https://murmur.example`. None unless told. */
  readonly origins?: readonly string[]
}

export type Headers = Pick<IncomingHttpHeaders, 'host' | 'origin' | 'authorization'> & {
  readonly 'sec-websocket-protocol'?: string
}

/** What a person or a dashboard does is far below it; a loop without a pause is told to wait. */
const calls = { burst: 500, perSecond: 250 }
/** A submission sends its blocks one after the other: 256 MiB of text are 8,192 shards. */
const blocks = { burst: 4_000, perSecond: 2_000 }

const loopback = new Set(['127.0.0.1', 'localhost', '[::1]'])
/** A browser cannot set headers on a WebSocket, but it can name subprotocols; they stay out of URLs and logs. */
const tokenProtocol = 'murmur.v1.token.'
export const streamProtocol = 'murmur.v1'

/** Whoever passes has named this host, does not come from a foreign web page, and has a token that is not overused. */
export class Guard {
  readonly #tokens: TokenBook
  readonly #hosts: ReadonlySet<string>
  readonly #origins: ReadonlySet<string>
  readonly #limits: { readonly calls: RateLimit; readonly blocks: RateLimit }

  constructor(tokens: TokenBook, { hosts = [], origins = [] }: GuardOptions, clock: Clock) {
    this.#tokens = tokens
    this.#hosts = new Set([...loopback, ...hosts.map((host) => host.toLowerCase())])
    this.#origins = new Set(origins)
    this.#limits = { calls: new RateLimit(calls, clock), blocks: new RateLimit(blocks, clock) }
  }

  /**
   * Against DNS rebinding: a page that makes its own name point here still says that name.
   * @throws MurmurError HOST_REFUSED, ORIGIN_REFUSED
   */
  place({ host = '', origin }: Headers): void {
    if (!this.#hosts.has(host.replace(/:\d{1,5}$/, '').toLowerCase()))
      throw refused('HOST_REFUSED', `Host ${host.slice(0, 80)}`)
    if (origin !== undefined && !this.#origins.has(origin))
      throw refused('ORIGIN_REFUSED', 'a request from that web page')
  }

  /** @throws MurmurError TOKEN_INVALID */
  principal(headers: Headers): Principal {
    const found = this.#tokens.find(tokenOf(headers))
    if (found !== undefined) return found
    throw new MurmurError('TOKEN_INVALID', {
      message: 'the API token is missing or wrong',
      next: 'use the token file that the head wrote beside its ready.json',
      exit: 'auth',
    })
  }

  /** @throws MurmurError RATE_LIMITED with `retryAfterSeconds` in its details */
  pace({ id }: Principal, kind: 'calls' | 'blocks'): void {
    const seconds = this.#limits[kind].take(id)
    if (seconds === 0) return
    throw new MurmurError('RATE_LIMITED', {
      message: `token ${id} asks more often than ${kind === 'calls' ? calls.perSecond : blocks.perSecond} times a second`,
      next: 'wait as long as Retry-After says; follow the stream instead of asking again and again',
      details: { retryAfterSeconds: Math.max(1, Math.ceil(seconds)) },
    })
  }

  /** @throws MurmurError ROLE_MISSING */
  role(principal: Principal, needed: Role): void {
    if (needed === 'read' || principal.role === 'admin') return
    throw new MurmurError('ROLE_MISSING', {
      message: 'this token may only read',
      next: 'use a token with the role admin',
      exit: 'auth',
    })
  }

  allowsOrigin(origin: string | undefined): origin is string {
    return origin !== undefined && this.#origins.has(origin)
  }
}

function tokenOf(headers: Headers): string {
  const { authorization = '' } = headers
  if (authorization !== '') return /^Bearer ([\x21-\x7e]+)$/.exec(authorization)?.[1] ?? ''
  const offered = (headers['sec-websocket-protocol'] ?? '').split(',').map((name) => name.trim())
  return offered.find((name) => name.startsWith(tokenProtocol))?.slice(tokenProtocol.length) ?? ''
}

function refused(code: string, what: string): MurmurError {
  return new MurmurError(code, {
    message: `${what} is not allowed`,
    next: 'use the murmur command',
    exit: 'auth',
  })
}
