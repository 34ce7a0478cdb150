import { PassThrough } from 'node:stream'
import { afterEach, expect, test, vi } from 'vitest'
import { runReport, workerReport } from '../coordinator/api/fixtures/reports.ts'
import { createLiveView } from './live-view.ts'

afterEach(() => vi.unstubAllEnvs())

test('a worker’s line says how much of its time was in inner steps, which is all that utilization counts', () => {
  vi.stubEnv('CI', '')
  const stream = Object.assign(new PassThrough(), { isTTY: true, columns: 120, rows: 40 })
  const view = createLiveView(stream as unknown as NodeJS.WriteStream)
  view.show(runReport('moby', { workers: [workerReport(1, { utilization: 0.87 })] }))
  view.close()
  expect(String(stream.read())).toMatch(/ w1 .* 1000 tok\/s +in steps 87 % +↑0 B ↓0 B/)
})
