import { expect, test } from 'vitest'
import { elements } from '../program/operators/operator.ts'
import { readRunModel } from '../program/run-model.ts'
import { patient, startCluster } from './cluster.ts'
import { type Sections, tinyRunFile } from './tiny-run.ts'

/* What docs/models.md offers, through real workers: each run's rounds are replayed by auditors, bit by bit. */

const sizes = { layers: 1, width: 16, heads: 2, context: 16 } as const
const two = {
  workers: { min: 2 },
  audit: { roundsPerEpoch: 1000, segments: 3 },
} as const

const runs: readonly (readonly [Sections['model'], Sections['train']])[] = [
  [
    { ...sizes, style: 'modern' },
    {
      ...{ optimizer: 'sgd', momentum: 0, learningRate: 0.3, schedule: 'wsd', decayShare: 0.5 },
      ...{ batch: 4, accumulate: 2, freeze: ['token_embedding', 'layer0.mlp.*'] },
    },
  ],
  [
    { ...sizes, style: 'gpt2' },
    { optimizer: 'lion', learningRate: 0.01, schedule: 'linear', weightDecay: 0.1 },
  ],
]

test('a modern GPT under SGD in parts, partly frozen, and a GPT-2 under Lion', patient, async () => {
  await using cluster = await startCluster({ paid: false })
  const [{ store }] = await Promise.all([cluster.addWorker(), cluster.addWorker()])
  for (const [model, train] of runs) {
    const file = await tinyRunFile(cluster.home, { ...two, model, train: { ...train, epochs: 1 } })
    const report = await cluster.finished(await cluster.submit(file))
    expect(report).toMatchObject({ phase: 'finished', task: 'language' })
    for (const { stateRoot, stateRoots } of report.rounds)
      expect(new Set(stateRoots)).toEqual(new Set([stateRoot]))
    const codes = report.epochs.flatMap(({ audits }) => audits.map(({ code }) => code))
    expect(codes).toEqual(['OK', 'OK', 'OK', 'OK'])
    const { manifest, state } = await store.readCheckpoint(report.checkpoints.at(-1)!.cid)
    const program = readRunModel((await store.blocks.get(manifest.program))!)
    const start = program.initialWeights(file.train.seed)
    for (const { name, shape, offset, role } of program.table) {
      const [before, after] = [start, state.theta].map((flat) =>
        flat.subarray(offset, offset + elements(shape)),
      )
      if (role === 'frozen') expect(after, name).toEqual(before)
      else expect(after, name).not.toEqual(before)
    }
    expect(report.heldOutLossNats.after).toBeLessThan(report.heldOutLossNats.before!)
  }
})
