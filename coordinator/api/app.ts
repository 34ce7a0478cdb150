import { Hono } from 'hono'
import { bodyLimit } from 'hono/body-limit'
import { isMurmurError, MurmurError } from '../../protocol/errors.ts'
import type { Guard } from './guard.ts'
import { notFound, problemOf, problemType } from './problem.ts'
import { checked, jsonOf, maxJsonBytes, type Route } from './route.ts'
import type { Principal } from './tokens.ts'

export interface AppDependencies {
  readonly guard: Guard
  /** Told of every answer: the route as it is documented, `none` where there is none. */
  observe(route: string, method: string, status: number, seconds: number): void
  /** Told of faults of the head itself, which the asker is not told about. */
  fault(error: unknown): void
}

interface Variables {
  principal: Principal
  route: string
}

type App = Hono<{ Variables: Variables }>

/** The HTTP side of the API: who may ask comes first, even where there is nothing to ask for. */
export function createApp(routes: readonly Route[], dependencies: AppDependencies): App {
  const app: App = new Hono()
  guardAll(app, dependencies)
  for (const route of routes) serveRoute(app, route, dependencies.guard)
  refuseOtherMethods(app, routes)
  app.notFound(() => {
    throw notFound('no such route', 'GET /api/v1/openapi.json lists the routes')
  })
  app.onError((error, context) => {
    if (!isMurmurError(error)) dependencies.fault(error)
    const problem = problemOf(error)
    const { retryAfterSeconds, allow } = isMurmurError(error) ? error.details : {}
    return context.body(JSON.stringify(problem), problem.status as 400, {
      'content-type': problemType,
      ...(retryAfterSeconds !== undefined && { 'retry-after': String(retryAfterSeconds) }),
      ...(allow !== undefined && { allow: String(allow) }),
      ...(problem.status === 401 && { 'www-authenticate': 'Bearer' }),
    })
  })
  return app
}

function guardAll(app: App, { guard, observe }: AppDependencies): void {
  app.use('*', async (context, next) => {
    const before = performance.now()
    context.set('route', 'none')
    await next()
    context.header('cache-control', 'no-store')
    context.header('x-content-type-options', 'nosniff')
    const seconds = (performance.now() - before) / 1000
    observe(context.get('route'), context.req.method, context.res.status, seconds)
  })
  app.use('*', async (context, next) => {
    const origin = context.req.header('origin')
    guard.place({ host: context.req.header('host'), origin })
    if (guard.allowsOrigin(origin)) {
      context.header('access-control-allow-origin', origin)
      context.header('vary', 'Origin')
      // A browser asks without a token whether its page may send one. The answer holds nothing but that.
      if (
        context.req.method === 'OPTIONS' &&
        context.req.header('access-control-request-method') !== undefined
      ) {
        context.header('access-control-allow-methods', 'GET, POST, PUT, DELETE')
        context.header('access-control-allow-headers', 'authorization, content-type')
        return context.body(null, 204)
      }
    }
    const principal = guard.principal({ authorization: context.req.header('authorization') })
    context.set('principal', principal)
    guard.pace(principal, context.req.path.startsWith('/api/v1/blocks/') ? 'blocks' : 'calls')
    await next()
  })
}

function serveRoute(app: App, route: Route, guard: Guard): void {
  const { method, role, query, body, status, answer } = route
  const name = `${method.toUpperCase()} ${route.path}`
  const maxSize = route.maxBodyBytes ?? maxJsonBytes
  const limit = bodyLimit({ maxSize, onError: () => tooLong(route.tooLong, maxSize) })
  // Who may not write is refused before a byte of the body is read.
  app.on(method.toUpperCase(), honoPath(route.path), async (context, next) => {
    context.set('route', route.path)
    guard.role(context.get('principal'), role)
    await next()
  })
  app.on(method.toUpperCase(), honoPath(route.path), limit, async (context) => {
    const principal = context.get('principal')
    const given = await route.handle({
      principal,
      param: (key) => context.req.param(key) ?? fail(`${name} has no {${key}}`),
      query: query === undefined ? undefined : checked(query, context.req.query(), 'query'),
      body:
        body === undefined
          ? undefined
          : body === 'bytes'
            ? new Uint8Array(await context.req.arrayBuffer())
            : checked(body, jsonOf(await context.req.text()), 'body'),
    })
    if (answer === undefined) return context.body(null, 204)
    if (typeof answer !== 'string') return context.json(given, status as 200)
    return context.body(given as string | Uint8Array<ArrayBuffer>, status as 200, { 'content-type': answer })
  })
}

function refuseOtherMethods(app: App, routes: readonly Route[]): void {
  for (const path of new Set(routes.map((route) => route.path))) {
    const methods = routes.filter((route) => route.path === path).map(({ method }) => method.toUpperCase())
    app.all(honoPath(path), (context) => {
      context.set('route', path)
      throw new MurmurError('METHOD_NOT_ALLOWED', {
        message: `${context.req.method} is no method of this path`,
        next: `it has ${methods.join(', ')}`,
        exit: 'usage',
        details: { allow: methods.join(', ') },
      })
    })
  }
}

const honoPath = (path: string): string => path.replace(/\{(\w+)\}/g, ':$1')

function tooLong(code = 'BODY_TOO_LONG', maxBytes: number): never {
  throw new MurmurError(code, {
    message: `the body is over ${maxBytes} bytes`,
    next: code === 'BLOCK_TOO_LONG' ? 'split the data into smaller shards' : 'send less',
    exit: 'usage',
  })
}

function fail(message: string): never {
  throw new Error(message)
}
