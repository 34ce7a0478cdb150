import path from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { readRunFile } from '../cli/submit.ts'
import { summarize } from '../cli/summary.ts'
import { summaryText } from '../cli/summary-text.ts'
import type { RunReport } from '../protocol/report.ts'
import { type Cluster, patient, startCluster } from './cluster.ts'
import { tinyRunFile } from './tiny-run.ts'

/* Data other than bytes of text through real workers, each round replayed; the first two are short examples/. */

let cluster: Cluster
beforeAll(async () => {
  cluster = await startCluster({ paid: false })
  await Promise.all([cluster.addWorker(), cluster.addWorker()])
})
afterAll(() => cluster[Symbol.asyncDispose]())

const shorter = [
  ...['audit.roundsPerEpoch=1000', 'audit.segments=2', 'workers.adaptive=false', 'train.epochs=1'],
  ...['train.batch=32', 'train.learningRate=0.01', 'train.warmupSteps=4'],
]
const example = (name: string, ...more: string[]) =>
  readRunFile(path.join(import.meta.dirname, '../examples', name), [...shorter, ...more])

function expectVerified({ phase, rounds, epochs }: RunReport): void {
  expect(phase).toBe('finished')
  for (const { stateRoot, stateRoots } of rounds) expect(new Set(stateRoots)).toEqual(new Set([stateRoot]))
  expect(epochs[0]!.audits.map(({ code }) => code)).toEqual(['OK', 'OK', 'OK', 'OK'])
}

test('digits are told apart', patient, async () => {
  const file = await example('mnist-cnn.yaml', 'model.filters=[8]', 'train.innerSteps=25')
  const report = await cluster.finished(await cluster.submit(file))
  expectVerified(report)
  expect(report).toMatchObject({ task: 'classification', tokensPerRound: 32 * 25 })
  expect(report.heldOutAccuracy.before).toBeLessThan(0.3)
  expect(report.heldOutAccuracy.after).toBeGreaterThan(0.6)
  expect(report.checkpoints.at(-1)!.heldOutAccuracy).toBe(report.heldOutAccuracy.after)
  expect(report.samples).toEqual({ before: null, after: null })
  const text = summaryText(summarize(report, []))
  expect(text).toMatch(/\nheld-out accuracy: \d+\.\d\d % before, [6-9]\d\.\d\d % after\n/)
  expect(text).toContain('training loss, nats a row, by round')
  expect(text).not.toMatch(/token|byte\)|sample/)
})

test('words are told from letters', patient, async () => {
  const report = await cluster.finished(await cluster.submit(await example('regression.yaml')))
  expectVerified(report)
  // Of the variance of the words of a paragraph.
  expect(report.heldOutLossNats.before).toBeGreaterThan(0.5)
  expect(report.heldOutLossNats.after).toBeLessThan(0.1)
  expect(report).toMatchObject({ task: 'regression', heldOutAccuracy: { before: null, after: null } })
  expect(summaryText(summarize(report, []))).toMatch(/held-out loss: .* after \(mean squared error\)/)
})

test('a text of a tokenizer’s tokens is learned, and sampled in text', patient, async () => {
  const tiny = await tinyRunFile(cluster.home, { workers: { min: 2 }, train: { epochs: 1, innerSteps: 20 } })
  const tokenizer = path.join(import.meta.dirname, '../worker/data/fixtures/tokenizer.json')
  const report = await cluster.finished(await cluster.submit({ ...tiny, data: { ...tiny.data, tokenizer } }))
  expectVerified(report)
  expect(report.task).toBe('language')
  expect(Math.abs(report.heldOutLossNats.before! - Math.log(400))).toBeLessThan(1)
  expect(report.heldOutLossNats.after).toBeLessThan(report.heldOutLossNats.before!)
  expect(report.samples.after!.length).toBeGreaterThan(160)
})
