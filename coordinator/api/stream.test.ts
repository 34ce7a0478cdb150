import { once } from 'node:events'
import { afterEach, expect, test } from 'vitest'
import WebSocket from 'ws'
import { runOf } from './fixtures/reports.ts'
import { ownerToken, type StagedApi, StagedHead, serveStaged } from './fixtures/staged-head.ts'
import type { ApiOptions } from './serve.ts'

const bearer = { authorization: `Bearer ${ownerToken}` }
const endings: (() => unknown)[] = []
afterEach(async () => {
  for (const end of endings.splice(0).reverse()) await end()
})

async function serve(options: Partial<ApiOptions> = {}, head?: StagedHead): Promise<StagedApi> {
  const staged = await serveStaged(options, head)
  endings.push(() => staged[Symbol.asyncDispose]())
  return staged
}

interface Message {
  readonly type: string
  readonly sequence?: number
  readonly text?: string
  readonly newest?: number
}

/** A reader of the stream; `next` gives the next message of one of these types, `hello` is read already. */
async function connect(
  { api }: StagedApi,
  query = '',
  headers: Record<string, string> = bearer,
  protocols = ['murmur.v1'],
) {
  const socket = new WebSocket(`${api.url.replace('http', 'ws')}/api/v1/stream${query}`, protocols, {
    headers,
  })
  endings.push(() => socket.terminate())
  const messages: Message[] = []
  let wake = () => {}
  socket.on('message', (data) => {
    messages.push(JSON.parse(String(data)))
    wake()
  })
  const closed = new Promise<{ code: number; reason: string }>((resolve) =>
    socket.on('close', (code, reason) => resolve({ code, reason: String(reason) })),
  )
  const next = async (...types: string[]): Promise<Message> => {
    for (;;) {
      const message = messages.shift()
      if (message !== undefined && (types.length === 0 || types.includes(message.type))) return message
      if (message === undefined) await new Promise<void>((resolve) => (wake = resolve))
    }
  }
  await once(socket, 'open')
  return { socket, closed, next, hello: await next('hello') }
}

/** What an upgrade is answered with when it is refused. */
async function refused(
  { api }: StagedApi,
  path: string,
  headers: Record<string, string>,
  protocols: string[] = [],
) {
  const socket = new WebSocket(`${api.url.replace('http', 'ws')}${path}`, protocols, { headers })
  const [request, response] = await once(socket, 'unexpected-response')
  let body = ''
  for await (const chunk of response) body += chunk
  request.destroy()
  return { status: response.statusCode, media: response.headers['content-type'], ...JSON.parse(body) }
}

test('hello, then events as they happen, of one run if asked', async () => {
  const staged = await serve()
  staged.head.note('before')
  const [all, one] = [await connect(staged), await connect(staged, `?run=${runOf('moby')}`)]
  expect(all.hello).toMatchObject({ type: 'hello', version: 1, newest: staged.head.events.newest })
  expect(all.socket.protocol).toBe('murmur.v1')
  staged.head.note('elsewhere', runOf('other'))
  staged.head.note('here', runOf('moby'))
  expect(await all.next('event')).toMatchObject({
    text: 'elsewhere',
    kind: 'note',
    sequence: all.hello.newest! + 1,
  })
  expect(await all.next('event')).toMatchObject({ text: 'here' })
  expect(await one.next('event')).toMatchObject({ text: 'here' })
})

test('replay from a sequence number; a gap is told before what is left', async () => {
  const staged = await serve({}, new StagedHead({ capacity: 3 }))
  for (const text of ['a', 'b', 'c', 'd', 'e']) staged.head.note(text)
  const { newest } = staged.head.events
  const { next } = await connect(staged, `?since=${newest - 2}`)
  expect([await next(), await next()]).toMatchObject([{ text: 'd' }, { text: 'e', sequence: newest }])
  const late = await connect(staged, '?since=5')
  expect(await late.next()).toEqual({ type: 'gap', newest })
  expect(await late.next()).toMatchObject({ text: 'c' })
})

