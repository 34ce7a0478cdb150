import { isMurmurError, MurmurError } from '../../protocol/errors.ts'

/** An error as RFC 9457 gives it, with our code as its title, and the next step. */
export interface Problem {
  readonly type: 'about:blank'
  readonly title: string
  readonly status: number
  readonly detail: string
  readonly next: string
  readonly exit: string
}

export const problemType = 'application/problem+json'

/** Codes whose status is not 400, which stands for every other fault of the asker. */
const statuses: ReadonlyMap<string, number> = new Map([
  ['TOKEN_INVALID', 401],
  ['HOST_REFUSED', 403],
  ['ORIGIN_REFUSED', 403],
  ['ROLE_MISSING', 403],
  ['NOT_FOUND', 404],
  ['METHOD_NOT_ALLOWED', 405],
  ['TOKEN_IN_USE', 409],
  ['BLOCK_TOO_LONG', 413],
  ['BODY_TOO_LONG', 413],
  ['RATE_LIMITED', 429],
  ['TOO_MANY_STREAMS', 503],
  ['BLOCKS_BUSY', 503],
])

/** Faults of the head itself say only that: what broke is in its log. */
export function problemOf(error: unknown): Problem {
  if (!isMurmurError(error)) {
    return {
      type: 'about:blank',
      title: 'INTERNAL',
      status: 500,
      detail: 'the head failed to answer',
      next: 'see the head’s log',
      exit: 'failed',
    }
  }
  const { code, message, next, exit } = error
  return { type: 'about:blank', title: code, status: statuses.get(code) ?? 400, detail: message, next, exit }
}

export function notFound(message: string, next = '`murmur status` lists what there is'): MurmurError {
  return new MurmurError('NOT_FOUND', { message, next, exit: 'usage' })
}
