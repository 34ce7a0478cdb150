import { readFileSync } from 'node:fs'
import path from 'node:path'
import { expect, test } from 'vitest'
import { evalCommand } from '../cli/eval-command.ts'
import { said } from '../cli/fixtures/said.ts'
import { prepareTraining } from '../cli/prepare-training.ts'
import { sampleCommand } from '../cli/sample-command.ts'
import { readRunFile } from '../cli/submit.ts'
import { initialWeights } from '../program/initial-weights.ts'
import { batchSource } from '../worker/data/batch-source.ts'
import { ortCpuEngine } from '../worker/engine/ort-cpu.ts'
import { learningRateAt } from '../worker/learning-rate.ts'
import { patient, startCluster } from './cluster.ts'

/* examples/gpt-moby-dick.yaml: as PyTorch trains it, and through a cluster. */

const examples = path.join(import.meta.dirname, '../examples')
const example = (...changes: string[]) => readRunFile(path.join(examples, 'gpt-moby-dick.yaml'), changes)

/** Made by ../examples/pytorch/gpt_moby_dick.py. */
const pytorch: { readonly seed: number; readonly firstLosses: readonly number[] } = JSON.parse(
  readFileSync(path.join(examples, 'pytorch/gpt_moby_dick.json'), 'utf8'),
)

test('the example’s first steps have the losses of PyTorch', patient, async () => {
  const { seed, firstLosses } = pytorch
  const file = await example(`train.seed=${seed}`)
  const { programs, data } = await prepareTraining(file)
  const session = await ortCpuEngine().loadTraining(programs.training)
  const optimizer = session.info.optimizerSlots.map(() => new Float32Array(programs.table.count))
  await session.writeState({ params: initialWeights(programs.table, seed), optimizer, step: 0 })
  const batches = batchSource(data.manifest.format, session.info)
  expect(firstLosses).toHaveLength(20)
  for (const [step, loss] of firstLosses.entries()) {
    const batch = batches.at({ seed, round: 0, slot: 0, step }, data.shards)
    const { lossNats } = await session.step(batch, { learningRate: learningRateAt(file.train, step) })
    expect(Math.abs(lossNats - loss), `step ${step}`).toBeLessThan(1e-4)
  }
  await session.close()
})

test('a short run of it learns, is measured in bits a byte, and continues a text', patient, async () => {
  await using cluster = await startCluster({ paid: false })
  await cluster.addWorker()
  const smaller = ['model.layers=1', 'model.width=48', 'train.batch=8', 'train.learningRate=0.01']
  const shorter = ['train.innerSteps=50', 'train.roundsPerEpoch=1', 'train.epochs=2', 'train.warmupSteps=10']
  const report = await cluster.finished(await cluster.submit(await example(...smaller, ...shorter)))
  expect(report).toMatchObject({ phase: 'finished', tokensPerRound: 8 * 64 * 50 })
  expect(report.heldOutLossNats.before).toBeGreaterThan(5)
  expect(report.heldOutLossNats.after).toBeLessThan(2.8)
  await cluster.close()
  const { home } = cluster
  const measured = JSON.parse(
    await said(() => evalCommand('gpt-moby-dick', { batches: '8', home, json: true })),
  )
  expect(measured).toMatchObject({ task: 'language', tokens: 8 * 8 * 64 })
  expect(measured.bitsPerByte).toBeGreaterThan(2)
  expect(measured.bitsPerByte).toBeLessThan(2.8 / Math.LN2)
  const both = JSON.parse(
    await said(() => evalCommand('gpt-moby-dick', { batches: '8', average: '2', home, json: true })),
  )
  expect(both).toMatchObject({ averaged: report.checkpoints.map(({ cid }) => cid).reverse() })
  expect(Math.abs(both.lossNats - measured.lossNats)).toBeLessThan(0.5)
  const drawing = { count: '100', temperature: '0.8', topK: '40', seed: '0' }
  const text = await said(() =>
    sampleCommand('gpt-moby-dick', { ...drawing, prompt: 'Call me ', home, json: true }),
  )
  expect(JSON.parse(text).text.length).toBeGreaterThan(50)
})