test('only with the token, from this host, from no foreign page; a browser brings the token as a subprotocol', async () => {
  const staged = await serve({ origins: ['https://murmur.example'] })
  const stream = '/api/v1/stream'
  const cases = [
    [stream, {}, 401, 'TOKEN_INVALID'],
    [stream, { authorization: 'Bearer wrong' }, 401, 'TOKEN_INVALID'],
    [stream, { ...bearer, host: 'elsewhere.example' }, 403, 'HOST_REFUSED'],
    [stream, { ...bearer, origin: 'https://elsewhere.example' }, 403, 'ORIGIN_REFUSED'],
    [`${stream}?since=x`, bearer, 400, 'QUERY_INVALID'],
    [`${stream}?token=${ownerToken}`, bearer, 400, 'QUERY_INVALID'],
    ['/api/v1/status', bearer, 404, 'NOT_FOUND'],
    ['/elsewhere', {}, 401, 'TOKEN_INVALID'],
  ] as const
  for (const [path, headers, status, title] of cases)
    expect(await refused(staged, path, headers), path).toMatchObject({
      status,
      title,
      media: 'application/problem+json',
    })
  expect(await refused(staged, stream, {}, ['murmur.v1', 'murmur.v1.token.wrong'])).toMatchObject({
    status: 401,
  })
  const browser = { origin: 'https://murmur.example' }
  const page = await connect(staged, '', browser, ['murmur.v1', `murmur.v1.token.${ownerToken}`])
  // The token is not sent back.
  expect(page.socket.protocol).toBe('murmur.v1')
})

test('the subprotocol’s token is for the socket only', async () => {
  const { api } = await serve()
  const response = await fetch(`${api.url}/api/v1/status`, {
    headers: { 'sec-websocket-protocol': `murmur.v1.token.${ownerToken}` },
  })
  expect(response.status).toBe(401)
})

test('heartbeats while nothing happens; who does not answer pings is cut off, the others stay', async () => {
  const staged = await serve({ heartbeatMs: 40 })
  const deaf = await connect(staged)
  deaf.socket.pong = () => {}
  const well = await connect(staged)
  expect(await well.next('heartbeat')).toEqual({ type: 'heartbeat', newest: staged.head.events.newest })
  expect(await deaf.closed).toMatchObject({ code: 1006 })
  await well.next('heartbeat')
  expect(well.socket.readyState).toBe(WebSocket.OPEN)
})

test('a reader that does not read is dropped; the head keeps little for it, and others get everything', async () => {
  const staged = await serve({}, new StagedHead({ capacity: 20_000, maxBehind: 5_000 }))
  const slow = await connect(staged)
  const quick = await connect(staged)
  slow.socket.pause()
  const text = 'x'.repeat(900)
  let last = 0
  for (let burst = 0; burst < 30; burst++) {
    for (let index = 0; index < 1_000; index++) staged.head.note(text)
    // The quick one reads on; the slow one's share waits in the sockets' buffers, and then in nobody's.
    while (last < staged.head.events.newest) last = (await quick.next('event')).sequence!
  }
  slow.socket.resume()
  expect(await slow.closed).toMatchObject({ code: 4408, reason: expect.stringContaining('SUBSCRIBER_SLOW') })
  expect(quick.socket.readyState).toBe(WebSocket.OPEN)
})

test('a revoked token ends its streams', async () => {
  const staged = await serve({ heartbeatMs: 40 })
  const ask = (method: string, path: string, body?: string) =>
    fetch(`${staged.api.url}/api/v1${path}`, { method, headers: bearer, body })
  const made = await (await ask('POST', '/tokens', '{"role":"read"}')).json()
  const { id, token } = made as { id: string; token: string }
  const { closed } = await connect(staged, '', { authorization: `Bearer ${token}` })
  expect((await ask('DELETE', `/tokens/${id}`)).status).toBe(204)
  expect(await closed).toMatchObject({ code: 4401 })
})

test('who writes to it is told that nobody reads; a long message ends it too', async () => {
  const staged = await serve()
  const chatty = await connect(staged)
  chatty.socket.send('hello?')
  expect(await chatty.closed).toMatchObject({ code: 1008, reason: 'NOTHING_IS_READ_HERE' })
  const long = await connect(staged)
  long.socket.on('error', () => {})
  long.socket.send('x'.repeat(2_000))
  expect(await long.closed).toMatchObject({ code: 1009 })
})

test('more streams than a token may have are refused; one that ends makes room', async () => {
  const staged = await serve()
  const streams = await Promise.all(Array.from({ length: 64 }, () => connect(staged)))
  expect(await refused(staged, '/api/v1/stream', bearer)).toMatchObject({
    status: 503,
    title: 'TOO_MANY_STREAMS',
  })
  streams[0]!.socket.close()
  await streams[0]!.closed
  await connect(staged)
})

test('a head that stops ends its streams', async () => {
  const staged = await serve()
  const { closed } = await connect(staged)
  await staged.api.close()
  expect([1001, 1006]).toContain((await closed).code)
})
