import type { z } from 'zod'
import { MurmurError } from '../../protocol/errors.ts'
import type { Principal, Role } from './tokens.ts'

export interface RouteRequest<Query, Body> {
  /** Value of a `{name}` of the path. */
  param(name: string): string
  readonly query: Query
  readonly body: Body
  readonly principal: Principal
}

/** One method of one path: what it takes, who may use it, what it answers. Served and documented from this. */
export interface Route<Query = unknown, Body = unknown> {
  readonly method: 'get' | 'post' | 'put' | 'delete'
  /** As OpenAPI writes paths: /api/v1/runs/{run}. */
  readonly path: string
  readonly summary: string
  /** The least role that may use it. */
  readonly role: Role
  readonly query?: z.ZodType<Query>
  readonly body?: z.ZodType<Body> | 'bytes'
  /** Default: what any JSON body of ours needs. */
  readonly maxBodyBytes?: number
  readonly tooLong?: string
  readonly status: 200 | 201 | 202 | 204
  /** A schema for JSON, or the media type of bytes or text; absent with 204. */
  readonly answer?: z.ZodType | string
  handle(request: RouteRequest<Query, Body>): unknown
}

/** Lets the handler's types follow from the schemas. */
export const route = <Query = undefined, Body = undefined>(it: Route<Query, Body>): Route =>
  it as unknown as Route

/** The least bytes that any JSON body of ours needs, many times over. */
export const maxJsonBytes = 16 * 1024

/** @throws MurmurError QUERY_INVALID, BODY_INVALID: names the first thing that is wrong */
export function checked<T>(schema: z.ZodType<T>, value: unknown, what: 'query' | 'body'): T {
  const result = schema.safeParse(value)
  if (result.success) return result.data
  const [issue] = result.error.issues
  const place = issue!.path.length === 0 ? 'it' : issue!.path.map(String).join('.').slice(0, 80)
  throw new MurmurError(what === 'query' ? 'QUERY_INVALID' : 'BODY_INVALID', {
    message: `the ${what} is not what this route takes: ${place}: ${issue!.message.slice(0, 200)}`,
    next: 'GET /api/v1/openapi.json says what it takes',
    exit: 'usage',
  })
}

/** @throws MurmurError BODY_INVALID */
export function jsonOf(text: string): unknown {
  if (text === '') return {}
  try {
    return JSON.parse(text)
  } catch (cause) {
    throw new MurmurError('BODY_INVALID', {
      message: 'the body is not JSON',
      next: 'send one JSON object, or nothing',
      exit: 'usage',
      cause,
    })
  }
}
