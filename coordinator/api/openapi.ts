import { z } from 'zod'
import { maxJsonBytes, type Route, route } from './route.ts'
import { problem } from './schemas.ts'

type Json = Record<string, unknown>

const problemStatuses = {
  400: 'The request is not what the route takes',
  401: 'No token, or a wrong one',
  403: 'A foreign Host or Origin, or a token that may only read',
  404: 'There is no such thing here',
  405: 'The path has other methods: see Allow',
  413: 'The body is too long',
  429: 'Too many requests with this token: see Retry-After',
  500: 'The head failed to answer',
} as const

/** The routes, and the one that describes them all, itself included. */
export function withDocument(routes: readonly Route[], version: string): readonly Route[] {
  let document: string | undefined
  const all: readonly Route[] = [
    ...routes,
    route({
      method: 'get',
      path: '/api/v1/openapi.json',
      summary: 'This API as an OpenAPI 3.1 document',
      role: 'read',
      status: 200,
      answer: 'application/json',
      handle: () => {
        document ??= JSON.stringify(openApiOf(all, version))
        return document
      },
    }),
  ]
  return all
}

/** The OpenAPI 3.1 document of the routes: what they are served from, so that it cannot say anything else. */
function openApiOf(routes: readonly Route[], version: string): Json {
  const components = new Map<string, Json>()
  const paths = new Map<string, Json>()
  for (const route of routes) {
    const operations = paths.get(route.path) ?? {}
    paths.set(route.path, { ...operations, [route.method]: operationOf(route, components) })
  }
  const problemContent = { 'application/problem+json': { schema: jsonSchema(problem, components) } }
  return {
    openapi: '3.1.1',
    info: {
      title: 'Murmuration head',
      version,
      description: 'Binds 127.0.0.1. Every method needs a bearer token; errors are RFC 9457 problems.',
      license: { name: 'Apache-2.0', identifier: 'Apache-2.0' },
    },
    servers: [{ url: '/' }],
    paths: Object.fromEntries(paths),
    components: {
      schemas: Object.fromEntries([...components].sort(([a], [b]) => (a < b ? -1 : 1))),
      responses: Object.fromEntries(
        Object.entries(problemStatuses).map(([status, description]) => [
          `Problem${status}`,
          { description, content: problemContent },
        ]),
      ),
      securitySchemes: { token: { type: 'http', scheme: 'bearer' } },
    },
  }
}

function operationOf(route: Route, components: Map<string, Json>): Json {
  const { method, path, summary, role, query, body, status, answer } = route
  const parameters = [
    ...[...path.matchAll(/\{(\w+)\}/g)].map(([, name]) => ({
      name,
      in: 'path',
      required: true,
      schema: { type: 'string' },
    })),
    ...queryParameters(query),
  ]
  return {
    operationId: `${method}${path.replace(/^\/api\/v1/, '').replace(/[/{}.]+(\w?)/g, (_, c: string) => c.toUpperCase())}`,
    summary,
    security: [{ token: [role] }],
    ...(parameters.length > 0 && { parameters }),
    ...(body !== undefined && {
      requestBody: {
        description: `At most ${(route.maxBodyBytes ?? maxJsonBytes).toLocaleString('en')} bytes`,
        content:
          body === 'bytes'
            ? { 'application/octet-stream': {} }
            : { 'application/json': { schema: jsonSchema(body, components) } },
      },
    }),
    responses: {
      [status]: {
        description: 'Done',
        ...(answer !== undefined && { content: contentOf(answer, components) }),
      },
      ...Object.fromEntries(
        Object.keys(problemStatuses).map((code) => [code, { $ref: `#/components/responses/Problem${code}` }]),
      ),
    },
  }
}

const contentOf = (answer: z.ZodType | string, components: Map<string, Json>): Json =>
  typeof answer === 'string'
    ? { [answer]: {} }
    : { 'application/json': { schema: jsonSchema(answer, components) } }

function queryParameters(query: z.ZodType | undefined): readonly Json[] {
  if (query === undefined) return []
  const { properties = {} } = z.toJSONSchema(query, { io: 'input' }) as { properties?: Record<string, Json> }
  return Object.entries(properties).map(([name, { description, ...schema }]) => ({
    name,
    in: 'query',
    required: false,
    ...(description !== undefined && { description }),
    schema,
  }))
}

/** OpenAPI 3.1 schemas are JSON Schema 2020-12. Those with an id become components. */
function jsonSchema(schema: z.ZodType, components: Map<string, Json>): unknown {
  const { $schema: _, $defs, ...root } = z.toJSONSchema(schema, { io: 'input' }) as Json & { $defs?: Json }
  for (const [name, definition] of Object.entries($defs ?? {})) add(name, definition as Json)
  const id = root.id
  if (typeof id !== 'string') return referred(root)
  add(id, root)
  return { $ref: `#/components/schemas/${id}` }

  function add(name: string, { id: _, ...definition }: Json): void {
    components.set(name, referred(definition) as Json)
  }
}

/** `#/$defs/X` as `#/components/schemas/X`, everywhere. */
function referred(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(referred)
  if (typeof value !== 'object' || value === null) return value
  return Object.fromEntries(
    Object.entries(value).map(([key, inner]) => [
      key,
      key === '$ref' ? String(inner).replace('#/$defs/', '#/components/schemas/') : referred(inner),
    ]),
  )
}
