import http from 'node:http'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { z } from 'zod'
import { contentId } from '../../protocol/content-id.ts'
import { MurmurError } from '../../protocol/errors.ts'
import { maxProgramBytes } from '../../protocol/limits.ts'
import { nodeReport, runReport as plainReport, richReport, runOf } from './fixtures/reports.ts'
import { ownerToken, type StagedApi, serveStaged } from './fixtures/staged-head.ts'
import { clusterReport, runReport } from './report-schemas.ts'
import type { Route } from './route.ts'

const origin = 'https://murmur.example'
const bearer = `Bearer ${ownerToken}`
const bytes = new Uint8Array([1, 2, 3])
const block = contentId(bytes, 'raw')
const moby = runOf('moby')
let staged: StagedApi
let reader: string

beforeAll(async () => {
  staged = await serveStaged({ origins: [origin], hosts: ['murmur.example'] })
  staged.head.nodes = [nodeReport(1), nodeReport(2, { connected: false })]
  staged.head.show(richReport('moby'))
  staged.head.queued = [
    {
      run: runOf('next'),
      name: 'next',
      phase: 'queued',
      round: 0,
      roundsTotal: 6,
      pending: '1 in the queue',
    },
  ]
  staged.blocks.set(block, bytes)
  reader = `Bearer ${(await ask('POST', '/api/v1/tokens', {}, '{"role":"read","label":"Ann"}')).json.token}`
})
afterAll(() => staged[Symbol.asyncDispose]())

interface Answer {
  readonly status: number
  readonly headers: http.IncomingHttpHeaders
  readonly text: string
  // biome-ignore lint/suspicious/noExplicitAny: what came is looked at by the tests
  readonly json: any
}

/** A raw request: unlike `fetch`, it may lie about its Host and its length. */
function ask(
  method: string,
  path: string,
  headers: http.OutgoingHttpHeaders = {},
  body?: string | Uint8Array,
  url = staged.api.url,
): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const sent = Object.entries({ authorization: bearer, ...headers }).filter(
      ([, value]) => value !== undefined,
    )
    const request = http.request(`${url}${path}`, {
      method,
      headers: Object.fromEntries(sent) as http.OutgoingHttpHeaders,
      signal: AbortSignal.timeout(10_000),
    })
    request.on('response', async (response) => {
      const text = await new Response(response as unknown as ReadableStream).text()
      const json = /json/.test(response.headers['content-type'] ?? '') ? JSON.parse(text) : undefined
      resolve({ status: response.statusCode!, headers: response.headers, text, json })
    })
    request.on('error', reject)
    request.end(body)
  })
}

const pathOf = ({ path }: Route) =>
  path.replace('{run}', moby).replace('{cid}', block).replace('{node}', 'w1').replace('{id}', '00000000')

