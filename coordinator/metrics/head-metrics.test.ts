import { afterEach, beforeEach, expect, test } from 'vitest'
import { nodeReport, richReport, runOf, runReport } from '../api/fixtures/reports.ts'
import { ownerToken, type StagedApi, serveStaged } from '../api/fixtures/staged-head.ts'

let staged: StagedApi
beforeEach(async () => {
  staged = await serveStaged()
})
afterEach(() => staged[Symbol.asyncDispose]())

async function scrape(): Promise<readonly string[]> {
  const response = await fetch(`${staged.api.url}/metrics`, {
    headers: { authorization: `Bearer ${ownerToken}` },
  })
  expect(response.headers.get('content-type')).toMatch(/^text\/plain; version=0\.0\.4/)
  return (await response.text()).split('\n')
}

test('gauges are of now, counters of what happened', async () => {
  staged.head.nodes = [nodeReport(1), nodeReport(2, { connected: false, status: 'dead' })]
  staged.head.show(runReport('moby'))
  staged.head.now += 4_000
  staged.head.show(richReport('moby'))
  const text = await scrape()
  expect(text).toEqual(
    expect.arrayContaining([
      'murmur_runs{phase="train"} 1',
      'murmur_runs{phase="paused"} 0',
      'murmur_nodes{status="alive"} 1',
      'murmur_nodes{status="dead"} 1',
      'murmur_worker_tokens_per_second{worker="w1"} 1001',
      `murmur_run_round{run="${runOf('moby')}"} 2`,
      `murmur_run_train_loss_nats{run="${runOf('moby')}"} 2.9`,
      'murmur_rounds_total 2',
      'murmur_tokens_total 6144',
      'murmur_refused_total{code="NOT_COMMITTED"} 1',
      'murmur_audits_total{outcome="verified"} 1',
      'murmur_epochs_settled_total 1',
    ]),
  )
  expect(text.some((line) => line.startsWith('process_resident_memory_bytes '))).toBe(true)
  staged.head.show(richReport('moby', { phase: 'finished' }))
  const after = await scrape()
  expect(after.filter((line) => line.includes(runOf('moby')))).toEqual([])
  expect(after).toContain('murmur_rounds_total 2')
})

test('labels stay few, whatever comes: nodes, runs, codes, paths, methods', async () => {
  staged.head.nodes = Array.from({ length: 500 }, (_, index) => nodeReport(index))
  const codes = Array.from({ length: 100 }, (_, index) => ({
    worker: nodeReport(1).id,
    code: `CODE_${index}`,
  }))
  const [round] = richReport('x').rounds
  for (let index = 0; index < 30; index++) {
    staged.head.show(runReport(`run ${index}`))
    staged.head.show(
      runReport(`run ${index}`, {
        rounds: [{ ...round!, refused: [...codes, { worker: nodeReport(1).id, code: '"}\n# evil' }] }],
      }),
    )
  }
  const headers = { authorization: `Bearer ${ownerToken}` }
  for (const path of ['/a', '/b?c', `/api/v1/runs/${runOf('one')}`, `/api/v1/runs/${runOf('two')}`])
    for (const method of ['GET', 'PROPFIND']) await fetch(`${staged.api.url}${path}`, { method, headers })
  const text = await scrape()
  const labels = (name: string, label: string) =>
    new Set(
      text.flatMap((line) =>
        line.startsWith(name) ? [new RegExp(`${label}="([^"]*)"`).exec(line)?.[1]] : [],
      ),
    )
  expect(labels('murmur_worker_tokens_per_second{', 'worker').size).toBe(128)
  expect(labels('murmur_run_round{', 'run').size).toBe(16)
  expect(labels('murmur_refused_total{', 'code').size).toBe(33)
  expect(labels('murmur_refused_total{', 'code')).toContain('OTHER')
  expect(labels('murmur_api_request_seconds_count{', 'method')).toEqual(new Set(['GET', 'OTHER']))
  expect(labels('murmur_api_request_seconds_count{', 'route')).toEqual(
    new Set(['none', '/api/v1/runs/{run}']),
  )
  expect(text.join('\n')).not.toContain('evil')
})

test('what the head itself reports: its log, a lead that it took over', async () => {
  staged.headMetrics.logSynced(0.002)
  staged.headMetrics.failedOver()
  expect(await scrape()).toEqual(
    expect.arrayContaining([
      'murmur_log_fsync_seconds_count 1',
      'murmur_log_fsync_seconds_bucket{le="0.0025"} 1',
      'murmur_log_fsync_seconds_bucket{le="0.001"} 0',
      'murmur_head_failovers_total 1',
    ]),
  )
})
