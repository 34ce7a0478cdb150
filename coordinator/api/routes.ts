import { codecOf, contentId, parseCid } from '../../protocol/content-id.ts'
import { MurmurError } from '../../protocol/errors.ts'
import { workerId } from '../../protocol/ids.ts'
import { maxProgramBytes } from '../../protocol/limits.ts'
import type { BlockStore } from '../../protocol/ports.ts'
import type { RunMetrics } from '../metrics/run-metrics.ts'
import type { HeadControl } from './head-control.ts'
import { notFound } from './problem.ts'
import { clusterReport } from './report-schemas.ts'
import { type Route, route } from './route.ts'
import { historyRoutes, runRoutes } from './run-routes.ts'
import * as schemas from './schemas.ts'
import type { TokenBook } from './tokens.ts'

export interface RouteDependencies {
  readonly head: HeadControl
  readonly blocks: BlockStore
  readonly tokens: TokenBook
  readonly metrics: RunMetrics
  /** The Prometheus text. */
  readonly prometheus: { text(): Promise<string> }
}

const api = '/api/v1'

/** Every route of the API but the document that describes them. */
export function routesOf(dependencies: RouteDependencies): readonly Route[] {
  return [
    ...clusterRoutes(dependencies),
    ...runRoutes(dependencies),
    ...historyRoutes(dependencies),
    ...blockRoutes(dependencies),
    ...tokenRoutes(dependencies),
  ]
}

function clusterRoutes({ head, prometheus }: RouteDependencies): readonly Route[] {
  return [
    route({
      method: 'get',
      path: `${api}/status`,
      summary: 'The whole cluster: head, nodes, runs',
      role: 'read',
      status: 200,
      answer: clusterReport,
      handle: () => head.cluster(),
    }),
    route({
      method: 'get',
      path: `${api}/nodes`,
      summary: 'The nodes',
      role: 'read',
      status: 200,
      answer: schemas.nodeList,
      handle: () => ({ nodes: head.cluster().nodes }),
    }),
    route({
      method: 'post',
      path: `${api}/nodes/{node}/drain`,
      summary: 'Lets a node, by name or peer id, finish its round and leave',
      role: 'admin',
      status: 204,
      handle: ({ param }) => {
        const named = param('node')
        const node = head.cluster().nodes.find(({ id, name }) => id === named || name === named)
        if (node === undefined || !head.drainNode(workerId(node.id)))
          throw notFound(`there is no node ${named.slice(0, 80)} here`, '`murmur list nodes` lists them')
      },
    }),
    route({
      method: 'get',
      path: `${api}/events`,
      summary: 'What happened, oldest first, a page at a time',
      role: 'read',
      query: schemas.eventsQuery,
      status: 200,
      answer: schemas.eventPage,
      handle: ({ query }) => {
        const page = head.events.since(query.since, query.limit)
        if (query.run === undefined) return page
        return { ...page, events: page.events.filter((event) => event.run === query.run) }
      },
    }),
    route({
      method: 'get',
      path: `${api}/stream`,
      summary: 'A WebSocket of events, with replay (docs/api.md, "The stream")',
      role: 'read',
      query: schemas.streamQuery,
      status: 200,
      answer: schemas.clusterEvent,
      handle: () => {
        throw new MurmurError('UPGRADE_REQUIRED', {
          message: 'the stream is a WebSocket',
          next: 'connect with a WebSocket client, or read GET /api/v1/events',
          exit: 'usage',
        })
      },
    }),
    route({
      method: 'get',
      path: '/metrics',
      summary: 'Figures of the head in the Prometheus text format',
      role: 'read',
      status: 200,
      answer: 'text/plain; version=0.0.4; charset=utf-8',
      handle: () => prometheus.text(),
    }),
  ]
}

function blockRoutes({ blocks }: RouteDependencies): readonly Route[] {
  return [
    route<undefined, Uint8Array>({
      method: 'put',
      path: `${api}/blocks/{cid}`,
      summary: 'Stores a block; its bytes must be what its CID says',
      role: 'admin',
      body: 'bytes',
      maxBodyBytes: maxProgramBytes,
      tooLong: 'BLOCK_TOO_LONG',
      status: 204,
      handle: async ({ param, body }) => {
        const cid = parseCid(param('cid'))
        if (contentId(body, codecOf(cid)) !== cid) {
          throw new MurmurError('BLOCK_CORRUPT', {
            message: `the bytes sent for ${cid} are not that block`,
            next: 'send the block again',
            exit: 'usage',
          })
        }
        await blocks.put(cid, body)
      },
    }),
    route({
      method: 'get',
      path: `${api}/blocks/{cid}`,
      summary: 'A block’s bytes',
      role: 'read',
      status: 200,
      answer: 'application/octet-stream',
      handle: async ({ param }) => {
        const bytes = await blocks.get(parseCid(param('cid')))
        if (bytes === undefined) throw notFound(`no block ${param('cid')} here`)
        return bytes
      },
    }),
  ]
}

function tokenRoutes({ tokens }: RouteDependencies): readonly Route[] {
  return [
    route({
      method: 'get',
      path: `${api}/tokens`,
      summary: 'The API’s tokens, without their text',
      role: 'admin',
      status: 200,
      answer: schemas.tokenList,
      handle: () => ({ tokens: tokens.list() }),
    }),
    route({
      method: 'post',
      path: `${api}/tokens`,
      summary: 'Makes a token for reading, or for everything',
      role: 'admin',
      body: schemas.tokenBody,
      status: 201,
      answer: schemas.createdToken,
      handle: ({ body }) => tokens.create(body.role, body.label),
    }),
    route({
      method: 'delete',
      path: `${api}/tokens/{id}`,
      summary: 'Revokes a token: its open streams end too',
      role: 'admin',
      status: 204,
      handle: ({ param }) => tokens.revoke(param('id')),
    }),
  ]
}