describe('every route', () => {
  test('refuses whoever has no token, a wrong one, a foreign Host or a foreign Origin; writers need the role', async () => {
    const refusals = [
      [{ authorization: undefined }, 401, 'TOKEN_INVALID'],
      [{ authorization: 'Bearer wrong' }, 401, 'TOKEN_INVALID'],
      [{ authorization: `Basic ${ownerToken}` }, 401, 'TOKEN_INVALID'],
      [{ authorization: `Bearer ${'x'.repeat(4096)}` }, 401, 'TOKEN_INVALID'],
      [{ host: 'elsewhere.example' }, 403, 'HOST_REFUSED'],
      [{ host: '127.0.0.1.elsewhere.example:80' }, 403, 'HOST_REFUSED'],
      [{ origin: 'http://127.0.0.1' }, 403, 'ORIGIN_REFUSED'],
      [{ origin: 'null' }, 403, 'ORIGIN_REFUSED'],
      [{ origin: `${origin}.elsewhere` }, 403, 'ORIGIN_REFUSED'],
    ] as const
    expect(staged.api.routes.length).toBeGreaterThan(20)
    for (const route of staged.api.routes) {
      const name = `${route.method} ${route.path}`
      const before = JSON.stringify([staged.head.controlled, staged.head.submitted, staged.blocks.size])
      for (const [headers, status, title] of refusals) {
        const answer = await ask(route.method.toUpperCase(), pathOf(route), headers)
        expect(answer, `${name} ${JSON.stringify(headers).slice(0, 80)}`).toMatchObject({
          status,
          headers: { 'content-type': 'application/problem+json' },
          json: { title, status, exit: 'auth', next: expect.stringMatching(/./) },
        })
      }
      const asReader = await ask(route.method.toUpperCase(), pathOf(route), { authorization: reader })
      if (route.role === 'admin')
        expect(asReader, name).toMatchObject({ status: 403, json: { title: 'ROLE_MISSING', exit: 'auth' } })
      else expect(asReader.json?.title, name).not.toBe('ROLE_MISSING')
      if (route.role === 'admin')
        expect(JSON.stringify([staged.head.controlled, staged.head.submitted, staged.blocks.size])).toBe(
          before,
        )
    }
  })

  test('is in the OpenAPI document, with its role; whoever writes needs the role admin', async () => {
    const { json } = await ask('GET', '/api/v1/openapi.json')
    expect(json.openapi).toMatch(/^3\.1\./)
    for (const { method, path, role, status } of staged.api.routes) {
      const operation = json.paths[path]?.[method]
      expect(operation, `${method} ${path}`).toMatchObject({ security: [{ token: [role] }] })
      expect(Object.keys(operation.responses)).toEqual(
        expect.arrayContaining([String(status), '400', '401', '403', '404', '405', '413', '429', '500']),
      )
      if (method !== 'get') expect(role).toBe('admin')
    }
    const count = Object.values<object>(json.paths).reduce((sum, path) => sum + Object.keys(path).length, 0)
    expect(count).toBe(staged.api.routes.length)
    const references = [...JSON.stringify(json).matchAll(/"\$ref":"#\/([^"]+)"/g)].map(([, place]) => place!)
    for (const place of new Set(references))
      expect(
        place.split('/').reduce((value, key) => value?.[key], json),
        place,
      ).toBeDefined()
  })

  test('answers what its schema says', async () => {
    // Does not compile when a report no longer has what its schema promises.
    const cluster: z.output<typeof clusterReport> = staged.head.cluster()
    const report: z.output<typeof runReport> = richReport('moby')
    expect([clusterReport.parse(cluster).term, runReport.parse(report).name]).toEqual([1, 'moby'])
    for (const route of staged.api.routes) {
      if (route.method !== 'get' || typeof route.answer === 'string' || route.path.endsWith('/stream'))
        continue
      const { status, json } = await ask('GET', pathOf(route))
      expect(status, route.path).toBe(200)
      expect(route.answer!.safeParse(json), route.path).toMatchObject({ success: true })
    }
  })

  test('has other methods refused with those it has', async () => {
    expect(await ask('DELETE', '/api/v1/status')).toMatchObject({
      status: 405,
      headers: { allow: 'GET' },
      json: { title: 'METHOD_NOT_ALLOWED', next: expect.stringContaining('GET') },
    })
    expect(await ask('PATCH', `/api/v1/blocks/${block}`)).toMatchObject({
      status: 405,
      headers: { allow: 'PUT, GET' },
    })
    expect(await ask('GET', '/api/v2/status')).toMatchObject({ status: 404, json: { title: 'NOT_FOUND' } })
  })
})

