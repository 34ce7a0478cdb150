/**
 * The head's API with many simulated nodes and runs, through its real HTTP server over loopback: p50 and p95 of each list, beside
 * a bare node:http server that answers with the same bytes, asked in turn in the same run. Goal: p95 below 40 ms.
 * Usage: node bench/api.ts [nodes, default 1000] [requests a route, default 300]
 */
import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { nodeReport, richReport } from '../coordinator/api/fixtures/reports.ts'
import { ownerToken, StagedHead, serveStaged } from '../coordinator/api/fixtures/staged-head.ts'
import type { ClusterReport } from '../protocol/report.ts'

const [nodes, requests] = [Number(process.argv[2] ?? 1000), Number(process.argv[3] ?? 300)]
const runs = 100
const goalMs = 40
const seeds = Array.from({ length: nodes }, (_, index) => nodeReport(index))

/** Makes its report anew for every question, as a head does, and lives in real time. */
class BusyHead extends StagedHead {
  override cluster(): ClusterReport {
    this.now = Date.now()
    this.nodes = seeds.map((node) => ({ ...node, tokensPerSecond: 1000 * Math.random() }))
    return super.cluster()
  }
}

const head = new BusyHead()
for (let index = 0; index < runs; index++) head.show(richReport(`run ${index}`))
await using staged = await serveStaged({}, head)

const call = async (path: string, token: string, init: RequestInit = {}): Promise<Response> => {
  const response = await fetch(path, { ...init, headers: { authorization: `Bearer ${token}` } })
  if (!response.ok) throw new Error(`${path}: ${response.status} ${await response.text()}`)
  return response
}

/** Times in milliseconds of `requests` answers, read whole. */
async function times(url: string, token: string): Promise<readonly number[]> {
  const measured: number[] = []
  for (let index = 0; index < requests; index++) {
    const before = performance.now()
    await (await call(url, token)).arrayBuffer()
    measured.push(performance.now() - before)
  }
  return measured.sort((a, b) => a - b)
}
const quantile = (sorted: readonly number[], share: number): number =>
  sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))]!

let slowest = 0
for (const route of ['/api/v1/status', '/api/v1/nodes', '/api/v1/runs', '/metrics']) {
  // A token for each: their pace is limited.
  const made = await call(`${staged.api.url}/api/v1/tokens`, ownerToken, {
    method: 'POST',
    body: '{"role":"read"}',
  })
  const { token } = (await made.json()) as { readonly token: string }
  const url = `${staged.api.url}${route}`
  const bytes = Buffer.from(await (await call(url, token)).arrayBuffer())
  const bare = createServer((_, response) => response.end(bytes)).listen(0, '127.0.0.1')
  await once(bare, 'listening')
  const bareUrl = `http://127.0.0.1:${(bare.address() as AddressInfo).port}`
  await times(bareUrl, token)
  const busyBefore = process.cpuUsage()
  const ours = await times(url, token)
  const { user, system } = process.cpuUsage(busyBefore)
  const theirs = await times(bareUrl, token)
  bare.close()
  bare.closeAllConnections()
  const [p50, p95] = [quantile(ours, 0.5), quantile(ours, 0.95)]
  slowest = Math.max(slowest, p95)
  console.log(
    `GET ${route}: ${(bytes.length / 1e3).toFixed(0)} kB, p50 ${p50.toFixed(2)} ms, p95 ${p95.toFixed(2)} ms ` +
      `(processor ${((user + system) / 1000 / requests).toFixed(2)} ms, asking included); ` +
      `bare node:http with the same bytes p95 ${quantile(theirs, 0.95).toFixed(2)} ms, ratio ${(p95 / quantile(theirs, 0.95)).toFixed(2)}`,
  )
}
console.log(
  `${nodes} nodes, ${runs} runs, ${requests} requests a route, one after the other: slowest p95 ${slowest.toFixed(2)} ms, goal below ${goalMs} ms: ${slowest < goalMs ? 'met' : 'MISSED'}`,
)
