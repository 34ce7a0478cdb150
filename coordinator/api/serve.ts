import type { Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { createAdaptorServer } from '@hono/node-server'
import { MurmurError } from '../../protocol/errors.ts'
import type { BlockStore, Clock } from '../../protocol/ports.ts'
import type { HeadMetrics } from '../metrics/head-metrics.ts'
import type { RunMetrics } from '../metrics/run-metrics.ts'
import { createApp } from './app.ts'
import { Guard, type GuardOptions } from './guard.ts'
import type { HeadControl } from './head-control.ts'
import { withDocument } from './openapi.ts'
import type { Route } from './route.ts'
import { routesOf } from './routes.ts'
import { EventStream, type StreamOptions } from './stream.ts'
import { TokenBook } from './tokens.ts'

export interface ApiOptions extends GuardOptions, StreamOptions {
  /** 0 takes any free port. */
  readonly port: number
  /** The first admin's token; more can be made with it. */
  readonly token: string
  /** Where the hashes of further tokens are kept; null keeps them in memory. */
  readonly folder: string | null
}

export interface ApiDependencies {
  readonly head: HeadControl
  readonly blocks: BlockStore
  readonly metrics: { readonly head: HeadMetrics; readonly runs: RunMetrics }
  readonly clock: Clock
  log(code: string, text: string): void
}

export interface Api {
  readonly url: string
  /** What is served, as it is documented. */
  readonly routes: readonly Route[]
  close(): Promise<void>
}

/** A request that has not said all of itself by then is a slow-loris; a 16 MiB block over loopback takes 0.1 s. */
const headersTimeoutMs = 10_000
const requestTimeoutMs = 60_000
/** Clients are told so, and close first: a second's stall on either side does not cut a request. */
const keepAliveMs = 65_000
const maxConnections = 1_024
const maxHeaderBytes = 16 * 1024

/**
 * The head's HTTP and WebSocket API. It binds 127.0.0.1 and asks for a token on every method; Host and Origin are
 * checked, so that a web page cannot reach it through the user's browser (DNS rebinding).
 * @throws MurmurError PORT_IN_USE, API_FAILED, TOKENS_DAMAGED
 */
export async function serveApi(options: ApiOptions, dependencies: ApiDependencies): Promise<Api> {
  const { head, blocks, metrics, clock, log } = dependencies
  const tokens = await TokenBook.open({ owner: options.token, folder: options.folder }, clock)
  const guard = new Guard(tokens, options, clock)
  const routes = withDocument(
    routesOf({
      head,
      blocks,
      tokens,
      metrics: metrics.runs,
      prometheus: { text: () => metrics.head.text(head) },
    }),
    head.cluster().version,
  )
  const app = createApp(routes, {
    guard,
    observe: (name, method, status, seconds) => metrics.head.request(name, method, status, seconds),
    fault: (error) =>
      log('API_FAULT', error instanceof Error ? (error.stack ?? error.message) : String(error)),
  })
  const stream = new EventStream({ events: head.events, guard, tokens }, options)
  const server = createAdaptorServer({
    fetch: app.fetch,
    serverOptions: {
      headersTimeout: headersTimeoutMs,
      requestTimeout: requestTimeoutMs,
      keepAliveTimeout: keepAliveMs,
      maxHeaderSize: maxHeaderBytes,
    },
  }) as Server
  server.maxConnections = maxConnections
  server.on('upgrade', (request, socket, first) => stream.upgrade(request, socket, first))
  const port = await listening(server, options.port)
  return {
    url: `http://127.0.0.1:${port}`,
    routes,
    close: () =>
      new Promise((resolve) => {
        stream.close()
        server.close(() => resolve())
        server.closeAllConnections()
      }),
  }
}

async function listening(server: Server, port: number): Promise<number> {
  const bound = Promise.withResolvers<AddressInfo>()
  server.once('error', (cause: NodeJS.ErrnoException) => {
    bound.reject(
      new MurmurError(cause.code === 'EADDRINUSE' ? 'PORT_IN_USE' : 'API_FAILED', {
        message: `the API cannot listen on 127.0.0.1:${port}: ${cause.code ?? cause.message}`,
        next: 'stop what uses the port, or choose another with --api-port',
        cause,
      }),
    )
  })
  server.listen(port, '127.0.0.1', () => bound.resolve(server.address() as AddressInfo))
  return (await bound.promise).port
}