describe('reading', () => {
  test('rounds by page, payments, a run that waits, one that is not there', async () => {
    const rounds = await ask('GET', `/api/v1/runs/${moby}/rounds?since=1&limit=5`)
    expect(rounds.json).toMatchObject({ total: 2, rounds: [{ round: 1, tokens: 2048 }] })
    expect((await ask('GET', `/api/v1/runs/${moby}/payments`)).json).toMatchObject({
      escrow: null,
      workers: [{ name: 'w1', earned: '70', claimed: '20' }, { name: 'w2' }],
      epochs: [{ epoch: 0, settled: true, paid: '100' }],
    })
    expect((await ask('GET', `/api/v1/runs/${runOf('next')}`)).json).toMatchObject({
      queued: true,
      pending: '1 in the queue',
    })
    expect(await ask('GET', `/api/v1/runs/${runOf('none')}/rounds`)).toMatchObject({ status: 404 })
    expect(await ask('GET', '/api/v1/runs/x/rounds')).toMatchObject({
      status: 400,
      json: { title: 'CID_INVALID' },
    })
  })

  test('events after a sequence number, of one run', async () => {
    staged.head.note('elsewhere', runOf('other'))
    const { json: all } = await ask('GET', '/api/v1/events?since=0&limit=1000')
    expect(all).toMatchObject({ gap: false, next: staged.head.events.newest })
    const { json: page } = await ask('GET', `/api/v1/events?since=${all.events[1].sequence}&limit=2`)
    expect(page.events.map(({ sequence }: { sequence: number }) => sequence)).toEqual([
      all.events[2].sequence,
      all.events[3].sequence,
    ])
    const { json: other } = await ask('GET', `/api/v1/events?run=${runOf('other')}`)
    expect(other.events).toMatchObject([{ text: 'elsewhere' }])
  })

  test.each(['since=x', 'since=-1', 'limit=0', 'limit=1001', 'since=1e400', 'bogus=1', '__proto__=1'])(
    'a query with %s is refused',
    async (query) => {
      expect(await ask('GET', `/api/v1/events?${query}`)).toMatchObject({
        status: 400,
        json: { title: 'QUERY_INVALID', next: expect.stringContaining('openapi') },
      })
    },
  )

  test('a fault of the head says nothing of itself, and is logged', async () => {
    staged.head.fault = new Error('secret inner workings')
    const answer = await ask('GET', '/api/v1/status')
    staged.head.fault = null
    expect(answer).toMatchObject({ status: 500, json: { title: 'INTERNAL', exit: 'failed' } })
    expect(answer.text).not.toContain('secret')
    expect(staged.logged.at(-1)).toContain('secret inner workings')
    staged.head.fault = new MurmurError('CLUSTER_FULL', { message: 'full', next: 'wait', exit: 'infeasible' })
    const told = await ask('GET', '/api/v1/status')
    staged.head.fault = null
    expect(told.json).toMatchObject({ title: 'CLUSTER_FULL', exit: 'infeasible' })
  })
})

describe('writing', () => {
  test('submit with a priority, by whoever’s token it is; stop, pause, resume, drain', async () => {
    const { json: ann } = await ask('POST', '/api/v1/tokens', {}, '{"role":"admin","label":"Ann B."}')
    const headers = { authorization: `Bearer ${ann.token}` }
    expect(await ask('POST', `/api/v1/runs/${moby}`, headers, '{"priority":7}')).toMatchObject({
      status: 202,
      json: { run: moby },
    })
    expect(await ask('POST', `/api/v1/runs/${moby}`)).toMatchObject({ status: 202 })
    expect(staged.head.submitted.slice(-2)).toEqual([
      { run: moby, options: { priority: 7, owner: ann.id } },
      { run: moby, options: { priority: 0, owner: 'owner' } },
    ])
    for (const verb of ['stop', 'pause', 'resume']) {
      expect(await ask('POST', `/api/v1/runs/${moby}/${verb}`)).toMatchObject({ status: 204, text: '' })
      expect(staged.head.controlled.at(-1)).toBe(`${verb} ${moby}`)
      expect(await ask('POST', `/api/v1/runs/${runOf('none')}/${verb}`)).toMatchObject({ status: 404 })
    }
    expect(await ask('POST', '/api/v1/nodes/w2/drain')).toMatchObject({ status: 204 })
    expect(staged.head.controlled.at(-1)).toBe(`drain ${nodeReport(2).id}`)
    expect(await ask('POST', '/api/v1/nodes/w3/drain')).toMatchObject({ status: 404 })
  })

  test.each([
    '{"priority":1.5}',
    '{"priority":101}',
    '{"priority":"1"}',
    '{"priority":0,"more":1}',
    '{"__proto__":{"priority":1}}',
    '[]',
    'null',
    '{',
  ])('a body of %s is refused', async (body) => {
    const before = staged.head.submitted.length
    expect(await ask('POST', `/api/v1/runs/${moby}`, {}, body)).toMatchObject({
      status: 400,
      json: { title: 'BODY_INVALID', exit: 'usage' },
    })
    expect(staged.head.submitted.length).toBe(before)
  })

  test('bodies are bounded, whatever they say of their length', async () => {
    const long = ' '.repeat(17 * 1024)
    for (const headers of [{}, { 'transfer-encoding': 'chunked' }])
      expect(await ask('POST', `/api/v1/runs/${moby}`, headers, long)).toMatchObject({
        status: 413,
        json: { title: 'BODY_TOO_LONG' },
      })
    expect(
      await ask('PUT', `/api/v1/blocks/${block}`, {}, new Uint8Array(maxProgramBytes + 1)),
    ).toMatchObject({
      status: 413,
      json: { title: 'BLOCK_TOO_LONG' },
    })
  })

  test('a block is what its CID says, or refused', async () => {
    const other = new Uint8Array([4, 5])
    const path = `/api/v1/blocks/${contentId(other, 'raw')}`
    expect(await ask('PUT', path, {}, bytes)).toMatchObject({ status: 400, json: { title: 'BLOCK_CORRUPT' } })
    expect(await ask('GET', path)).toMatchObject({ status: 404 })
    expect(await ask('PUT', path, {}, other)).toMatchObject({ status: 204 })
    expect((await ask('GET', path)).text).toBe('\u0004\u0005')
  })
})

