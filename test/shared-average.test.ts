import { expect, test, vi } from 'vitest'
import { HeadReplica } from '../coordinator/replica.ts'
import { patient, startCluster } from './cluster.ts'
import { tinyRunFile } from './tiny-run.ts'

// Everybody checks every round here: which rounds a worker draws is its own secret.
vi.mock('../aggregation/shared-average.ts', async (original) => ({
  ...(await original<typeof import('../aggregation/shared-average.ts')>()),
  checkedShare: () => 1,
}))

const averaging = { averageTopK: 1024 }

test(
  'workers that fetch the average reach the head’s bytes, are audited like others, and find it true',
  patient,
  async () => {
    await using cluster = await startCluster({ paid: false })
    const workers = [await cluster.addWorker(), await cluster.addWorker(), await cluster.addWorker()]
    const run = await cluster.submit(await tinyRunFile(cluster.home, { averaging }))
    const report = await cluster.finished(run)
    expect(report).toMatchObject({ phase: 'finished', error: null, round: 4 })
    for (const { stateRoot, stateRoots } of report.rounds)
      expect(new Set(stateRoots)).toEqual(new Set([stateRoot]))
    const audits = report.epochs.flatMap((epoch) => epoch.audits)
    expect(new Set(audits.map(({ code }) => code))).toEqual(new Set(['OK']))
    const { before, after } = report.heldOutLossNats
    expect(before! - after!).toBeGreaterThan(0.2)
    for (const { logged } of workers) {
      expect(logged).toContain('AVERAGE_CHECKED')
      expect(logged).not.toContain('AVERAGE_UNCHECKED')
    }
  },
)

test('a head that weighs one worker more than it says is found out, and left', patient, async () => {
  const { aggregate } = HeadReplica.prototype
  const lying = vi.spyOn(HeadReplica.prototype, 'aggregate').mockImplementation(function (
    this: HeadReplica,
    round,
    reveals,
    ...rest
  ) {
    const weighed = reveals.map(({ worker, reveal }, index) => ({
      worker,
      reveal: { ...reveal, tokens: index === 0 ? 1000 * reveal.tokens : reveal.tokens },
    }))
    return aggregate.call(this, round, weighed, ...rest)
  })
  try {
    await using cluster = await startCluster({ paid: false })
    const workers = [await cluster.addWorker(), await cluster.addWorker(), await cluster.addWorker()]
    const file = await tinyRunFile(cluster.home, { averaging: { ...averaging, rule: 'mean' } })
    const run = await cluster.submit(file)
    await cluster.watch(run, 'somebody to find the lie', () =>
      workers.some(({ logged }) => logged.includes('AVERAGE_FALSE')),
    )
  } finally {
    lying.mockRestore()
  }
})
