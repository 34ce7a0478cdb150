import { expect, test } from 'vitest'
import type { RunReport } from '../protocol/report.ts'
import { trainRound } from '../worker/train-round.ts'
import { patient, startCluster } from './cluster.ts'
import { tinyRunFile } from './tiny-run.ts'

/** Every round has everybody, every replica the same bytes, and every audit of every round finds just what was claimed. */
function expectWhole(report: RunReport): void {
  expect(report).toMatchObject({ phase: 'finished', error: null, round: 4 })
  for (const { round, admitted, refused, stateRoot, stateRoots } of report.rounds) {
    expect([admitted.length, refused], `round ${round}`).toEqual([3, []])
    expect(new Set(stateRoots), `round ${round}`).toEqual(new Set([stateRoot]))
  }
  expect(report.epochs.map(({ audits }) => audits.length)).toEqual([6, 6])
  for (const { audits } of report.epochs)
    expect(new Set(audits.map(({ code }) => code))).toEqual(new Set(['OK']))
  const { before, after } = report.heldOutLossNats
  expect(before! - after!).toBeGreaterThan(0.3)
}

test(
  'eager: a worker trains its next round while others still train this one; all of it is audited',
  patient,
  async () => {
    await using cluster = await startCluster({ paid: false })
    const trained: number[] = []
    const ahead = Promise.withResolvers<void>()
    const quick: typeof trainRound = async (inputs, ...rest) => {
      trained.push(inputs.round)
      if (inputs.round === 1) ahead.resolve()
      return await trainRound(inputs, ...rest)
    }
    const slow: typeof trainRound = async (inputs, ...rest) => {
      if (inputs.round === 0) await ahead.promise
      return await trainRound(inputs, ...rest)
    }
    await cluster.addWorker({ train: quick })
    await cluster.addWorker({ train: slow })
    await cluster.addWorker({ train: slow })
    const run = await cluster.submit(await tinyRunFile(cluster.home, { averaging: { schedule: 'eager' } }))
    expectWhole(await cluster.finished(run))
    // What it began ahead was what the head then asked for: nothing was trained twice, and nothing after the last round.
    expect(trained).toEqual([0, 1, 2, 3])
  },
)

test(
  'fragments, other optimizers, compressors and rules: replicas and audits agree on all of it',
  patient,
  async () => {
    await using cluster = await startCluster({ paid: false })
    for (let count = 0; count < 3; count++) await cluster.addWorker()
    const file = await tinyRunFile(cluster.home, {
      model: { width: 32 },
      train: { optimizer: 'muon', learningRate: 0.02 },
      averaging: {
        ...{ fragments: 2, compressor: 'int4', rule: 'centered-clipping' },
        ...{ outer: 'nesterov', outerLearningRate: 0.7, outerMomentum: 0.5 },
      },
    })
    expectWhole(await cluster.finished(await cluster.submit(file)))
  },
)
