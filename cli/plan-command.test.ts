import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { reportedNode } from '../coordinator/placement/node-views.ts'
import { planRun } from '../coordinator/placement/plan.ts'
import { workerId } from '../protocol/ids.ts'
import type { NodeReport } from '../protocol/report.ts'
import { parseRunFile } from '../protocol/run-spec.ts'
import { planCommand, planInput } from './plan-command.ts'
import { planText } from './plan-text.ts'
import { prepareRun } from './submit.ts'

let home: string
const written = { out: '', err: '' }
const keep = (stream: keyof typeof written) => (text: string | Uint8Array) => {
  written[stream] += text
  return true
}
beforeEach(async () => {
  home = await mkdtemp(path.join(tmpdir(), 'murmur-plan-'))
  Object.assign(written, { out: '', err: '' })
  vi.spyOn(process.stdout, 'write').mockImplementation(keep('out'))
  vi.spyOn(process.stderr, 'write').mockImplementation(keep('err'))
})
afterEach(async () => {
  vi.restoreAllMocks()
  await rm(home, { recursive: true })
})

/** A node that has told nothing of itself. */
const nodeReport = (name: string): NodeReport => ({
  ...{ id: workerId('n'), name, engineClass: '', tokensPerSecond: 0, connected: true, status: 'alive' },
  ...{ run: null, phase: 'joined', payout: null, offer: null },
})

const tiny = {
  name: 'tiny',
  model: { layers: 1, width: 16, heads: 2, context: 16 },
  train: { batch: 2, innerSteps: 6 },
  workers: { min: 2 },
  reward: { perEpoch: '1.5' },
}

test('without a head: says so, plans for workers.min, and ends well', async () => {
  const file = path.join(home, 'run.yaml')
  await writeFile(file, JSON.stringify(tiny))
  await planCommand(file, { set: ['train.epochs=4'], home, json: true })
  expect(written.err).toMatch(/^no head is running .*: planned for workers\.min nodes of unknown speed\n$/)
  const plan = JSON.parse(written.out)
  expect(plan).toMatchObject({ workers: 2, rounds: 8, time: null, costWei: '6000000000000000000' })
  expect(process.exitCode).toBeUndefined()
})

test('what every worker fetches first is what was built', async () => {
  const file = parseRunFile(tiny, 'run.yaml')
  const prepared = await prepareRun(file, 'test')
  const input = planInput(file, prepared)
  const training = prepared.blocks.get(prepared.spec.programs.training)!
  expect(input.sharedBytes).toBeGreaterThan(training.length)
  const sizes = [...prepared.blocks.values()].map(({ length }) => length)
  const all = sizes.reduce((sum, size) => sum + size, 0)
  const shards = input.shardBytes.reduce((sum, size) => sum + size, 0)
  expect(shards).toBeGreaterThan(1_000_000)
  expect(input.sharedBytes + shards).toBeLessThan(all)
})

test('for people: nodes, what hinders, what it costs; names from elsewhere cannot play with the terminal', async () => {
  const file = parseRunFile(tiny, 'run.yaml')
  const input = planInput(file, await prepareRun(file, 'test'))
  const node = reportedNode(nodeReport('w1\u001b[2J'))
  const text = planText(planRun({ ...input, nodes: [node] }))
  expect(text).not.toContain('\u001b')
  expect(text).toMatch(/^tiny: 11,696 parameters\n/)
  expect(text).toMatch(/\n {2}cost +4\.5 tokens at most: 3 epochs\n/)
  expect(text).toMatch(/\n {2}w1 \[2J .*speed not known/)
  expect(text).toMatch(/it could not start: 1 of 2 workers\n {2}start 1 more/)
})

test('a run with low-rank factors: what moves is told apart from what is frozen', async () => {
  const train = { ...tiny.train, lora: { rank: 2, alpha: 4 } }
  const file = parseRunFile({ ...tiny, train }, 'run.yaml')
  const text = planText(planRun({ ...planInput(file, await prepareRun(file, 'test')), nodes: null }))
  const [, all, moving] = /^tiny: ([\d,]+) parameters, of which ([\d,]+) are not frozen\n/.exec(text)!
  expect([all, moving]).toEqual(['12,208', '512'])
  expect(text).toMatch(/\n {2}checkpoints +3 of 2 kB, and once 47 kB that are frozen\n/)
})

test('a real run moved about what its plan says', async () => {
  const train = { optimizer: 'adamw' }
  const averaging = { compressor: 'sparse-loco' }
  const file = parseRunFile({ train, averaging, workers: { min: 4, max: 4 } }, 'run.yaml')
  const { total } = planRun({ ...planInput(file, await prepareRun(file, 'test')), nodes: null })
  // What the sockets of four worker processes counted in `murmur demo`, when its run was such a one. Handshakes, heartbeats and the relaying of gossip,
  // which a plan leaves out, depend on how long a run takes; this one took 168 s. Contributions are planned at their longest,
  // which is a twentieth above the usual.
  const sent = 6_327_455 + 6_328_879 + 1_130_886 + 6_332_568
  const received = 1_031_964 + 1_050_575 + 1_041_612 + 1_031_658
  expect(total.upBytes / sent).toBeGreaterThan(0.95)
  expect(total.upBytes / sent).toBeLessThan(1)
  expect(total.downBytes / received).toBeGreaterThan(0.95)
  expect(total.downBytes / received).toBeLessThan(1.07)
})
