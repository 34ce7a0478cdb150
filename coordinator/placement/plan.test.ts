import { expect, test } from 'vitest'
import { compressorOf } from '../../aggregation/compressor-of.ts'
import { defaultModel } from '../../program/model-spec.ts'
import { operationsPerToken } from '../../program/operations.ts'
import { runId } from '../../protocol/ids.ts'
import { parseRunFile } from '../../protocol/run-spec.ts'
import { encode } from '../../protocol/wire.ts'
import { emptyLocalState, packLocalState } from '../../verification/local-state.ts'
import { node } from './fixtures/views.ts'
import { type PlanInput, planRun } from './plan.ts'
import { contributionBytes, ringAllReduceBytes, roundMessages, roundTraffic } from './round-bytes.ts'

const file = parseRunFile(
  { name: 'plan', workers: { min: 2 }, timing: { trainTimeoutMs: 100_000 } },
  'run.yaml',
)
const parameterCount = 865_024
const input: PlanInput = {
  file,
  ...{ parameterCount, movingCount: parameterCount },
  task: 'language',
  tokensPerStep: 1024,
  operationsPerToken: operationsPerToken(defaultModel, parameterCount),
  moments: 2,
  table: [],
  programMemoryBytes: 2 ** 27,
  sharedBytes: 100_000,
  shardBytes: [30_000, 30_000, 30_000, 30_000],
  epochRewardWei: 5n,
  nodes: null,
}
const device = (tokensPerSecond: number, memoryBytes = 2 ** 30) => ({
  devices: [{ kind: 'cpu' as const, name: '', memoryBytes, tokensPerSecond }],
})

test('a contribution is at most as long as the plan says, and little shorter', () => {
  for (const count of [1, 4095, 4096, 4097, 100_000]) {
    const compressor = compressorOf(file.averaging)
    const delta = new Float32Array(count).map((_, index) => Math.sin(index))
    const { bytes } = compressor.compress(delta, compressor.init(count))
    const planned = contributionBytes(file.averaging, count)
    expect(bytes.length).toBeLessThanOrEqual(planned)
    expect(bytes.length).toBeGreaterThan(0.85 * planned)
  }
})

test('messages are as long as they are on the wire, and grow with members and segments', () => {
  const run = runId('bafyreih6v2yx3n2d6j7yqpm7uqkq3v3a3d3a3d3a3d3a3d3a3d3a3d3a3d')
  const hash = `0x${'ff'.repeat(32)}` as const
  const commit = encode('Gossip', { run, term: 1, body: { kind: 'commit', round: 3, hash } }).length
  const { worker, head } = roundMessages(1, 1)
  expect(worker).toBeGreaterThan(3 * commit)
  expect(worker).toBeLessThan(3 * (commit + 512))
  expect(roundMessages(1, 16).worker - worker).toBeGreaterThanOrEqual(15 * 34)
  // More than gossip carries goes by block: still counted.
  expect(roundMessages(200, 16).head).toBeGreaterThan(200 * 16 * 34)
  expect(roundMessages(2, 1).head).toBeGreaterThan(head + 100)
})

test('all gather: each sends to the others and the head, and receives from the others', () => {
  const messages = { worker: 10, head: 7 }
  expect(roundTraffic(4, 1000, null, messages)).toEqual({ upBytes: 4 * 1010, downBytes: 3 * 1010 + 7 })
  expect(roundTraffic(1, 1000, null, messages)).toEqual({ upBytes: 1010, downBytes: 7 })
  expect(ringAllReduceBytes(4, 100, 3)).toBe(2 * 1.5 * 4 * 100 * 3)
  expect(ringAllReduceBytes(1, 100, 3)).toBe(0)
})

test('an average from the head: what a worker moves in bulk stays the same, however many they are', () => {
  const bulk = (members: number) => roundTraffic(members, 1000, 2000, { worker: 0, head: 0 })
  // Of four rounds one is checked by somebody, who then fetches all others' contributions.
  expect(bulk(4)).toEqual({ upBytes: 1000 + 3000 / 16, downBytes: 2000 + 3000 / 16 })
  expect(bulk(1000).downBytes).toBeLessThan(2000 + 1000 / 4)
})

test('without a head: for workers.min, of unknown speed', () => {
  const plan = planRun(input)
  expect(plan).toMatchObject({ workers: 2, time: null, pending: null, nodes: [], costWei: 15n })
  expect(plan.tokens).toEqual({ perWorkerRound: 61_440, perRound: 122_880, total: 737_280 })
  // Half of the shards each, and everything shared.
  expect(plan.perWorker.setUpBytes).toBe(160_000)
  // One audit an epoch, of either worker, for which it sends its local state.
  const state = packLocalState(emptyLocalState({ parameterCount: 100, moments: 2, hasDrift: false })).length
  expect(planRun({ ...input, movingCount: 100 }).perWorker.auditBytes).toBe((3 * state) / 2)
})

