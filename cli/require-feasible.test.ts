import { expect, test, vi } from 'vitest'
import type { RunModel } from '../program/run-model.ts'
import { runId, workerId } from '../protocol/ids.ts'
import type { ClusterReport, NodeReport } from '../protocol/report.ts'
import { parseRunFile, type RunSpec } from '../protocol/run-spec.ts'
import { requireFeasible } from './require-feasible.ts'

const node = (name: string): NodeReport => ({
  ...{ id: workerId(name), name, engineClass: '', tokensPerSecond: 0, connected: true, status: 'alive' },
  ...{ run: null, phase: 'joined', payout: null, offer: null },
})

const startedAt = 1_000_000

/** A head whose status changes with every look. */
function headOf(...looks: readonly (readonly NodeReport[])[]) {
  let look = 0
  const status = vi.fn(async () => {
    const nodes = looks[Math.min(look++, looks.length - 1)]!
    return { nodes, runs: [{ run: runId('known') }], startedAt } as unknown as ClusterReport
  })
  return { status }
}

const ask = (api: ReturnType<typeof headOf>, run: string, ageMs: number) =>
  requireFeasible(
    api,
    {
      run: runId(run),
      spec: parseRunFile({ workers: { min: 2 } }, 'run.yaml') as unknown as RunSpec,
      model: { memoryBytes: 2 ** 20 } as RunModel,
    },
    () => startedAt + ageMs,
  )

test('nodes that cannot start it: refused with what is missing and what helps', async () => {
  await expect(ask(headOf([node('a')]), 'new', 60_000)).rejects.toMatchObject({
    code: 'INFEASIBLE',
    exit: 'infeasible',
    message: expect.stringContaining('1 of 2 workers'),
    next: expect.stringMatching(/start 1 more .*workers\.min: 1; with --queue/),
  })
})

test('a head that was just started is given time to gather', async () => {
  const gathering = headOf([node('a')], [node('a'), node('b')])
  await ask(gathering, 'new', 100)
  expect(gathering.status).toHaveBeenCalledTimes(2)
})

test('what was submitted before, and what nobody can judge yet, goes through', async () => {
  const stderr = vi.spyOn(process.stderr, 'write').mockReturnValue(true)
  await ask(headOf([node('a')]), 'known', 60_000)
  expect(stderr).not.toHaveBeenCalled()
  await ask(headOf([]), 'new', 60_000)
  expect(stderr).toHaveBeenCalledWith(expect.stringMatching(/^it will wait: no node is here; start 2 more/))
  stderr.mockRestore()
})
