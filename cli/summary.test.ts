import { expect, test } from 'vitest'
import { runReport, workerReport } from '../coordinator/api/fixtures/reports.ts'
import type { RunReport } from '../protocol/report.ts'
import { summarize } from './summary.ts'
import { summaryText } from './summary-text.ts'

const steps = 40
const worker = { ...workerReport(1), tokens: 2048, bytesSent: 600, bytesReceived: 400 }
const report = (changed: Partial<RunReport>) =>
  runReport('x', { workers: [worker, workerReport(2)], innerSteps: steps, tokensPerRound: 2048, ...changed })

test('all-reduce would move what is not frozen, and so is a run compared with it', () => {
  const lora = summarize(report({ parameterCount: 100_000, movingCount: 1_000 }), [])
  // Of two, each sends and receives as much as a replica holds.
  expect(lora.workers[0]).toMatchObject({ bytesFp32AllReduce: 2 * 4 * 1_000 * steps })
  expect(lora.workers[0]!.bytesRatioToFp32AllReduce).toBe((2 * 4 * 1_000 * steps) / 1_000)
  expect(summaryText(lora)).toContain('100,000 parameters, of which 1,000 are not frozen')
  const full = summarize(report({ parameterCount: 1_000, movingCount: 1_000 }), [])
  expect(full.bytesRatioToFp32AllReduce).toBe(lora.bytesRatioToFp32AllReduce)
  expect(summaryText(full)).not.toContain('frozen')
})

test('a report from before there was movingCount is of a run in which all moves', () => {
  const { movingCount: _, ...old } = report({ parameterCount: 1_000 })
  expect(summarize(old, [])).toMatchObject({
    movingCount: 1_000,
    workers: [{ bytesFp32AllReduce: 2 * 4 * 1_000 * steps }, {}],
  })
})