test('with nodes: speed-adaptive steps, so that all take as long as the fastest', () => {
  // The program is the reference program, so speeds are what was measured on it.
  const nodes = [node('fast', device(2_000)), node('slow', device(1_000)), node('small', device(9_999, 1))]
  const plan = planRun({ ...input, nodes })
  expect(plan.nodes.map(({ verdict, innerSteps }) => [verdict, innerSteps])).toEqual([
    ['chosen', 60],
    ['chosen', 30],
    ['unfit', null],
  ])
  expect(plan.nodes[2]!.reason).toMatch(/^too little memory/)
  expect(plan.tokens.perRound).toBe(90 * 1024)
  expect(plan.time!.trainSecondsPerRound).toBeCloseTo((60 * 1024) / 2_000)
  expect(plan.time!.exchangeSecondsPerRound).toBeGreaterThan(0)
  const equal = planRun({ ...input, file: { ...file, workers: { ...file.workers, adaptive: false } }, nodes })
  expect(equal.time!.trainSecondsPerRound).toBeCloseTo((60 * 1024) / 1_000)
})

test('a model of more arithmetic is slower by that', () => {
  const nodes = [node('a', device(2_000)), node('b', device(2_000))]
  const large = planRun({ ...input, nodes, operationsPerToken: 9 * input.operationsPerToken })
  const ratio = large.time!.trainSecondsPerRound / planRun({ ...input, nodes }).time!.trainSecondsPerRound
  expect(ratio).toBeCloseTo(9, 8)
})

test('what would go wrong is said: too few nodes, rounds that cannot end in time', () => {
  const alone = planRun({ ...input, nodes: [node('a', device(1_000))] })
  expect(alone).toMatchObject({ time: null, pending: { code: 'NODES_MISSING', have: 1, need: 2 } })
  const crawling = planRun({ ...input, nodes: [node('a', device(10)), node('b', device(10))] })
  expect(crawling.warnings).toEqual([expect.stringContaining('timing.trainTimeoutMs (100000)')])
})

test('of a run with frozen parameters all that rounds move, keep and compare is of the others', () => {
  const lora = { ...input, parameterCount: 11_006_976, movingCount: 147_456 }
  const small = { ...input, parameterCount: 147_456, movingCount: 147_456 }
  const [plan, likeSmall] = [planRun(lora), planRun(small)]
  expect(plan).toMatchObject({ parameterCount: 11_006_976, movingCount: 147_456 })
  expect(plan).toMatchObject({ checkpointBytes: 4 * 147_456, frozenBytes: 4 * (11_006_976 - 147_456) })
  expect(likeSmall).toMatchObject({ checkpointBytes: 4 * 147_456, frozenBytes: 0 })
  for (const key of ['contributionBytes', 'perWorkerRound', 'perWorker', 'ratioToRingAllReduce'] as const)
    expect(plan[key], key).toEqual(likeSmall[key])
  expect(plan.expectedGap).not.toBeNull()
  expect(plan.expectedGap).toEqual(likeSmall.expectedGap)
  expect(planRun({ ...lora, movingCount: 200 }).expectedGap).toBeNull()
})

test('a checkpoint has what replicas carry beside the model', () => {
  const eager = {
    ...file,
    averaging: { ...file.averaging, schedule: 'eager' as const, outer: 'nesterov' as const },
  }
  expect(planRun({ ...input, file: eager }).checkpointBytes).toBe(3 * 4 * parameterCount)
})

test('what averaging costs in loss, where something like it was measured', () => {
  const { expectedGap } = planRun(input)
  expect(expectedGap!.measured).toMatchObject({
    compressor: 'sign',
    optimizer: 'normuon',
    split: 'shuffled',
  })
  expect(JSON.parse(JSON.stringify(expectedGap)).gapPercent).toBeGreaterThan(0)
  expect(planRun({ ...input, task: 'regression' }).expectedGap).toBeNull()
  const lora = { ...file, train: { ...file.train, lora: { rank: 4, alpha: 8, targets: null } } }
  expect(planRun({ ...input, file: lora }).expectedGap!.differences).toContainEqual({
    key: 'train.lora',
  })
  expect(
    planRun({ ...input, file: { ...file, workers: { ...file.workers, min: 1 } } }).expectedGap,
  ).toBeNull()
  const train = { ...file.train, optimizer: 'muon' as const }
  const apart = { ...file, train, data: { builtin: 'mnist' as const, split: 'by-label' as const } }
  const images = { ...input, file: apart, task: 'classification' as const, movingCount: 9_098 }
  expect(planRun(images).expectedGap!.measured).toMatchObject({ split: 'by-label', task: 'classification' })
})

test('a round of more tokens than its reveal can tell is refused as at submission', () => {
  const long = { ...file, train: { ...file.train, innerSteps: 3_000 } }
  expect(planRun({ ...input, file: long, tokensPerStep: 715_000 }).tokens.perWorkerRound).toBe(2_145_000_000)
  expect(() => planRun({ ...input, file: long, tokensPerStep: 1_000_000 })).toThrow(
    expect.objectContaining({ code: 'ROUND_TOO_LONG', next: expect.stringContaining('to 2147 or fewer') }),
  )
})

test('what no node could fold in time is refused as at submission', () => {
  const dense = { ...file, averaging: { ...file.averaging, compressor: 'int8' as const } }
  expect(() => planRun({ ...input, file: dense, movingCount: 124_000_000 })).toThrow(
    expect.objectContaining({ code: 'AVERAGING_INVALID' }),
  )
})