test('a token that asks too often is told when to come back; others are not disturbed', async () => {
  const mine = await serveStaged()
  try {
    const { json } = await ask('POST', '/api/v1/tokens', {}, '{"role":"read"}', mine.api.url)
    const headers = { authorization: `Bearer ${json.token}` }
    const get = () => ask('GET', '/api/v1/nodes', headers, undefined, mine.api.url)
    // Its clock stands still, so that nothing is earned meanwhile.
    const answers = await Promise.all(Array.from({ length: 510 }, get))
    const refused = answers.filter(({ status }) => status === 429)
    expect(refused.length).toBe(10)
    expect(refused[0]).toMatchObject({
      headers: { 'retry-after': '1' },
      json: { title: 'RATE_LIMITED', next: expect.stringContaining('Retry-After') },
    })
    expect(await ask('GET', '/api/v1/nodes', {}, undefined, mine.api.url)).toMatchObject({ status: 200 })
    mine.head.now += 1_000
    expect(await get()).toMatchObject({ status: 200 })
  } finally {
    await mine[Symbol.asyncDispose]()
  }
})

test('a web page that is allowed may ask, and its browser may ask before it; others may not', async () => {
  const preflight = { authorization: undefined, 'access-control-request-method': 'POST' }
  expect(await ask('OPTIONS', `/api/v1/runs/${moby}`, { ...preflight, origin })).toMatchObject({
    status: 204,
    headers: { 'access-control-allow-origin': origin },
  })
  expect(await ask('OPTIONS', '/api/v1/status', preflight)).toMatchObject({ status: 401 })
  expect(await ask('OPTIONS', '/api/v1/status', { ...preflight, origin: 'https://a.example' })).toMatchObject(
    {
      status: 403,
    },
  )
  const page = await ask('GET', '/api/v1/status', { origin, host: 'murmur.example:443' })
  expect(page).toMatchObject({ status: 200, headers: { 'access-control-allow-origin': origin } })
  const other = await ask('GET', '/api/v1/status')
  expect(other.headers['access-control-allow-origin']).toBeUndefined()
})

test('a port that is taken', async () => {
  const { port } = new URL(staged.api.url)
  await expect(serveStaged({ port: Number(port) })).rejects.toMatchObject({ code: 'PORT_IN_USE' })
})

test('a run of which nothing is known has no metrics; one without rounds has none yet', async () => {
  staged.head.show(plainReport('fresh'))
  expect((await ask('GET', `/api/v1/runs/${runOf('fresh')}/metrics`)).json).toEqual({ metrics: [] })
  expect(await ask('GET', `/api/v1/runs/${runOf('none')}/metrics`)).toMatchObject({ status: 404 })
})
