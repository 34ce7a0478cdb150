import { timingSafeEqual } from 'node:crypto'
import type { AddressInfo } from 'node:net'
import { serve } from '@hono/node-server'
import { Hono } from 'hono'
import { bodyLimit } from 'hono/body-limit'
import { codecOf, contentId, parseCid } from '../protocol/content-id.ts'
import { isMurmurError, MurmurError } from '../protocol/errors.ts'
import type { RunId } from '../protocol/ids.ts'
import { maxProgramBytes } from '../protocol/limits.ts'
import type { BlockStore } from '../protocol/ports.ts'
import type { Head } from './head.ts'

export interface ApiOptions {
  /** 0 takes any free port. */
  readonly port: number
  /** What every request must carry as `Authorization: Bearer …`. */
  readonly token: string
}

export interface Api {
  readonly url: string
  close(): Promise<void>
}

/**
 * The head's HTTP API, for the command line of the same host. It binds 127.0.0.1 and asks for the token on every
 * method; Host and Origin are checked, so that a web page cannot reach it through the user's browser (DNS rebinding).
 */
export async function serveApi(head: Head, blocks: BlockStore, { port, token }: ApiOptions): Promise<Api> {
  const app = new Hono()
  const expected = Buffer.from(`Bearer ${token}`)

  app.use('*', async (context, next) => {
    const host = context.req.header('host') ?? ''
    if (!/^(127\.0\.0\.1|localhost|\[::1\])(:\d+)?$/.test(host))
      throw refused('HOST_REFUSED', `Host ${host.slice(0, 80)}`)
    if (context.req.header('origin') !== undefined)
      throw refused('ORIGIN_REFUSED', 'a request from a web page')
    const given = Buffer.from(context.req.header('authorization') ?? '')
    if (given.length !== expected.length || !timingSafeEqual(given, expected)) {
      throw new MurmurError('TOKEN_INVALID', {
        message: 'the API token is missing or wrong',
        next: 'use the token file that the head wrote beside its ready.json',
        exit: 'auth',
      })
    }
    await next()
  })

  app.get('/api/v1/status', (context) => context.json(head.cluster()))

  app.put(
    '/api/v1/blocks/:cid',
    bodyLimit({ maxSize: maxProgramBytes, onError: tooLong }),
    async (context) => {
      const cid = parseCid(context.req.param('cid'))
      const bytes = new Uint8Array(await context.req.arrayBuffer())
      if (contentId(bytes, codecOf(cid)) !== cid) {
        throw new MurmurError('BLOCK_CORRUPT', {
          message: `the bytes sent for ${cid} are not that block`,
          next: 'send the block again',
          exit: 'usage',
        })
      }
      await blocks.put(cid, bytes)
      return context.body(null, 204)
    },
  )

  app.get('/api/v1/blocks/:cid', async (context) => {
    const bytes = await blocks.get(parseCid(context.req.param('cid')))
    if (bytes === undefined) throw notFound(`no block ${context.req.param('cid')} here`)
    return context.body(bytes as Uint8Array<ArrayBuffer>, 200, { 'content-type': 'application/octet-stream' })
  })

  app.post('/api/v1/runs/:run', async (context) => {
    const run = parseRun(context.req.param('run'))
    await head.submit(run)
    return context.json({ run }, 202)
  })

  app.get('/api/v1/runs/:run', async (context) => {
    const report = await head.report(parseRun(context.req.param('run')))
    if (report === undefined) {
      const known = head.cluster().runs.find(({ run }) => run === context.req.param('run'))
      if (known === undefined) throw notFound(`no run ${context.req.param('run')} here`)
      return context.json({ ...known, queued: true })
    }
    return context.json(report)
  })

  app.post('/api/v1/runs/:run/stop', (context) => {
    if (!head.stopRun(parseRun(context.req.param('run')))) throw notFound('that run is not active or queued')
    return context.body(null, 204)
  })

  app.notFound(() => {
    throw notFound('no such route')
  })

  app.onError((error, context) => {
    // RFC 9457 problem details, with our code and next step.
    const known = isMurmurError(error)
    const code = known ? error.code : 'INTERNAL'
    const status = !known ? 500 : error.exit === 'auth' ? 401 : code === 'NOT_FOUND' ? 404 : 400
    const body = {
      type: 'about:blank',
      title: code,
      status,
      detail: known ? error.message : 'the head failed to answer',
      next: known ? error.next : 'see the head’s log',
      exit: known ? error.exit : 'failed',
    }
    return context.body(JSON.stringify(body), status, { 'content-type': 'application/problem+json' })
  })

  const listening = Promise.withResolvers<AddressInfo>()
  const server = serve({ fetch: app.fetch, port, hostname: '127.0.0.1' }, (info) =>
    listening.resolve(info as AddressInfo),
  )
  server.once('error', (cause: NodeJS.ErrnoException) => {
    listening.reject(
      new MurmurError(cause.code === 'EADDRINUSE' ? 'PORT_IN_USE' : 'API_FAILED', {
        message: `the API cannot listen on 127.0.0.1:${port}: ${cause.code ?? cause.message}`,
        next: 'stop what uses the port, or choose another with --api-port',
        cause,
      }),
    )
  })
  const { port: bound } = await listening.promise
  return {
    url: `http://127.0.0.1:${bound}`,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve())
        if ('closeAllConnections' in server) server.closeAllConnections()
      }),
  }
}

const parseRun = (text: string): RunId => parseCid(text) as string as RunId

function notFound(message: string): MurmurError {
  return new MurmurError('NOT_FOUND', { message, next: '`murmur status` lists what there is', exit: 'usage' })
}

function refused(code: string, what: string): MurmurError {
  return new MurmurError(code, {
    message: `${what} is not allowed`,
    next: 'use the murmur command',
    exit: 'auth',
  })
}

function tooLong(): never {
  throw new MurmurError('BLOCK_TOO_LONG', {
    message: `a block is over ${maxProgramBytes} bytes`,
    next: 'split the data into smaller shards',
    exit: 'usage',
  })
}
